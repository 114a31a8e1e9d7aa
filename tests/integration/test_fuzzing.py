"""Seeded fuzzing: hundreds of broken files through real children, more than a thousand broken events and records."""

import gc
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from benchmarks.testbed.footage import corpus_clips
from tests.support.fuzzing import Tally, fuzz_asset_events, fuzz_files, fuzz_payloads

MAX_GROWTH_BYTES = 64 << 20


def left_nothing(run: Callable[[], Tally]) -> Tally:
    """Run it; afterwards this process has no more children, descriptors or shared memory than before, and no bulk."""
    me = psutil.Process()
    shared, children = set(Path("/dev/shm").iterdir()), set(me.children(recursive=True))
    descriptors, memory = me.num_fds(), me.memory_info().rss
    tally = run()
    gc.collect()
    assert set(me.children(recursive=True)) <= children
    assert set(Path("/dev/shm").iterdir()) <= shared
    assert me.num_fds() <= descriptors
    assert me.memory_info().rss - memory < MAX_GROWTH_BYTES
    assert tally.defects == []
    return tally


def test_mutated_files_end_in_cells_or_in_words(tmp_path: Path) -> None:
    fuzz_files(tmp_path, 1, 16)  # what is loaded once
    tally = left_nothing(lambda: fuzz_files(tmp_path, 2026, 216))
    assert tally.codes.total() == 216
    assert tally.codes[""] > 50, "not all may be refused at the door"
    assert len(tally.codes) > 3


@pytest.mark.corpus
def test_mutated_files_of_the_corpus_end_in_cells_or_in_words(tmp_path: Path) -> None:
    clips = [path for path in corpus_clips() if path.stat().st_size < 600_000]
    if not clips:
        pytest.skip("no corpus: set RUSHES_CORPUS")
    assert left_nothing(lambda: fuzz_files(tmp_path, 2026, 8, clips=clips)).codes.total() == 8


def test_mutated_producer_events_end_in_a_plan_or_in_a_letter() -> None:
    fuzz_asset_events(1, 20)
    tally = left_nothing(lambda: fuzz_asset_events(2026, 800))
    assert tally.codes.total() == 800
    assert tally.codes[""] > 50
    assert {"invalid_payload", "invalid_attribute", "not_a_cloudevent"} <= tally.codes.keys()


def test_mutated_records_of_inner_topics_are_refused_or_can_be_stored() -> None:
    fuzz_payloads(1, 20)
    tally = left_nothing(lambda: fuzz_payloads(2026, 1200))
    assert tally.codes.total() == 1200
    assert tally.codes[""] > 50
