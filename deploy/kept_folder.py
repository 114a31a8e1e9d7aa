"""Folders of the cache that set-up makes once, with programs that are on the machine."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

PATIENCE_S = 600


def kept_folder(target: Path, make: Callable[[Path], Path]) -> Path:
    """`target`, made in a scratch folder the first time, so that it is whole or not there."""
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = make(Path(scratch))
        try:
            made.rename(target)
        except OSError:  # another process was faster
            if not target.is_dir():
                raise
    return target


def require(*programs: str) -> None:
    """Raises `RuntimeError` with the first that is missing."""
    for program in programs:
        if shutil.which(program) is None:
            raise RuntimeError(f"{program} is missing: install it")


def run(command: Sequence[str], directory: Path) -> None:
    """Raises `RuntimeError` with the end of what a command says that fails, or that it takes too long."""
    shown = " ".join(command[:3])
    try:
        done = subprocess.run(command, cwd=directory, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"`{shown}` has not ended after {PATIENCE_S} s") from None
    if done.returncode:
        raise RuntimeError(f"`{shown}` failed: {(done.stderr or done.stdout).strip()[-300:]}")
