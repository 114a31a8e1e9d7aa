"""What every sink promises: the same events in any order and partition leave the same rows."""

import itertools
import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks import REGISTRY
from sinks.delta.held import NOTHING_VOID, Void
from sinks.delta.store import DeltaStore
from sinks.location import Location, Place
from sinks.protocol import Sink
from sinks.query.catalogue import Catalogue
from sinks.storage.objects import Objects
from stream.errors import BadEvent, Unavailable
from stream.events.asset import AssetDeleted, AssetPublished, Outcome, SegmentProgressed
from stream.events.base import Event
from stream.events.ids import asset_key
from tests.support.annotations import (
    OTHER_SPACE,
    SPACE,
    annotations,
    asset_deleted,
    event,
    events,
    key_of,
    planned,
    ref,
    retired,
    segment_failed,
)
from tests.support.programs import ROOT, program
from tests.support.sinks import ON_AZURE, ON_S3, SHARDED, build, feed, made, rows_of, stores_of

Make = Callable[[], Sink]


LOCAL = [*sorted(REGISTRY), *(f"{SHARDED}{name}" for name in sorted(REGISTRY))]


REMOTE = [f"{where}{name}" for where in (ON_S3, ON_AZURE) for name in sorted(REGISTRY)]
PREFIXES = {ON_S3: "s3_prefix", ON_AZURE: "azure_prefix"}


@pytest.fixture(params=[*LOCAL, *REMOTE])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    for where, prefix in PREFIXES.items():
        if name.startswith(where):
            return Location.of(request.getfixturevalue(prefix)).child("store")
    return tmp_path / "store"


@pytest.fixture
def sink(name: str, place: Place) -> Iterator[Sink]:
    built = build(name, place)
    yield built
    built.close()


def test_rows_are_stored_whole(sink: Sink) -> None:
    item = annotations(words=["a dog", "a ball"], labels={"team": "red"})
    feed(sink, events(item))
    rows = rows_of(sink)
    wanted = sorted(item.rows.to_pylist(), key=lambda row: str(row["moment_id"]))
    assert [{name: row[name] for name in item.rows.column_names} for row in rows] == wanted
    first = rows[0]
    assert (first["tenant"], first["project"], first["asset_id"], first["segment"]) == ("acme", "news", "clip", 0)
    assert (first["labels"], first["day"], first["revision"]) == (["team=red"], "2023-11-14", 0)
    assert json.loads(first["stage_digests"]) == {"understand": "u1"}
    assert json.loads(first["models"])[0]["digest"] == "d1"
    (receipt,) = sink.store.ledger_entries([asset_key("acme", "clip")])
    assert (receipt.order, receipt.moment_count) == (item.header.order, 2)


def contents(location: Location) -> bytes:
    """Of every file or object below."""
    if location.path is not None:
        return b"".join(path.read_bytes() for path in location.path.rglob("*") if path.is_file())
    objects = Objects(location)
    found = [objects.get(name) for name, _ in objects.sizes("")]
    return b"".join(item.content for item in found if item is not None)


TRICKS = (
    "../../x",
    "a' OR '1'='1",
    '"; DROP TABLE moments; --',
    "tenant=a/day=b",
    "__HIVE_DEFAULT_PARTITION__",
    ".",
    "%2F é 💣",
)


def test_names_with_quotes_and_paths_are_only_names(sink: Sink, place: Place, tmp_path: Path) -> None:
    """Whoever is called like a query or a folder owns what is theirs, and its deletion takes nothing else."""
    owners = [ref(f"clip {trick}", tenant=trick, project=trick) for trick in TRICKS]
    batch = [annotations(owner, of=1, labels={trick: trick}) for owner, trick in zip(owners, LABELS, strict=True)]
    feed(sink, events(*(planned(owner, of=1) for owner in owners), *batch))
    for owner in owners:
        rows = rows_of(sink, owner.asset_id, owner.tenant)
        assert {(row["tenant"], row["project"], row["asset_id"]) for row in rows} == {
            (owner.tenant, owner.project, owner.asset_id)
        }
    gone, *others = owners
    feed(sink, [event(retired(9, None, gone), gone)])
    assert rows_of(sink, gone.asset_id, gone.tenant) == []
    assert all(rows_of(sink, owner.asset_id, owner.tenant) for owner in others)
    assert {path.name for path in tmp_path.iterdir()} <= {"store"}
    views = Catalogue(place)
    assert views.assets("x' OR '1'='1") == []
    assert views.assets(asset_ids=["x') OR ('1'='1"]) == []


