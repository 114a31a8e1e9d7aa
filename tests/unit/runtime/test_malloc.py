"""What is freed at once is not paid for again."""

import platform
import subprocess
import sys

import pytest

from stream.runtime.malloc import SHARED_HEAPS
from tests.support.programs import ROOT, program


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_records_of_a_megabyte_come_to_memory_that_is_there() -> None:
    kept, usual = (
        int(subprocess.run(program("count_page_faults", how), cwd=ROOT, capture_output=True, check=True).stdout)
        for how in ("kept", "usual")
    )
    assert kept < 1_000
    assert usual > 4 * kept


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has heaps by thread")
def test_threads_of_a_sink_share_heaps() -> None:
    shared, usual = (
        subprocess.run(program("count_heaps", how), cwd=ROOT, capture_output=True, check=True).stdout
        for how in ("shared", "usual")
    )
    assert shared.count(b"<heap nr=") == SHARED_HEAPS < usual.count(b"<heap nr=")
