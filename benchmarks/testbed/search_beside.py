"""A store that is searched while its index sink fills it at full speed, in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FILL, _FILL_BESIDE = "benchmarks.testbed.store_fill", "benchmarks.testbed.fill_beside"
_NEVER = "1000000000"
_STARTS_S = 120.0


class Ingest:
    """`store_fill` on the store under `directory`, from when it has written its first cells until it is stopped. With
    `giving_way` it lets others go first.
    """

    def __init__(self, directory: Path, *, giving_way: bool = False) -> None:
        command = [sys.executable, "-m", _FILL_BESIDE if giving_way else _FILL, "index", str(directory), _NEVER]
        # Lance warns of every partition that gets none of a thousand new rows.
        quiet = {**os.environ, "LANCE_LOG": "error"}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=quiet, start_new_session=giving_way
        )
        self._started = threading.Event()
        self._cells = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def cells(self) -> int:
        """Written so far. Raises `RuntimeError` where the process has ended."""
        if not self._started.wait(_STARTS_S) or self._process.poll() is not None:
            raise RuntimeError("the store could not be filled; what went wrong stands above")
        return self._cells

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._cells = json.loads(line)["cells"]
            self._started.set()
        self._started.set()


class Rate:
    """Cells a second since it was made."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._cells, self._start_s = ingest.cells(), time.monotonic()

    @property
    def cells_per_s(self) -> float:
        return (self._ingest.cells() - self._cells) / (time.monotonic() - self._start_s)


@contextmanager
def ingesting(directory: Path, *, giving_way: bool = False) -> Iterator[Ingest]:
    ingest = Ingest(directory, giving_way=giving_way)
    try:
        ingest.cells()
        yield ingest
    finally:
        ingest.stop()


@contextmanager
def copied(directory: Path) -> Iterator[Path]:
    """The same store at another place, for as long as it is used: Lance changes no file, so links will do."""
    copy = directory.with_name(f"{directory.name}-beside")
    shutil.rmtree(copy, ignore_errors=True)
    try:
        yield Path(shutil.copytree(directory, copy, copy_function=os.link))
    finally:
        shutil.rmtree(copy)
