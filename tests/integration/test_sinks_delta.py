"""The Delta store: what a kill cut off is found again, an older store is moved, a commit rewrites only what it must."""

import os
import signal
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, TableFeatures

from sinks.delta.old_ledger import OldLedger
from sinks.delta.store import DeltaStore
from sinks.location import Location, Place
from sinks.protocol import Sink
from sinks.query.ledger import DeltaLedger
from stream.errors import Fatal
from stream.events.asset import Outcome
from stream.events.base import Event
from stream.events.ids import asset_key, segment_id
from tests.integration.test_compatibility import ARCHIVE
from tests.support.annotations import SPACE, annotations, events, key_of, ref, retired, segment_failed
from tests.support.leases import end_lease
from tests.support.programs import ROOT, program
from tests.support.sinks import Row, build, rows_of

CLIPS = [f"clip-{number}" for number in range(4)]
BATCHES: list[list[Event]] = [
    events(*(annotations(ref(clip, 1 + number), of=1) for number, clip in enumerate(CLIPS[:2]))),
    events(*(annotations(ref(clip, 5 + number), of=1) for number, clip in enumerate(CLIPS[2:]))),
    events(*(annotations(ref(clip, 1 + number), of=1, revision=1, count=3) for number, clip in enumerate(CLIPS[:2]))),
    events(annotations(ref("clip-1", 8), content="b", of=1)),
    events(retired(8, key_of("b", "clip-1"), ref("clip-1"))),
]
"""Two clips are added, two more, the first two get other rows, and one of them gets another content."""


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    built = build("delta", tmp_path / "store")
    yield built
    built.close()


def moments(directory: Path) -> DeltaTable:
    return DeltaTable(str(directory / "moments"))


def held(place: Place) -> list[tuple[list[Row], list[tuple[str, int, int]]]]:
    """Rows and ledger of each clip."""
    sink = build("delta", place)
    found = []
    for clip in CLIPS:
        entries = sink.store.ledger_entries([asset_key("acme", clip)])
        found.append((rows_of(sink, clip), sorted((it.segment_id, it.revision, it.moment_count) for it in entries)))
    sink.close()
    return found


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[Row], list[tuple[str, int, int]]]]:
    """What an undisturbed run leaves."""
    directory = tmp_path_factory.mktemp("calm")
    sink = build("delta", directory)
    for batch in BATCHES:
        list(sink.process(batch))
    sink.close()
    return held(directory)


def killed(place: Place, instant: str) -> int:
    """The number of batches that were durable when the sink was killed at `instant`."""
    command = program("die_in_delta_sink", place, instant)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    return len(done.stdout.split())


BETWEEN_TABLES = [
    ("moments are appended", 0),
    ("moments are replaced", 2),
    ("files are written that no commit names", 2),
    ("void rows are deleted", 4),
    ("watermarks have followed", 5),
    ("the ledger has followed", 5),
    ("files are about to be joined", 5),
]


@pytest.mark.parametrize(("instant", "durable"), BETWEEN_TABLES)
def test_a_kill_between_two_tables_leaves_nothing_lost_or_doubled(
    instant: str, durable: int, tmp_path: Path, calm: list[object]
) -> None:
    assert killed(tmp_path, instant) == durable
    assert finished(tmp_path, durable) == calm


@pytest.mark.parametrize(("instant", "durable"), BETWEEN_TABLES)
def test_on_an_object_store_neither(instant: str, durable: int, s3_prefix: str, calm: list[object]) -> None:
    place = Location.of(s3_prefix)
    assert killed(place, instant) == durable
    end_lease(place, "delta")
    assert finished(place, durable) == calm


def finished(place: Place, durable: int) -> list[tuple[list[Row], list[tuple[str, int, int]]]]:
    """What is held when the batches that were not durable have come again."""
    sink = build("delta", place)
    for batch in BATCHES[durable:]:
        list(sink.process(batch))
    sink.close()
    return held(place)


