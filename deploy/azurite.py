"""Provides Azurite, the emulator of Azure Blob storage, on which tests of stores run. It and all that it needs are npm
packages, whose versions and digests `azurite.package-lock.json` pins.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from deploy.kept_folder import kept_folder, require, run
from deploy.promtool import default_cache

PACKAGE = Path(__file__).with_suffix(".package.json")
PINS = Path(__file__).with_suffix(".package-lock.json")
_PROGRAM = "node_modules/azurite/dist/src/blob/main.js"


def find(cache_dir: Path) -> list[str] | None:
    """The command that starts the emulator; None where it or Node is missing."""
    node, program = shutil.which("node"), _kept(cache_dir) / _PROGRAM
    return [node, str(program)] if node and program.is_file() else None


def fetch(cache_dir: Path) -> Path:
    """The folder of its packages; installed by npm the first time. No script of a package is run. Raises
    `RuntimeError` with what is missing, or not as pinned.
    """
    require("node", "npm")
    return kept_folder(_kept(cache_dir), _install)


def _kept(cache_dir: Path) -> Path:
    """Other versions are other folders."""
    return cache_dir / f"azurite-{hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]}"


def _install(scratch: Path) -> Path:
    made = scratch / "made"
    made.mkdir()
    shutil.copy(PACKAGE, made / "package.json")
    shutil.copy(PINS, made / "package-lock.json")
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], made)
    return made


def main() -> int:
    try:
        print(f"Azurite is in {fetch(default_cache())}.")
    except RuntimeError as problem:
        print(f"Azurite: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
