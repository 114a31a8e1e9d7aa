"""A run that is killed or interrupted at any point is completed by the next one, which repeats only what was lost."""

import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import (
    Finished,
    StoredRows,
    assert_all_gone,
    assert_same_rows,
    cells_done,
    descendants,
    finish,
    ingest,
    rushes,
    start,
    stored_rows,
)
from benchmarks.testbed.waiting import must_run, wait_for
from sinks.maintenance.verify import verify
from stream.events.grid import segment_range

SECONDS = 235
CELLS = 24
SEED = 20_240_607


@dataclass(frozen=True, slots=True)
class Undisturbed:
    clip: Path
    rows: StoredRows


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The clip, and the rows of a run that nobody disturbed."""
    root = tmp_path_factory.mktemp("undisturbed")
    clip = write_clip(root / "long.mp4", seconds=SECONDS, fps=5, scenes=32, gop=20)
    done = ingest(root / "state", clip.path, "--span", 10)
    assert done.code == 0
    assert done.document["decoded_s"] == SECONDS
    return Undisturbed(clip.path, stored_rows(root / "state"))


def ledger_commits(count: int) -> Callable[[Path], bool]:
    """The index's ledger was made (1) and written to `count` - 1 times."""
    return lambda state: _files(state / "lancedb" / "segments.lance" / "_versions") >= count


def watermark_commits(count: int) -> Callable[[Path], bool]:
    """As `ledger_commits`, of the Delta store's watermarks."""
    return lambda state: _files(state / "parquet" / "retired.lance" / "_versions") >= count


def delta_commits(table: str, count: int) -> Callable[[Path], bool]:
    """A table was made (1) and written to `count` - 1 times."""
    return lambda state: _files(state / "parquet" / table / "_delta_log") >= count


def index_has_moments(state: Path) -> bool:
    """Moments are written before the ledger says so: a kill here falls between the two."""
    return any((state / "lancedb").glob("moments_*.lance/_versions/*"))


def _files(directory: Path) -> int:
    return len(list(directory.iterdir())) if directory.is_dir() else 0


def points() -> Iterator[tuple[str, Callable[[Path], bool]]]:
    yield "moments-before-ledger", index_has_moments
    yield "delta-moments-before-receipts", delta_commits("moments", 2)
    commits = random.Random(SEED).randint(2, 3)
    yield f"ledger-commit-{commits}", ledger_commits(commits)


POINTS = dict(points())


def arrive(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    wait_for(reached, "the run came to the point", meanwhile=must_run(process), within_s=240.0, every_s=0.005)


def lost_seconds(state: Path) -> float:
    """Footage in the cells that are not durable in both stores by the same write."""
    ranges = [segment_range(cell, SECONDS * 10**9) for cell in set(range(CELLS)) - cells_done(state)]
    return sum(end - begin for begin, end in ranges) / 1e9


def assert_whole(state: Path, done: Finished, expected: StoredRows) -> None:
    assert done.code == 0, done.err
    assert [asset["status"] for asset in done.document["assets"]] == ["ready"]
    assert_same_rows(stored_rows(state), expected)
    assert verify(state / "lancedb", state / "parquet").agrees


@pytest.mark.long  # random kills (test_pipeline_kills) reach these points too
@pytest.mark.parametrize("point", POINTS)
def test_killed_run_is_completed_by_the_next_one(point: str, undisturbed: Undisturbed, tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = start(state, "ingest", undisturbed.clip, "--light", "--json", "--span", 10)
    arrive(process, partial(POINTS[point], state))
    family = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    assert finish(process).code == -signal.SIGKILL
    assert_all_gone(family)

    lost = lost_seconds(state)
    assert lost > 0, "the run was over before the kill"
    done = ingest(state, undisturbed.clip, "--span", 10)
    assert done.document["decoded_s"] == pytest.approx(lost)
    assert_whole(state, done, undisturbed.rows)


def test_change_killed_while_it_takes_over_is_completed(tmp_path: Path) -> None:
    clip, state = tmp_path / "clip.mp4", tmp_path / "state"
    write_clip(clip, seconds=12, fps=5, scenes=3)
    assert ingest(state, clip).code == 0
    write_clip(clip, seconds=95, fps=5, scenes=12)
    expected = ingest(tmp_path / "reference", clip)
    assert expected.code == 0
    stored = _files(state / "lancedb" / "segments.lance" / "_versions")
    retired = _files(state / "parquet" / "retired.lance" / "_versions")
    for reached in (ledger_commits(stored + 1), watermark_commits(retired + 1)):
        process = start(state, "ingest", clip, "--light", "--json", "--span", 10)
        arrive(process, partial(reached, state))
        process.send_signal(signal.SIGKILL)
        finish(process)
    assert_whole(state, ingest(state, clip), stored_rows(tmp_path / "reference"))


def test_held_directory_is_refused_and_an_interrupt_drains(undisturbed: Undisturbed, tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = start(state, "ingest", undisturbed.clip, "--light", "--json", "--span", 10)
    arrive(process, partial(ledger_commits(2), state))
    process.send_signal(signal.SIGSTOP)
    try:
        refused = rushes(state, "ingest", undisturbed.clip, "--light", "--json")
    finally:
        family = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        stopped = finish(process)
    assert refused.code == 2
    assert "another rushes process" in refused.err
    assert "state_locked" in refused.err
    assert "Traceback" not in refused.err
    assert stopped.code == 130
    assert stopped.document["finished"] is False
    assert "resume" in stopped.err
    assert_all_gone(family)

    lost = lost_seconds(state)
    done = ingest(state, undisturbed.clip, "--span", 10)
    assert done.document["decoded_s"] == pytest.approx(lost)
    assert_whole(state, done, undisturbed.rows)
