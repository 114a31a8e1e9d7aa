"""The index sink over a real LanceDB: statuses, visibility, the ledger, retention, and a kill between two tables."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.lance.asset_rows import ASSET_SCHEMA
from sinks.lance.sink import LanceSink
from sinks.query.catalogue import Catalogue
from sinks.query.filters import Filters
from sinks.query.ledger import LanceLedger
from sinks.query.moments import MomentIndex
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import ASSETS, SEGMENTS
from stream.clock import ManualClock
from stream.events.asset import AssetChanged, AssetPublished, AssetStatus, ContentRetired, SegmentProgressed
from stream.events.base import Event
from stream.events.ids import asset_key, segment_id
from tests.support.annotations import (
    OTHER_SPACE,
    SPACE,
    annotations,
    asset_deleted,
    events,
    key_of,
    planned,
    ref,
    segment_failed,
    version,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sink(tmp_path: Path, clock: ManualClock) -> Iterator[LanceSink]:
    built = LanceSink(tmp_path, clock)
    built.open()
    yield built
    built.close()


def statuses(outputs: list[Event]) -> list[str]:
    return [item.data.status.value for item in outputs if isinstance(item.data, AssetChanged)]


def feed(sink: LanceSink, batch: list[Event]) -> list[Event]:
    return list(sink.process(batch))


def visible(tmp_path: Path) -> set[str]:
    return {hit.content_key for hit in MomentIndex(tmp_path).moments(SPACE.key)}


def test_a_first_version_shows_as_it_grows(sink: LanceSink, tmp_path: Path) -> None:
    assert feed(sink, events(annotations()))[0].data.type == "rushes.segment.progressed.v1"
    assert visible(tmp_path) == set()
    assert statuses(feed(sink, events(planned()))) == ["planned"]
    assert visible(tmp_path) == {key_of("a")}
    (view,) = Catalogue(tmp_path).assets()
    assert (view.status, view.segments_done, view.segment_count) == (AssetStatus.PLANNED, 1, 3)
    assert statuses(feed(sink, events(annotations(segment=1), annotations(segment=2)))) == ["ready"]


def test_changed_content_shows_when_ready_and_the_old_goes(sink: LanceSink, tmp_path: Path) -> None:
    newer = ref(number=2)
    feed(sink, events(planned(of=1), annotations(of=1)))
    feed(sink, events(planned(newer, content="b", of=2), annotations(newer, of=2, content="b")))
    assert visible(tmp_path) == {key_of("a")}
    feed(sink, events(annotations(newer, 1, of=2, content="b")))
    assert visible(tmp_path) == {key_of("b")}
    assert {item.content_key for item in sink.store.ledger_entries([sink_key()])} == {key_of("b")}
    feed(sink, events(annotations(of=1), planned(of=1)))
    assert visible(tmp_path) == {key_of("b")}


def sink_key() -> str:
    return asset_key("acme", "clip")


def test_outputs_derive_from_their_event_and_have_stable_ids(sink: LanceSink) -> None:
    batch = events(planned(of=1), annotations(of=1))
    first, again = feed(sink, batch), feed(sink, batch)
    assert {item.id for item in first} == {item.id for item in again}
    assert all(item.tenant == "acme" and item.subject == "clip" and item.position is None for item in first)
    assert [type(item.data) for item in first if isinstance(item.data, ContentRetired)] == [ContentRetired]


def test_a_kill_between_two_tables_is_repaired_by_redelivery(
    sink: LanceSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = events(planned(of=1), annotations(of=1))
    for method in ("record", "save", "sweep"):
        with monkeypatch.context() as patch:
            patch.setattr(sink.store, method, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                feed(sink, batch)
        sink.close()  # as a kill does: the system takes the lock back
        sink = LanceSink(tmp_path, ManualClock())
        sink.open()
    assert statuses(feed(sink, batch)) == ["ready"]
    assert len(MomentIndex(tmp_path).moments(SPACE.key)) == 2
    sink.close()


def test_a_sweep_that_was_cut_off_is_done_later(sink: LanceSink, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(sink, events(planned(of=1), annotations(of=1)))
    with monkeypatch.context() as patch:
        patch.setattr(sink.store, "sweep", lambda *_: None)
        feed(sink, [asset_deleted(ref(number=2))])
    assert len(sink.store.ledger_entries([sink_key()])) == 1
    sink.maintain()
    assert sink.store.ledger_entries([sink_key()]) == []
    table = sink.store.rows([sink_key()], SPACE.key)
    assert table is not None
    assert table.num_rows == 0


@pytest.mark.parametrize("read_before", [True, False])
def test_rows_that_the_ledger_does_not_tell_of_are_replaced(sink: LanceSink, read_before: bool) -> None:
    """Also where the writer knows from memory which segments there are."""
    late = annotations(segment=1, of=2)
    feed(sink, events(planned(of=2), annotations(of=2)))
    for step in (
        (sink.store.tend, lambda: sink.store.replace([late]))
        if read_before
        else (
            lambda: sink.store.replace([late]),
            sink.store.tend,
        )
    ):
        step()
    feed(sink, events(late, annotations(of=2, revision=1)))
    table = sink.store.rows([sink_key()], SPACE.key)
    assert table is not None
    ids = table["moment_id"].to_pylist()
    assert len(ids) == len(set(ids)) == 2 * late.rows.num_rows


def test_partial_and_deleted_are_told_in_words(sink: LanceSink, tmp_path: Path) -> None:
    feed(sink, events(segment_failed(segment=2), annotations(), annotations(segment=1), planned(labels={"a": "b"})))
    (view,) = Catalogue(tmp_path).assets("acme")
    assert (view.status, view.missing_ns, view.labels) == ("partial", ((20_000_000_000, 25_000_000_000),), ("a=b",))
    assert "00:00:20.000-00:00:25.000" in (view.reason or "")
    feed(sink, [asset_deleted(ref(number=2))])
    (view,) = Catalogue(tmp_path).assets("acme", ["clip"])
    assert (view.status, view.uri, view.labels, view.live_content_key) == ("deleted", "", (), None)


def test_swept_cells_that_a_plan_relied_on_are_published_again(sink: LanceSink) -> None:
    feed(sink, events(planned(of=1), annotations(of=1)))
    newer = ref(number=2)
    feed(sink, events(planned(newer, content="b", of=1), annotations(newer, content="b", of=1)))
    outputs = feed(sink, events(planned(ref(number=3), of=1, assumed=(0,))))
    (published,) = [item for item in outputs if isinstance(item.data, AssetPublished)]
    assert isinstance(published.data, AssetPublished)
    assert (published.tenant, published.data.asset_id) == ("acme", "clip")
    assert statuses(feed(sink, events(planned(ref(number=4), of=1), annotations(ref(number=4), of=1)))) == ["ready"]


def test_retention_ends_an_asset(sink: LanceSink, tmp_path: Path, clock: ManualClock) -> None:
    feed(sink, events(planned(of=1, retention_days=1), annotations(of=1), planned(ref("kept"), of=1)))
    assert sink.maintain() == []
    clock.advance(2 * 86_400)
    outputs = sink.maintain()
    assert statuses(outputs) == ["deleted"]
    assert any(isinstance(item.data, ContentRetired) and item.data.keep is None for item in outputs)
    assert visible(tmp_path) == set()
    assert sink.store.ledger_entries([sink_key()]) == []
    assert sink.maintain() == []


def test_the_ledger_answers_by_space_and_digest(sink: LanceSink, tmp_path: Path) -> None:
    ids = [segment_id(key_of("a"), segment) for segment in range(3)]
    ledger = LanceLedger(tmp_path / "nowhere")
    assert (ledger.done(ids, SPACE.key, "u1"), ledger.failed(ids)) == (set(), set())
    feed(sink, events(annotations(), annotations(segment=1, space=OTHER_SPACE), segment_failed(segment=2)))
    ledger = LanceLedger(tmp_path)
    assert ledger.done(ids, SPACE.key, "u1") == {ids[0]}
    assert ledger.done(ids, SPACE.key, "u2") == set()
    assert ledger.done(ids, OTHER_SPACE.key, "u1") == {ids[1]}
    assert ledger.failed(ids) == {ids[2]}
    feed(sink, events(annotations(segment=2)))
    assert ledger.done([*ids, *(f"{n:032x}" for n in range(12_000))], SPACE.key, "u1") == {ids[0], ids[2]}
    assert ledger.failed(ids) == set()


def test_freshness_names_the_oldest_pending_asset(sink: LanceSink, tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    assert catalogue.freshness().newest_commit_ms is None
    feed(sink, events(planned(ref(number=4)), annotations(ref(number=4)), planned(ref("b", 3)), planned(ref("c", 9))))
    found = catalogue.freshness()
    assert (found.newest_commit_ms, found.oldest_pending_ms) == (1_700_000_000_000, version(3).append_ms)
    assert found.pending_assets == 3
    assert catalogue.freshness() == found
    feed(sink, events(*(annotations(ref("b", 3), segment) for segment in range(3))))
    found = catalogue.freshness()
    assert (found.oldest_pending_ms, found.pending_assets) == (version(4).append_ms, 2)


def test_a_failed_cell_counts_with_its_true_length(sink: LanceSink) -> None:
    outputs = feed(sink, events(planned(), segment_failed(segment=2)))
    (report,) = [item.data for item in outputs if isinstance(item.data, SegmentProgressed)]
    assert (report.stage, report.outcome, report.segment_count, report.video_ns) == ("index", "failed", 3, 5 * 10**9)


def test_tables_hold_one_row_per_key(sink: LanceSink) -> None:
    for _ in range(3):
        feed(sink, events(planned(), annotations(), segment_failed(segment=1), segment_failed(segment=1)))
    for name, count in ((ASSETS, 1), (SEGMENTS, 2)):
        table = sink.store.tables.select(name, "")
        assert table is not None
        assert table.num_rows == count


def test_filters_default_to_everything(tmp_path: Path) -> None:
    assert list(Catalogue(tmp_path).pages(Filters())) == []


def test_hits_know_the_source_time_code_also_in_an_older_index(tmp_path: Path, clock: ManualClock) -> None:
    """The table of assets was made before it had a column for time codes; footage planned since then has one."""
    older = ASSET_SCHEMA.remove(ASSET_SCHEMA.get_field_index("live_timecode"))
    LanceTables(tmp_path).ensure(ASSETS, older, Indexes(keyed=("asset_key",)))
    assert list(Catalogue(tmp_path).pages(Filters())) == []
    sink = LanceSink(tmp_path, clock)
    sink.open()
    plan = planned()
    media = plan.media.model_copy(update={"timecode": "01:00:59;28", "average_rate": 30000 / 1001})
    feed(sink, events(plan.model_copy(update={"media": media}), annotations()))
    codes = {str(hit.timecode) for hit in MomentIndex(tmp_path).moments(SPACE.key)}
    sink.close()
    assert codes == {"01:00:59;28@30000/1001"}
