"""The end of an asset's retention is told, whatever happens to the index, the disk or the broker in between."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sinks.compaction_policy import CadencePolicy
from sinks.lance import store
from sinks.lance.asset_rows import ASSET_SCHEMA
from sinks.lance.sink import LanceSink
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import ASSETS
from stream.clock import ManualClock
from stream.events.asset import AssetChanged, ContentRetired
from stream.events.base import Event, Payload
from stream.events.ids import asset_key
from tests.support.annotations import annotations, events, planned, ref, version

DAY_S = 86_400


class Index:
    """The sink of a process that may be killed; it looks for ended retentions at every commit."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.clock = ManualClock()
        self._count = 0
        self.sink = self._opened()

    def _opened(self) -> LanceSink:
        sink = LanceSink(self._directory, self.clock, cadence=CadencePolicy(most_commits=1))
        sink.open()
        return sink

    def killed(self) -> None:
        self.sink.close()
        self.sink = self._opened()

    def feed(self, batch: list[Event]) -> list[tuple[str, str]]:
        """The assets that are said to be deleted, with the code, and those that the other stores shall forget."""
        return [said for item in self.sink.process(batch) if (said := deletion(item.data))]

    def batch(self, *more: Payload) -> list[Event]:
        """Of other assets, none like another."""
        self._count += 1
        return events(planned(ref(f"other-{self._count}")), *more)


def deletion(data: Payload) -> tuple[str, str] | None:
    match data:
        case AssetChanged(status="deleted"):
            return data.code or "", data.asset.asset_id
        case ContentRetired(keep=None):
            return "retired", data.asset_id
    return None


ENDED = [("retention", "clip"), ("retired", "clip")]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """With an asset whose retention is over."""
    made = Index(tmp_path)
    made.feed(events(planned(of=1, retention_days=1), annotations(of=1)))
    made.clock.advance(2 * DAY_S)
    yield made
    made.sink.close()


def test_whose_telling_may_be_lost_is_told_again(index: Index) -> None:
    """The index is killed before the flush, or the flush is refused: the batch comes again, perhaps in parts."""
    batch = index.batch(annotations(ref("one-more")), annotations(ref("one-more"), 1))
    assert index.feed(batch) == ENDED
    assert index.feed(batch) == ENDED
    index.killed()
    again = [index.feed([item]) for item in batch]
    assert [item for item in again if item] == [ENDED]
    assert index.feed(index.batch()) == []


def test_what_ended_and_was_published_again_since(index: Index) -> None:
    batch = index.batch()
    assert index.feed(batch) == ENDED
    newer = ref(number=5)
    index.feed(events(planned(newer, of=1), annotations(newer, of=1)))
    index.killed()
    told = [item.data for item in index.sink.process(batch) if isinstance(item.data, AssetChanged)]
    assert [(it.status, it.asset.version) for it in told if it.asset.asset_id == "clip"] == [("deleted", version(1))]
    assert len(index.sink.store.ledger_entries([asset_key("acme", "clip")])) == 1


def test_many_that_end_at_once_end_some_at_a_time(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ENDED_AT_ONCE", 2)
    clips = [ref(f"clip-{number}") for number in range(6)]
    batch = events(*(planned(clip, of=1, retention_days=1) for clip in clips), *(annotations(it, of=1) for it in clips))
    told = [index.feed(batch), index.feed(index.batch())]
    assert [len(said) for said in told] == [4, 4]
    told.append([said for item in index.sink.maintain() if (said := deletion(item.data))])
    assert sorted(asset_id for said in told for _, asset_id in said) == sorted(
        ["clip", *(f"clip-{at}" for at in range(6))] * 2
    )


def test_a_kill_after_it_was_stored(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = index.batch()
    with monkeypatch.context() as patch:
        patch.setattr(index.sink.store, "sweep", refusing(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            index.feed(batch)
    index.killed()
    assert index.feed(batch) == ENDED


@pytest.mark.parametrize("method", ["sweep", "tend"])
def test_tidying_that_fails_holds_up_neither_it_nor_the_batch(
    index: Index, method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Closed when upkeep has ended: while a run of before is on, none would begin that could fail.
    index.sink.close()
    index.sink.open()
    with monkeypatch.context() as patch:
        patch.setattr(index.sink.store, method, refusing(OSError(errno.ENOSPC, "No space left on device")))
        assert index.feed(index.batch()) == ENDED
        index.sink.close()  # when upkeep has ended
    index.sink.open()
    assert "put off" in caplog.text
    assert "the disk is full" in caplog.text
    index.feed(index.batch())
    assert index.sink.store.ledger_entries([asset_key("acme", "clip")]) == [], "the next one finishes it"


def test_an_index_of_before_is_opened_and_remembers_from_then_on(tmp_path: Path) -> None:
    older = ASSET_SCHEMA.remove(ASSET_SCHEMA.get_field_index("ended_by"))
    LanceTables(tmp_path).ensure(ASSETS, older, Indexes(keyed=("asset_key",)))
    index = Index(tmp_path)
    index.feed(events(planned(of=1, retention_days=1), annotations(of=1)))
    index.clock.advance(2 * DAY_S)
    batch = index.batch()
    assert index.feed(batch) == ENDED
    index.killed()
    assert index.feed(batch) == ENDED
    index.sink.close()


def refusing(error: BaseException | type[BaseException]) -> Callable[..., None]:
    """A method that fails, but where it is given nothing to do."""

    def refuse(*given: object) -> None:
        if not given or given[0]:
            raise error

    return refuse
