"""Whole runs over a disk that is full or a directory that may not be written: they wait, lose nothing, go on."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.disks import small_disk
from benchmarks.testbed.permissions import BOUND_BY_PERMISSIONS
from benchmarks.testbed.runs import (
    StoredRows,
    assert_same_rows,
    decoded_s,
    finish,
    ingest,
    light_settings,
    published,
    run_events,
    rushes,
    start,
    stored_rows,
)
from benchmarks.testbed.waiting import must_run, wait_for
from sinks.dead_letters import DeadLetterFilter, DeadLetters
from sinks.maintenance.verify import verify
from stream.control.progress import Progress

SECONDS = 45
PATIENCE_LOOKS = 40  # of 0.2 s


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("clips")
    first, second = root / "first.mp4", root / "second.mp4"
    write_clip(first, seconds=12, fps=4, scenes=3, size=(64, 48))
    write_clip(second, seconds=SECONDS, fps=4, scenes=9, gop=20, size=(64, 48))
    return first, second


@pytest.fixture(scope="module")
def undisturbed(clips: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> StoredRows:
    settings = light_settings(tmp_path_factory.mktemp("undisturbed") / "state", *clips)
    run_events(settings, [published(clip) for clip in clips])
    return stored_rows(settings.state_dir)


def assert_nothing_lost(state: Path, expected: StoredRows) -> None:
    assert_same_rows(stored_rows(state), expected)
    assert verify(state / "lancedb", state / "parquet").agrees
    assert DeadLetters(state / "lancedb").listed(DeadLetterFilter(states=())) == []


def test_disk_that_fills_up_again_and_again_pauses_both_stores(
    clips: tuple[Path, Path], undisturbed: StoredRows, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", size_mib=48) as disk:
        settings = light_settings(disk.path / "state", *clips, min_free_bytes=0)
        run_events(settings, [published(clips[0])])
        rooms = iter([0, 8_192, 65_536])
        disk.fill(next(rooms))
        waits: list[Mapping[str, str]] = []
        looks = 0

        def watch(_progress: Progress, paused: Mapping[str, str]) -> None:
            """Once both have run into it: room for a moment, or for good. A little room may be enough for one of them,
            so from the second time on a number of looks is enough, too.
            """
            nonlocal looks
            looks += 1
            full = all("the disk is full" in paused.get(stage, "") for stage in ("index", "parquet"))
            if disk.filled and (full or (waits and looks > PATIENCE_LOOKS)):
                looks = 0
                waits.append(paused)
                disk.make_room()
                room = next(rooms, None)
                if room is not None:
                    disk.fill(room)

        progress = run_events(settings, [published(clips[1])], watch=watch)
        assert waits
        assert "nothing is lost" in waits[0]["parquet"]
        assert decoded_s(progress) == SECONDS
        assert_nothing_lost(settings.state_dir, undisturbed)


def says(process: subprocess.Popen[str], log: Path, enough: Callable[[str], bool]) -> None:
    wait_for(lambda: enough(log.read_text()), "it says so", meanwhile=must_run(process, log), within_s=240.0)


def test_command_says_that_it_waits_for_room(clips: tuple[Path, Path], undisturbed: StoredRows, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with small_disk(tmp_path / "disk", size_mib=160) as disk:
        disk.fill(2 << 20)
        process = start(disk.path / "state", "ingest", *clips, "--light", "--json", log=log)
        waits = [f"stage {name}: paused, only " for name in ("index", "parquet")]
        says(process, log, lambda text: all(words in text for words in waits))
        assert "make room" in log.read_text()
        disk.make_room()
        done = finish(process)
        assert done.code == 0, log.read_text()
        assert "Traceback" not in log.read_text()
        assert done.document["decoded_s"] == SECONDS + 12
        assert_nothing_lost(disk.path / "state", undisturbed)


def test_stores_that_may_not_be_written_for_a_while_are_waited_for(
    clips: tuple[Path, Path], undisturbed: StoredRows, tmp_path: Path
) -> None:
    state, log = tmp_path / "state", tmp_path / "log"
    assert ingest(state, clips[0]).code == 0
    folders = [path for path in state.rglob("*") if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    process = start(state, "ingest", clips[1], "--light", "--json", through=BOUND_BY_PERMISSIONS, log=log)
    try:
        says(process, log, lambda text: text.count("cannot be used: it is not writable") >= 2)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    done = finish(process)
    assert done.code == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert_nothing_lost(state, undisturbed)


def test_state_directory_that_cannot_be_made_is_refused_in_words(clips: tuple[Path, Path], tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.mkdir()
    held.chmod(0o555)
    refused = finish(start(held / "state", "ingest", clips[0], "--light", through=BOUND_BY_PERMISSIONS))
    assert refused.code == 2
    assert "choose another with --state" in refused.err
    assert "Traceback" not in refused.err
    (tmp_path / "file").write_text("no directory")
    blocked = rushes(tmp_path / "file", "ingest", clips[0], "--light")
    assert blocked.code == 2
    assert "is a file: name a directory" in blocked.err
