"""Provides promtool, which checks and tests alert rules: the one on the PATH, or Debian's package `prometheus`,
unpacked into the cache without being installed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import platformdirs

PACKAGE = "prometheus"


def find(cache_dir: Path) -> Path | None:
    """The program, or None where it has not been provided."""
    kept = cache_dir / PACKAGE / "promtool"
    if kept.is_file():
        return kept
    installed = shutil.which("promtool")
    return None if installed is None else Path(installed)


def fetch(cache_dir: Path) -> Path:
    """The program, downloaded the first time. Raises `RuntimeError` with what is missing."""
    found = find(cache_dir)
    if found is not None:
        return found
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
    if apt is None or dpkg is None:
        raise RuntimeError("promtool is missing and there is no apt here: install Prometheus, whose part it is")
    kept = cache_dir / PACKAGE
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        if subprocess.run([apt, "download", PACKAGE], cwd=scratch, check=False, capture_output=True).returncode:
            subprocess.run([apt, "update"], check=False, capture_output=True)  # a fresh machine has no lists yet
            subprocess.run([apt, "download", PACKAGE], cwd=scratch, check=True, capture_output=True)
        (package,) = Path(scratch).glob(f"{PACKAGE}_*.deb")
        subprocess.run([dpkg, "-x", str(package), f"{scratch}/files"], check=True, capture_output=True)
        (Path(scratch) / "files/usr/bin/promtool").replace(kept / "promtool")
    return kept / "promtool"


def default_cache() -> Path:
    """Where `rushes` keeps weights and jars, unless told otherwise."""
    return platformdirs.user_cache_path("rushes")


def main() -> int:
    try:
        print(f"promtool is {fetch(default_cache())}.")
    except (RuntimeError, subprocess.CalledProcessError) as problem:
        print(f"promtool: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
