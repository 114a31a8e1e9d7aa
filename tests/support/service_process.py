"""`rushes serve` as a process of its own."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.testbed.runs import RUSHES


@contextmanager
def serving(
    state: Path, *options: str, before: Sequence[str] = (), through: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service at a free port, with its address. `before`: options before the command; `through`: a command that
    becomes the one which follows it.
    """
    command = [*through, str(RUSHES), "--state", str(state), *before, "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found, said + process.stderr.read()
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()
