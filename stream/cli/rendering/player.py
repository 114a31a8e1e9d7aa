"""Plays a hit at its moment with whatever player the machine has."""

import shutil
import subprocess
import webbrowser
from collections.abc import Callable
from pathlib import Path

from stream.events.grid import SECOND_NS
from stream.search.hit import Hit

# The start option of each player.
PLAYERS: dict[str, Callable[[str, float], list[str]]] = {
    "mpv": lambda uri, start_s: ["mpv", f"--start={start_s:.3f}", "--", uri],
    "vlc": lambda uri, start_s: ["vlc", f"--start-time={start_s:.3f}", "--", uri],
    "ffplay": lambda uri, start_s: ["ffplay", "-loglevel", "error", "-ss", f"{start_s:.3f}", "-i", uri],
}


def play_command(hit: Hit, which: Callable[[str], str | None] = shutil.which) -> list[str] | None:
    """The command that plays the hit, or None when no known player is installed."""
    uri, start_s = hit.uri, hit.file_range_ns[0] / SECOND_NS
    if "://" not in uri:
        # A relative name could begin with a dash, and ffplay knows no `--`.
        uri = str(Path(uri).absolute())
    for name, command in PLAYERS.items():
        if which(name):
            return command(uri, start_s)
    return None


def play(hit: Hit) -> str:
    """Start the player, or a browser at a media fragment (W3C Media Fragments `#t=`). Returns what was started."""
    command = play_command(hit)
    if command is not None:
        # Not waited for: the player lives on when the command ends.
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - fixed programs
        return command[0]
    address = hit.uri if "://" in hit.uri else Path(hit.uri).absolute().as_uri()
    target = f"{address}#t={hit.file_range_ns[0] / SECOND_NS:.3f}"
    return f"browser ({target})" if webbrowser.open(target) else f"no player found; open {target}"
