"""A stage whose records take turns: what came late waits for one record of the others, and nothing is lost."""

from collections.abc import Iterable, Sequence

from benchmarks.testbed.cells import span
from stream.broker.contract import Record
from stream.clock import SystemClock
from stream.errors import Unavailable
from stream.events.base import Event
from stream.pipelines.understanding import content_of_span
from stream.topology.codec import encode
from tests.support.worker_kit import Kit, asset_id


def owner(record: Record) -> bytes:
    return record.key.partition(b"-")[0]


class Turns(Kit):
    """While the first record is worked on, `late` ones come."""

    def __init__(self, *late: str, refused: int = 0) -> None:
        super().__init__(self._script)
        self._late, self._refused = late, refused
        self.seen: list[str] = []
        self.worker = self.new_worker(in_turn=owner)

    def _script(self, events: Sequence[Event]) -> Iterable[Event]:
        late, self._late = self._late, ()
        self.publish(*late)
        self.seen += [asset_id(event) for event in events]
        if self._refused:
            self._refused -= 1
            raise Unavailable("the source does not answer", code="source_unavailable")
        return ()


def test_a_clip_does_not_wait_for_all_of_a_film() -> None:
    kit = Turns("clip-0", "clip-1", "other-0")
    kit.publish(*(f"film-{number}" for number in range(300)))
    kit.settle(steps=1000)
    assert kit.seen[:7] == ["film-0", "film-1", "clip-0", "other-0", "film-2", "clip-1", "film-3"]
    assert sorted(kit.seen) == sorted({*kit.seen}) and len(kit.seen) == 303
    assert kit.pending() == 0


def test_what_comes_back_after_an_outage_is_next() -> None:
    kit = Turns("clip-0", refused=1)
    kit.publish("film-0", "film-1")
    kit.settle()
    kit.clock.advance(60)
    kit.settle()
    assert kit.seen == ["film-0", "film-0", "clip-0", "film-1"]
    assert kit.pending() == 0


def test_the_spans_of_one_content_have_one_turn() -> None:
    def owner_of(asset: str, segment: int) -> bytes:
        data = span(segment, 60_000_000_000, asset_id=asset)
        record = encode(Event(data, "t", "p", asset, SystemClock().now_ms()))
        return content_of_span(Record("spans", 0, 0, record.key, record.value, dict(record.headers), 0))

    assert owner_of("film", 0) == owner_of("film", 5) != owner_of("clip", 0)