def test_rows_of_which_the_ledger_was_not_told_are_gone_when_the_sink_opens(tmp_path: Path) -> None:
    """As of an older release that was killed: a record that comes again as retired would leave them for ever."""
    store = DeltaStore(tmp_path)
    store.open()
    store.replace([annotations(of=1)])
    store.close()
    assert moments(tmp_path).count() == 2
    build("delta", tmp_path).close()
    assert moments(tmp_path).count() == 0


def test_rows_and_what_the_ledger_says_of_them_come_with_one_commit(tmp_path: Path) -> None:
    """A sink that was killed after it has both, and nothing is to be made again."""
    killed(tmp_path, "moments are replaced")
    assert [len(clip) for clip, _ in held(tmp_path)] == [3, 3, 2, 2]
    again, before = build("delta", tmp_path), moments(tmp_path).version()
    list(again.process(BATCHES[2]))
    again.close()
    assert moments(tmp_path).version() == before


def test_a_reader_sees_what_the_tables_of_the_ledger_do_not_have_yet(sink: Sink, tmp_path: Path) -> None:
    """And the same once they have it."""
    for batch in BATCHES:
        list(sink.process(batch))
    place, keys = tmp_path / "store", [asset_key("acme", clip) for clip in CLIPS]
    segments = [segment_id(key_of(content, clip), 0) for clip, content in (("clip-0", "a"), ("clip-1", "b"))]

    def told() -> list[Any]:
        store = DeltaStore(place)
        cells, columns = store.cells().sort_by("segment_id").to_pylist(), ["segment_id", "revision"]
        entries = sorted(store.ledger_entries(keys), key=lambda item: item.segment_id)
        some = store.ledger_entries_of(segments, columns).sort_by("segment_id").to_pylist()
        tables = sorted((name, row["asset_key"]) for name, rows in store.contents() for row in rows.to_pylist())
        return [cells, entries, some, tables, store.counts(), store.retirements(), store.retirements(keys[:1])]

    before = told()
    assert not (place / "segments.lance").exists()
    assert (len(before[0]), len(before[1]), len(before[2]), len(before[5])) == (4, 4, 2, 1)
    sink.maintain()
    assert (place / "segments.lance").exists()
    assert told() == before


