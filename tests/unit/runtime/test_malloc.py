"""What is freed at once is not paid for again."""

import subprocess
import sys

import pytest

ROUNDS = """
import resource, sys
from stream.runtime.malloc import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    before = faults()
    held = [bytes(1 << 20).replace(b"\\0", b"x") for _ in range(25)]
    held.clear()
    last = faults() - before
print(last)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_records_of_a_megabyte_come_to_memory_that_is_there() -> None:
    kept, usual = (
        int(subprocess.run([sys.executable, "-c", ROUNDS, how], capture_output=True, check=True).stdout)
        for how in ("kept", "usual")
    )
    assert kept < 1_000
    assert usual > 4 * kept
