"""Plan and the index talk to each other: what one asks for again, the other has to give."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sinks.lance.sink import LanceSink
from sinks.query.ledger import LanceLedger
from stream.clock import ManualClock
from stream.events.asset import AssetChanged, AssetPlanned, AssetPublished, AssetRef, Outcome, SpanPlanned
from stream.events.base import Event, Payload, Position
from stream.operators.plan import PlanOperator
from tests.support.annotations import SPACE, annotations, event
from tests.support.planning import ByName, one_span

URI = "/clip.mp4"


class Stored(ByName):
    """What the index holds is durable."""

    def __init__(self, directory: Path) -> None:
        self._ledger = LanceLedger(directory)

    def outcomes(self, segment_ids: Sequence[str]) -> dict[str, Outcome]:
        return dict.fromkeys(self._ledger.done(segment_ids, SPACE.key, "u1"), Outcome.DONE)


class Pair:
    """`assets` and what comes of it, understood at once by nobody."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock()
        self.plan = PlanOperator(Stored(directory), Stored(directory), one_span)
        self.index = LanceSink(directory, self.clock)
        self._offset = 0

    def publish(self, data: AssetPublished, rounds: int = 5) -> list[str]:
        """Statuses until the index asks for nothing more; at most so many rounds."""
        told: list[str] = []
        waiting: list[AssetPublished] = [data]
        while waiting:
            assert (rounds := rounds - 1) >= 0, "the index asks for ever"
            outputs = self._said(self._planned(waiting.pop()))
            told += [it.data.status.value for it in outputs if isinstance(it.data, AssetChanged)]
            waiting += [it.data for it in outputs if isinstance(it.data, AssetPublished)]
        return told

    def _planned(self, data: AssetPublished) -> list[Event]:
        self._offset += 1
        place = Position("assets", 0, self._offset, self.clock.now_ms())
        return list(self.plan.process([Event(data, "acme", "p", "clip", self.clock.now_ms(), position=place)]))

    def _said(self, planned: list[Event]) -> list[Event]:
        cells = [_understood(it.data.asset) for it in planned if isinstance(it.data, SpanPlanned)]
        words = [it for it in planned if isinstance(it.data, AssetPlanned)]
        return list(self.index.process([*words, *(event(it) for it in cells)]))


def _understood(asset: AssetRef) -> Payload:
    return annotations(asset, content=URI, of=1)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    made.index.open()
    yield made
    made.index.close()


def test_an_asset_whose_retention_ended_is_made_again(pair: Pair) -> None:
    """Plan, which is as old as the asset, believes its cells to be on their way."""
    data = AssetPublished(uri=URI, asset_id="clip", retention_days=1)
    assert pair.publish(data) == ["ready"]
    pair.clock.advance(2 * 86_400)
    pair.index.maintain()
    assert pair.publish(data)[-1] == "ready"