@pytest.mark.parametrize("instant", ["watermarks are moved", "the ledger is about to go"])
def test_a_store_of_an_older_release_is_moved_whole_even_after_a_kill(instant: str, tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    directory = tmp_path / "state" / "parquet"
    before = DeltaStore(directory)
    cells, marks = before.cells().sort_by("segment_id").to_pylist(), before.retirements()
    assert (len(cells), len(marks)) == (2, 2)
    killed(directory, instant)
    asked = {str(cell["segment_id"]) for cell in cells}
    (made,) = {(str(cell["space"]), str(cell["understand_digest"])) for cell in cells}
    assert DeltaLedger(directory).writes(asked, *made).keys() == asked
    build("delta", directory).close()
    after = DeltaStore(directory)
    assert after.cells().sort_by("segment_id").to_pylist() == cells
    assert after.retirements() == marks
    assert DeltaLedger(directory).writes(asked, *made).keys() == asked
    assert {path.name for path in directory.iterdir() if path.is_dir()} == {
        *("moments", "spaces", "segments.lance", "retired.lance")
    }
    assert moments(directory).count() == sum(cell["moment_count"] for cell in cells)


def test_a_reader_whom_the_move_overtakes_asks_the_moved_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or plan would take all that an older release has done for undone."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    directory = tmp_path / "state" / "parquet"
    cells = DeltaStore(directory).cells().to_pylist()
    (made,) = {(str(cell["space"]), str(cell["understand_digest"])) for cell in cells}
    asked = {str(cell["segment_id"]) for cell in cells}
    of_segments = OldLedger.of_segments

    def overtaken(ledger: OldLedger, *arguments: Any) -> Any:
        build("delta", directory).close()
        return of_segments(ledger, *arguments)

    monkeypatch.setattr(OldLedger, "of_segments", overtaken)
    assert DeltaLedger(directory).writes(asked, *made).keys() == asked


def test_a_sink_closes_where_nothing_can_be_written(sink: Sink, tmp_path: Path) -> None:
    list(sink.process(BATCHES[0]))
    (tmp_path / "store" / "ledger-followed.new").mkdir()  # where a small file is to be written
    sink.close()
    (tmp_path / "store" / "ledger-followed.new").rmdir()
    again = build("delta", tmp_path / "store")
    assert [len(rows_of(again, clip)) for clip in CLIPS] == [2, 2, 0, 0]
    again.close()


def test_a_moved_store_that_an_older_release_wrote_to_keeps_both(tmp_path: Path) -> None:
    """That release knows nothing of the moved ledger, and begins one of its own."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    directory = tmp_path / "state" / "parquet"
    older = DeltaStore(directory)
    cells, marks = older.cells().to_pylist(), older.retirements()
    sink = build("delta", directory)
    for batch in (BATCHES[0], events(retired(5, None, ref("clip-1")))):
        list(sink.process(batch))
    sink.close()
    mark = asset_key("acme", "clip-1")
    with tarfile.open(ARCHIVE) as archive:
        own = [
            it for it in archive.getmembers() if it.name.startswith(("state/parquet/segments", "state/parquet/retired"))
        ]
        archive.extractall(tmp_path, own, filter="data")
    changed, revision = cells[0]["segment_id"], cells[0]["revision"] + 1
    for name in ("segments", "moments"):
        DeltaTable(str(directory / name)).update(
            new_values={"revision": revision}, predicate=f"segment_id = '{changed}'"
        )
    again = build("delta", directory)
    assert len(rows_of(again, "clip-0")) == 2
    again.close()
    after = DeltaStore(directory)
    assert after.retirements() == {**marks, mark: after.retirements([mark])[mark]}
    known = [(it["segment_id"], it["revision"]) for it in after.cells().to_pylist()]
    others = [(it["segment_id"], it["revision"]) for it in cells[1:]]
    assert sorted(known) == sorted([(changed, revision), (key_segment("clip-0"), 0), *others])


def key_segment(clip: str) -> str:
    return segment_id(key_of("a", clip), 0)


def test_a_commit_rewrites_only_the_files_of_the_cells_that_it_changes(sink: Sink, tmp_path: Path) -> None:
    for number in range(6):
        list(sink.process(events(annotations(ref(f"clip-{number}", 1 + number), of=1))))
    before = set(moments(tmp_path / "store").file_uris())
    assert len(before) == 6
    list(sink.process(events(annotations(ref("clip-2", 3), of=1, revision=1))))
    changed = set(moments(tmp_path / "store").file_uris())
    assert (len(before - changed), len(changed)) == (1, 6)
    list(sink.process([*events(retired(5, None, ref("clip-4")))]))
    assert (len(changed - set(moments(tmp_path / "store").file_uris())), rows_of(sink, "clip-4")) == (1, [])


def test_an_empty_cell_gets_its_rows_by_an_append(sink: Sink, tmp_path: Path) -> None:
    list(sink.process(events(annotations(count=0))))
    list(sink.process(events(annotations(count=2, epoch_ms=9))))
    assert moments(tmp_path / "store").history(1)[0]["operationParameters"]["mode"] == "Append"
    assert len(rows_of(sink)) == 2


def test_superseded_files_never_take_more_room_than_the_table_once_it_is_tidied(sink: Sink, tmp_path: Path) -> None:
    for revision in range(12):
        list(sink.process(events(annotations(revision=revision))))
    sink.maintain()
    sink.maintain()
    files = list((tmp_path / "store" / "moments").glob("tenant=*/**/*.parquet"))
    assert (len(files), len(rows_of(sink))) == (1, 2)


def test_small_files_are_joined_and_nothing_is_lost(sink: Sink, tmp_path: Path) -> None:
    for number in range(8):
        list(sink.process(events(annotations(ref(f"clip-{number}", 1 + number), of=1))))
    sink.maintain()
    assert len(moments(tmp_path / "store").file_uris()) == 1
    assert [len(rows_of(sink, f"clip-{number}")) for number in range(8)] == [2] * 8


def test_a_tenant_of_any_name_has_its_rows_replaced_and_joined(sink: Sink, tmp_path: Path) -> None:
    odd = "o'neil %2F söhne=1"
    for number in range(4):
        list(sink.process(events(annotations(ref(f"clip-{number}", 1 + number, tenant=odd), of=1))))
    list(sink.process(events(annotations(ref("clip-1", 2, tenant=odd), of=1, revision=1, count=3))))
    assert [len(rows_of(sink, f"clip-{number}", odd)) for number in range(4)] == [2, 3, 2, 2]
    sink.maintain()
    table = moments(tmp_path / "store")
    assert (len(table.file_uris()), table.count()) == (1, 9)
    list(sink.process(events(retired(5, None, ref("clip-3", 4, tenant=odd)))))
    assert moments(tmp_path / "store").count() == 7


def test_a_commit_of_another_tool_is_noticed_and_kept(sink: Sink, tmp_path: Path) -> None:
    for number in range(4):
        list(sink.process(events(annotations(ref(f"clip-{number}", 1 + number), of=1))))
    moments(tmp_path / "store").optimize.compact()
    moments(tmp_path / "store").delete("asset_id = 'clip-3'")
    list(sink.process(events(annotations(ref("clip-0", 1), of=1, revision=1, count=3))))
    assert [len(rows_of(sink, f"clip-{number}")) for number in range(4)] == [3, 2, 2, 0]
    assert len(moments(tmp_path / "store").file_uris()) == 2


def test_a_commit_is_added_where_those_of_another_tool_were_cleaned_up(sink: Sink, tmp_path: Path) -> None:
    for number in range(3):
        list(sink.process(events(annotations(ref(f"clip-{number}", 1 + number), of=1))))
    for number in range(2):
        moments(tmp_path / "store").delete(f"asset_id = 'clip-{number}'")
    moments(tmp_path / "store").create_checkpoint()
    for path in (tmp_path / "store" / "moments" / "_delta_log").iterdir():
        os.utime(path, (0, 0))
    moments(tmp_path / "store").cleanup_metadata()
    list(sink.process(events(annotations(ref("clip-3", 4), of=1))))
    assert [len(rows_of(sink, f"clip-{number}")) for number in range(4)] == [0, 0, 2, 2]


def test_a_table_that_was_given_features_is_left_alone(sink: Sink, tmp_path: Path) -> None:
    list(sink.process(BATCHES[0]))
    table = moments(tmp_path / "store")
    table.alter.add_feature(TableFeatures.ChangeDataFeed, allow_protocol_versions_increase=True)
    with pytest.raises(Fatal, match="was given features by another tool") as caught:
        list(sink.process(BATCHES[1]))
    assert (caught.value.code, moments(tmp_path / "store").version()) == ("table_features", table.version())


def test_commits_go_on_beside_upkeep(tmp_path: Path) -> None:
    sink = build("delta", tmp_path)
    over = threading.Event()
    failed: list[BaseException] = []

    def tending() -> None:
        try:
            while not over.is_set():
                sink.store.tend()  # type: ignore[attr-defined]  # what the sink's own thread does
        except Exception as error:  # noqa: BLE001 - looked at below
            failed.append(error)

    thread = threading.Thread(target=tending)
    thread.start()
    try:
        for number in range(12):
            clip = ref(f"clip-{number % 4}", 1 + number % 4)
            list(sink.process(events(*(annotations(clip, cell, revision=number // 4) for cell in range(3)))))
    finally:
        over.set()
        thread.join()
    sink.close()
    assert failed == []
    again = build("delta", tmp_path)
    assert [(len(rows_of(again, clip)), {row["revision"] for row in rows_of(again, clip)}) for clip in CLIPS] == [
        (6, {2})
    ] * 4
    again.close()


def test_failures_are_none_of_its_business(sink: Sink) -> None:
    list(sink.process(events(segment_failed(), annotations(segment=1))))
    (entry,) = sink.store.ledger_entries([asset_key("acme", "clip")])
    assert (entry.outcome, entry.segment, entry.space) == (Outcome.DONE, 1, SPACE.key)