LABELS = [trick.replace("=", "") for trick in TRICKS]


def test_duplicates_and_stale_rows_in_one_batch_leave_the_newest(sink: Sink) -> None:
    old, new = annotations(count=5), annotations(count=2, revision=1)
    feed(sink, events(old, new, old, new))
    assert [row["revision"] for row in rows_of(sink)] == [1, 1]


def test_a_stale_revision_never_replaces_a_newer_one(sink: Sink) -> None:
    feed(sink, events(annotations(count=2, revision=1)))
    feed(sink, events(annotations(count=5)))
    assert [row["revision"] for row in rows_of(sink)] == [1, 1]


def test_a_newer_revision_replaces_another_set_of_moments(sink: Sink) -> None:
    feed(sink, events(annotations(count=5), annotations(segment=1, count=1)))
    feed(sink, events(annotations(count=2, revision=1)))
    assert sorted((row["segment"], row["revision"]) for row in rows_of(sink)) == [(0, 1), (0, 1), (1, 0)]


def test_an_empty_result_clears_and_is_a_receipt(sink: Sink) -> None:
    feed(sink, events(annotations(count=3)))
    feed(sink, events(annotations(count=0, epoch_ms=9)))
    assert rows_of(sink) == []
    (receipt,) = sink.store.ledger_entries([asset_key("acme", "clip")])
    assert (receipt.outcome, receipt.moment_count, receipt.epoch_ms) == (Outcome.DONE, 0, 9)


def test_an_empty_result_alone_is_a_receipt(sink: Sink) -> None:
    feed(sink, events(annotations(count=0)))
    assert len(sink.store.ledger_entries([asset_key("acme", "clip")])) == 1
    assert [space.key for space in sink.store.spaces()] == [SPACE.key]


def test_two_spaces_live_side_by_side(sink: Sink) -> None:
    feed(sink, events(annotations(count=2), annotations(count=3, space=OTHER_SPACE)))
    feed(sink, events(annotations(count=4, space=OTHER_SPACE, revision=1)))
    assert len(rows_of(sink)) == 2
    assert [len(row["vector"]) for row in rows_of(sink, space=OTHER_SPACE)] == [16] * 4


def test_two_tenants_with_the_same_file_share_no_row(sink: Sink) -> None:
    other = ref(tenant="o'hara; --")
    feed(sink, events(annotations(), annotations(other)))
    feed(sink, [asset_deleted(ref(number=2))])
    assert rows_of(sink) == []
    assert [row["tenant"] for row in rows_of(sink, tenant="o'hara; --")] == ["o'hara; --"] * 2


def test_retired_content_goes_and_late_arrivals_stay_out(sink: Sink) -> None:
    newer = ref(number=2)
    feed(sink, events(annotations(), annotations(newer, content="b"), retired(2, key_of("b"))))
    assert {row["content_key"] for row in rows_of(sink)} == {key_of("b")}
    reported = feed(sink, events(annotations(), annotations(segment=1)))
    assert {row["content_key"] for row in rows_of(sink)} == {key_of("b")}
    progress = [item.data for item in reported if isinstance(item.data, SegmentProgressed)]
    assert [item.outcome for item in progress] == [Outcome.SUPERSEDED] * 2


def test_retirement_may_come_first(sink: Sink) -> None:
    feed(sink, events(retired(2, key_of("b"))))
    feed(sink, events(annotations(), annotations(ref(number=2), content="b"), annotations(ref(number=3), content="c")))
    assert {row["content_key"] for row in rows_of(sink)} == {key_of("b"), key_of("c")}


def test_a_deleted_asset_leaves_nothing_and_can_be_published_again(sink: Sink) -> None:
    feed(sink, events(annotations(), planned()))
    feed(sink, [asset_deleted(ref(number=2))])
    feed(sink, events(annotations(segment=1)))
    assert rows_of(sink) == []
    assert sink.store.ledger_entries([asset_key("acme", "clip")]) == []
    feed(sink, events(annotations(ref(number=3))))
    assert len(rows_of(sink)) == 2


