"""Provides the players of the web, which play streaming packages in tests: one file of each, by version and digest."""

import sys
from pathlib import Path

from deploy.npm_file import NpmFile
from deploy.promtool import default_cache

PLAYERS = {
    "hls.js": NpmFile(
        package="hls.js",
        version="1.7.4",
        sha256="e4ab3d5d13f7cca9ef241d098f39686e19fd451831ba07dc9943482fd5ff75c7",
        member="package/dist/hls.min.js",
        kept="hls.js-1.7.4/hls.min.js",
    ),
    "dash.js": NpmFile(
        package="dashjs",
        version="5.2.1",
        sha256="4eacb0cc3525276666ca3f084611cdabb5a2264d128dfe0750fe106fbddd088f",
        member="package/dist/modern/umd/dash.all.min.js",
        kept="dashjs-5.2.1/dash.all.min.js",
    ),
    "shaka": NpmFile(
        package="shaka-player",
        version="5.2.12",
        sha256="0c09816ea0b1399434bb6423b6a955f22e75b1886e4d394934ec73b9b38e3018",
        member="package/dist/shaka-player.compiled.js",
        kept="shaka-player-5.2.12/shaka-player.compiled.js",
    ),
}


def find(name: str, cache_dir: Path) -> Path | None:
    """The player's script, or None where it has not been provided."""
    return PLAYERS[name].find(cache_dir)


def main() -> int:
    try:
        for name, player in PLAYERS.items():
            print(f"{name} is {player.fetch(default_cache())}.")
    except RuntimeError as problem:
        print(f"players: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
