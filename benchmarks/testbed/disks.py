"""Disks that really refuse: a small one of its own that fills up, and a limit on how far any file may grow."""

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system of a few MiB at `path`."""

    path: Path

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    @property
    def filled(self) -> bool:
        return self._ballast.exists()

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave this much room, to the page; the system itself says ENOSPC from there on. Who writes meanwhile may have
        taken what was free a moment ago.
        """
        with self._ballast.open("wb") as file:
            while (size := shutil.disk_usage(self.path).free - leave_bytes) > 0:
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                else:
                    return

    def make_room(self) -> None:
        self._ballast.unlink()


@contextmanager
def small_disk(path: Path, size_mib: int) -> Iterator[SmallDisk]:
    """Mounted for the block. Only root may mount: skips elsewhere, but not where `CI=true`."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"cannot mount a small disk ({done.stderr.strip()}): run the tests as root"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextmanager
def files_no_longer_than(size_bytes: int) -> Iterator[None]:
    """No file of this process grows past `size_bytes` within the block: EFBIG, as the interpreter ignores SIGXFSZ."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