def test_no_byte_of_a_deleted_asset_is_left_after_a_purge(sink: Sink, place: Place) -> None:
    secret = "zebracrossing"
    for number in range(12):
        feed(sink, events(annotations(ref(f"other-{number}"), count=8)))
    feed(sink, events(annotations(ref("doomed"), words=[secret], uri=f"file:///{secret}.mp4")))
    sink.maintain()
    assert rows_of(sink, "doomed")
    thumbnails = [row["thumbnail"] for row in rows_of(sink, "doomed")]
    feed(sink, [asset_deleted(ref("doomed", 2))])
    sink.maintain(purge=True)
    left = contents(Location.of(place))
    assert secret.encode() not in left
    assert all(thumbnail not in left for thumbnail in thumbnails)
    assert len(rows_of(sink, "other-3")) == 8


def test_a_sweep_that_a_kill_cut_off_is_finished_by_the_next_writer(
    sink: Sink, name: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(sink, events(annotations(), annotations(ref("other"))))
    with monkeypatch.context() as patch:
        for store in stores_of(sink):
            if isinstance(store, DeltaStore):  # rows and entries go with the batch
                patch.setattr(Void, "of", lambda *_: NOTHING_VOID)
            else:
                patch.setattr(store, "sweep", lambda *_: None)
        feed(sink, [asset_deleted(ref(number=2))])
    assert rows_of(sink)
    deltas = [store for store in stores_of(sink) if isinstance(store, DeltaStore)]
    sink.close()
    for store in deltas:  # as an older release leaves it, whose sweeps are commits of their own
        store.ledger.doubt()
    again = build(name, place)
    assert (rows_of(again), len(rows_of(again, "other"))) == ([], 2)
    assert again.store.ledger_entries([asset_key("acme", "clip")]) == []
    again.close()


def test_a_kill_between_rows_and_ledger_leaves_no_entry_of_what_is_gone(
    sink: Sink, name: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(sink, events(annotations(), annotations(ref("other"))))
    deltas = [store for store in stores_of(sink) if isinstance(store, DeltaStore)]
    with monkeypatch.context() as patch:
        for store in deltas:
            patch.setattr(store.ledger, "committed", lambda *_: None)
        feed(sink, [asset_deleted(ref(number=2))])
    assert rows_of(sink) == []
    assert bool(sink.store.ledger_entries([asset_key("acme", "clip")])) == bool(deltas)
    sink.close()
    again = build(name, place)
    assert (rows_of(again), len(rows_of(again, "other"))) == ([], 2)
    assert again.store.ledger_entries([asset_key("acme", "clip")]) == []
    again.close()


def test_progress_is_told_for_each_segment_with_stable_ids(sink: Sink) -> None:
    batch = events(annotations(), annotations(segment=1), segment_failed(segment=2))
    first, again = feed(sink, batch), feed(sink, batch)

    def told(items: list[Event]) -> list[tuple[str, int, Outcome]]:
        reports = [(item.id, item.data) for item in items if isinstance(item.data, SegmentProgressed)]
        return sorted((key, data.segment, data.outcome) for key, data in reports)

    assert told(first) == told(again)
    assert sorted(item[1:] for item in told(first)) == [(0, "done"), (1, "done"), (2, "failed")]


def test_what_was_stored_is_there_for_a_new_process(sink: Sink, name: str, place: Place) -> None:
    feed(sink, events(annotations(count=3), retired(1, key_of("a"))))
    sink.close()
    command = program("count_stored_rows", name, place)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "3", done.stderr


def test_reopening_goes_on_where_it_was(sink: Sink, name: str, place: Place) -> None:
    feed(sink, events(annotations(revision=3)))
    sink.close()
    again = build(name, place)
    feed(again, events(annotations(revision=2, count=7), annotations(segment=1)))
    assert sorted((row["segment"], row["revision"]) for row in rows_of(again)) == [(0, 3), (0, 3), (1, 0), (1, 0)]
    again.close()


@pytest.mark.parametrize("name", LOCAL)
def test_a_full_disk_is_unavailable_and_loses_nothing(name: str, place: Place) -> None:
    full = made(name, place, min_free_bytes=1 << 60)
    full.open()
    with pytest.raises(Unavailable, match="make room") as caught:
        feed(full, events(annotations()))
    assert caught.value.code == "disk_full"
    full.close()
    roomy = build(name, place)
    feed(roomy, events(annotations()))
    assert len(rows_of(roomy)) == 2
    roomy.close()


@pytest.mark.parametrize("name", LOCAL)
def test_a_store_that_cannot_be_written_is_unavailable(name: str, tmp_path: Path) -> None:
    blocked = tmp_path / "store"
    blocked.write_text("a file where the directory should be")
    with pytest.raises(Unavailable, match="cannot be used"):
        build(name, blocked)


def test_a_second_writer_is_refused_until_the_first_has_ended(sink: Sink, name: str, place: Place) -> None:
    feed(sink, events(annotations()))
    with pytest.raises(Unavailable, match="has another writer") as refused:
        build(name, place)
    assert refused.value.code == "store_locked"
    feed(sink, events(annotations(segment=1)))
    sink.close()
    second = build(name, place)
    feed(second, events(annotations(count=3, revision=1), annotations(segment=2)))
    assert [row["revision"] for row in rows_of(second)].count(1) == 3
    assert sorted(row["segment"] for row in rows_of(second)) == [0, 0, 0, 1, 1, 2, 2]
    second.close()


@pytest.mark.parametrize("seed", range(4))
def test_another_model_version_replaces_segment_by_segment_in_any_order(sink: Sink, seed: int) -> None:
    versions = {"u1": 5, "u2": 9}
    arrivals = [(segment, digest) for segment in range(3) for digest in versions] * 2
    random.Random(seed).shuffle(arrivals)
    newest: dict[int, str] = {}
    for segment, digest in arrivals:
        count = 2 if digest == "u1" else 1 + segment
        feed(sink, events(annotations(segment=segment, understand=digest, epoch_ms=versions[digest], count=count)))
        newest[segment] = max(newest.get(segment, digest), digest)
        found = sorted((row["segment"], json.loads(row["stage_digests"])["understand"]) for row in rows_of(sink))
        assert found == sorted(
            (cell, held) for cell, held in newest.items() for _ in range(2 if held == "u1" else 1 + cell)
        )
    ledger_entries = sink.store.ledger_entries([asset_key("acme", "clip")])
    assert {(item.segment, item.understand_digest) for item in ledger_entries} == {(cell, "u2") for cell in range(3)}


def test_events_that_no_sink_reads_are_refused(sink: Sink) -> None:
    with pytest.raises(BadEvent):
        feed(sink, events(AssetPublished(uri="file:///a.mp4")))
    with pytest.raises(BadEvent, match="version"):
        feed(sink, [event(AssetDeleted(asset_id="clip"))])


EVENTS = events(
    annotations(count=3),
    annotations(count=1, revision=1),
    annotations(segment=1),
    annotations(segment=1, epoch_ms=8, count=0),
    annotations(ref(number=2), content="b"),
    annotations(ref(number=2), segment=1, content="b", count=4),
    annotations(count=2, space=OTHER_SPACE),
    retired(2, key_of("b")),
    annotations(ref("second")),
    annotations(ref("second", 3), revision=1, count=5),
    asset_deleted(ref("third", 2)),
    annotations(ref("third")),
    annotations(ref("third", 4)),
)


@pytest.mark.parametrize("name", LOCAL)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(EVENTS))), again=st.lists(st.sampled_from(range(len(EVENTS))), max_size=6),
       cuts=st.lists(st.integers(1, len(EVENTS)), max_size=4))  # fmt: skip
def test_order_duplicates_and_batches_do_not_matter(
    name: str, tmp_path_factory: pytest.TempPathFactory, order: list[int], again: list[int], cuts: list[int]
) -> None:
    shuffled = [EVENTS[index] for index in [*order, *again]]
    edges = [0, *sorted(set(cuts)), len(shuffled)]
    sink = build(name, tmp_path_factory.mktemp("store"))
    for start, end in itertools.pairwise(edges):
        feed(sink, shuffled[start:end])
    found = {
        (asset, space.key): [
            (row["moment_id"], row["vector"], row["revision"]) for row in rows_of(sink, asset, space=space)
        ]
        for asset in ("clip", "second", "third")
        for space in (SPACE, OTHER_SPACE)
    }
    sink.close()
    assert {key: len(rows) for key, rows in found.items() if rows} == {
        ("clip", SPACE.key): 6,
        ("second", SPACE.key): 5,
        ("third", SPACE.key): 2,
    }
    newest = annotations(ref("second", 3), revision=1, count=5).rows.to_pylist()
    assert sorted(found["second", SPACE.key]) == sorted((row["moment_id"], row["vector"], 1) for row in newest)
