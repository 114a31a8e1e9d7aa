"""Provides what tests of the page need: a Chromium, and axe-core, which finds barriers in pages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.npm_file import NpmFile
from deploy.promtool import default_cache

_VERSION = "4.14.1"
AXE = NpmFile(
    package="axe-core",
    version=_VERSION,
    sha256="e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
    member="package/axe.min.js",
    kept=f"axe-core-{_VERSION}/axe.min.js",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> Path | None:
    """The browser on the PATH, or None."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    return None if found is None else Path(found)


def fetch() -> Path:
    """The browser, installed by apt where it is missing and this is root. Raises `RuntimeError` with what to do."""
    found = find()
    if found is not None:
        return found
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise RuntimeError("there is no Chromium here: install one (`sudo apt-get install chromium`)")
    # A fresh machine has no lists yet.
    subprocess.run([apt, "update"], check=False, capture_output=True)
    asked = [apt, "install", "--yes", "--no-install-recommends", "chromium"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(asked, check=False, capture_output=True, text=True, env=environment)
    found = find()
    if found is None:
        raise RuntimeError(f"apt could not install Chromium: {done.stderr.strip()[-300:]}")
    return found


def main() -> int:
    try:
        print(f"axe-core is {AXE.fetch(default_cache())}.")
        print(f"Chromium is {fetch()}.")
    except RuntimeError as problem:
        print(f"browser: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
