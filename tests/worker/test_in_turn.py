"""A stage whose records take turns: what came late waits for one record of the others, and nothing is lost."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

from stream.broker.contract import Record
from stream.errors import Retryable, StageError, Unavailable
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.events.ids import asset_key, digest
from stream.topology.codec import encode
from stream.topology.lanes import LANE_HEADER
from stream.topology.stage import BatchPolicy
from stream.topology.topics import ANNOTATIONS
from stream.worker.beside_records import Division
from stream.worker.in_turn import InTurn
from stream.worker.work import Work
from tests.support.worker_kit import Kit, Scripted, asset_id, echo, refuse_once


class Turns(Kit):
    """While the first records are worked on, `late` ones come. The subject of a record is its name up to a hyphen."""

    def __init__(
        self, *late: str, refused: int = 0, echoes: bool = False, operator: Scripted | None = None, **changes: Any
    ) -> None:
        super().__init__(
            operator=operator or Scripted(self._script), throttled_by=(ANNOTATIONS.name,) if echoes else ()
        )
        self._late, self._refused, self._echoes = late, refused, echoes
        self.seen: list[str] = []
        self.worker = self.new_worker(in_turn=True, **changes)

    def ask(self, *names: str, tenant: str = "acme", headers: dict[str, bytes] | None = None) -> None:
        for name in names:
            subject = name.partition("-")[0]
            record = encode(Event(AssetDeleted(asset_id=name), tenant, "p", subject, self.clock.now_ms(), id=name))
            self.send(record.value, {**record.headers, **(headers or {})}, key=record.key)

    def _script(self, events: Sequence[Event]) -> Iterable[Event]:
        late, self._late = self._late, ()
        self.ask(*late)
        self.seen += [asset_id(event) for event in events]
        if self._refused:
            self._refused -= 1
            raise Unavailable("the source does not answer", code="source_unavailable")
        return echo(events) if self._echoes else ()


def test_a_clip_does_not_wait_for_all_of_a_film() -> None:
    kit = Turns("clip-0", "clip-1", "other-0")
    kit.ask(*(f"film-{number}" for number in range(300)))
    kit.settle(steps=1000)
    assert kit.seen[:7] == ["film-0", "clip-0", "other-0", "film-1", "clip-1", "film-2", "film-3"]
    assert sorted(kit.seen) == sorted({*kit.seen}) and len(kit.seen) == 303
    assert kit.pending() == 0


def test_tenants_and_lanes_have_their_shares() -> None:
    kit = Turns()
    for number in range(20):
        kit.ask(f"a{number}-0", tenant="acme")
    kit.ask(*(f"film-{number}" for number in range(20)), tenant="globex")
    kit.ask(*(f"old-{number}" for number in range(20)), tenant="initech", headers={LANE_HEADER: b"batch"})
    kit.settle(steps=1000)
    first = Counter(name.rstrip("-0123456789") for name in kit.seen[:20])
    # One subject has as many turns as twenty of another tenant; the batch lane a fifth of all.
    assert first == {"a": 8, "film": 8, "old": 4}
    assert len(kit.seen) == 60 and kit.pending() == 0


def add(queue: InTurn, name: str, lane: str = "interactive", tenant: str = "acme") -> None:
    headers = {"ce_tenant": tenant.encode(), "ce_subject": name.encode(), LANE_HEADER: lane.encode()}
    queue.add(Work(Record("spans", 0, 0, b"", b"", headers)), size=1, now_s=0.0)


def taken(queue: InTurn, times: int = 1) -> list[str]:
    works = (work for _ in range(times) for work in queue.take(0.0))
    return [work.record.headers["ce_subject"].decode().partition("-")[0] for work in works]


@pytest.mark.parametrize("lane", ["interactive", "batch"])
def test_a_flood_of_newcomers_starves_nobody(lane: str) -> None:
    """Where outputs are behind all the time: who is held back has its turn after 64 newcomers, and again after as
    many. Nobody waits for the batch lane, so none of it is a newcomer.
    """
    queue = InTurn(BatchPolicy())
    for _ in range(5):
        add(queue, "film")
    assert taken(queue) == ["film"]
    assert not queue.hold_back(True) and taken(queue) == []
    for number in range(80):
        add(queue, f"clip-{number}", lane)
    assert queue.hold_back(True) is queue.newcomer() is (lane == "interactive")
    order = taken(queue, 90)
    assert order == ([*["clip"] * 64, "film", *["clip"] * 16] if lane == "interactive" else [])


def test_who_had_no_turn_comes_before_who_had_one_and_waited_longer() -> None:
    """The turns of a film are long. After 64 newcomers it has one."""
    queue = InTurn(BatchPolicy())
    for _ in range(5):
        add(queue, "film")
    assert taken(queue) == ["film"]
    for number in range(150):
        add(queue, f"clip-{number}")
    flood = ["clip"] * 64
    assert taken(queue, 200) == [*flood, "film", *flood, "film", *["clip"] * 22, *["film"] * 2]


def test_newcomers_of_one_lane_change_no_turns_of_the_other() -> None:
    """Nobody waits for the batch lane: its subjects take turns, whoever had one."""
    queue = InTurn(BatchPolicy())
    for _ in range(30):
        add(queue, "old-film", "batch")
    assert taken(queue) == ["old"]
    for number in range(200):
        add(queue, f"clip-{number}")
    assert taken(queue, 100).count("old") > 10
    for number in range(5):
        add(queue, f"new-{number}", "batch")
    batch = [name for name in taken(queue, 40) if name != "clip"]
    assert batch[1:6] == ["new"] * 5, batch


def test_newcomers_of_one_tenant_take_no_turn_of_another() -> None:
    queue = InTurn(BatchPolicy())
    for _ in range(5):
        add(queue, "film", tenant="globex")
    assert taken(queue) == ["film"]
    for number in range(9):
        add(queue, f"clip-{number}")
    order = taken(queue, 9)
    assert order.count("film") == 4, order


def test_what_comes_back_after_an_outage_is_next() -> None:
    kit = Turns("clip-0", refused=1)
    kit.ask("film-0", "film-1")
    kit.settle()
    kit.clock.advance(60)
    kit.settle()
    assert kit.seen == ["film-0", "film-0", "clip-0", "film-1"]
    assert kit.pending() == 0


def test_batches_are_full_or_due_and_mix_who_waits() -> None:
    kit = Turns(batch=BatchPolicy(max_records=4, max_wait_s=1.0))
    kit.ask("film-0", "film-1", "film-2", "film-3", "film-4", "clip-0")
    kit.settle()
    assert kit.operator.calls == [["film-0", "clip-0", "film-1", "film-2"]]
    kit.clock.advance(1.0)
    kit.settle()
    assert kit.operator.calls[1:] == [["film-3", "film-4"]]
    assert kit.pending() == 0


@pytest.mark.parametrize(("limit", "passes"), [(1, False), (700, True)], ids=["far behind", "behind"])
def test_a_newcomer_does_not_wait_until_what_others_sent_is_read(limit: int, passes: bool) -> None:
    """Unless twice as much is unread as may be."""
    kit = Turns(echoes=True, max_unread_bytes=limit)
    kit.ask(*(f"film-{number}" for number in range(9)))
    kit.settle(steps=1000)
    before = len(kit.seen)
    assert 0 < before < 9, "the throttle holds"
    kit.ask("clip-0", "clip-1")
    kit.settle(steps=1000)
    assert kit.seen[before:] == (["clip-0"] if passes else [])
    for _ in range(20):
        kit.outputs()
        kit.clock.advance(60)
        kit.settle(steps=1000)
    assert sorted(kit.seen) == sorted({*kit.seen}) and len(kit.seen) == 11
    assert kit.pending() == 0


class Pieces(Scripted):
    """Ten pieces of each record; after two of them it looks whether somebody is new. `came` after the first piece of
    all, `late` after the eighth.
    """

    def __init__(self, faults: Sequence[StageError] = ()) -> None:
        super().__init__()
        self.faults = list(faults)
        self.begun: list[tuple[str, int]] = []
        self.division: Division
        self.kit: Turns

    def divide_with(self, division: Division) -> None:
        self.division = division

    def process(self, events: Sequence[Event]) -> Iterator[Event]:
        (event,) = events
        name, begin = asset_id(event), self.division.done()
        self.begun.append((name, begin))
        for piece in range(begin, 10):
            yield event.derive(AssetDeleted(asset_id=f"{name}/{piece}"), id=digest("piece", name, piece))
            if (name, piece) == ("film-0", 0) and len(self.begun) == 1:
                self.kit.ask("clip-0", "clip-1")
            if (name, piece) == ("film-0", 7):
                self.kit.ask("other-0", headers={})
            self.kit.clock.advance(1)
            if self.faults and (name, piece) == ("film-0", 5):
                raise self.faults.pop()
            if piece - begin >= 1 and piece < 9 and self.division.gives_way(piece + 1):
                return


@pytest.mark.parametrize(
    "fault", [None, Unavailable("away", code="source_unavailable"), Retryable("again", code="again")], ids=str
)
def test_work_that_is_divided_gives_way_and_goes_on(fault: StageError | None) -> None:
    operator = Pieces([fault] if fault is not None else [])
    kit = operator.kit = Turns(operator=operator)
    kit.ask("film-0", "film-1")
    for _ in range(5):
        kit.settle(steps=1000)
        kit.clock.advance(60)
    # Once it failed it has precedence. After its first turn the clip is nobody new, so nothing gives way to its second.
    rest = [("other-0", 0), ("film-0", 8)] if fault is None else [("film-0", 2), ("other-0", 0)]
    seen = [it for it in operator.begun if it[0] not in {"clip-1", "film-1"}]
    assert seen == [("film-0", 0), ("clip-0", 0), ("film-0", 2), *rest]
    names = kit.output_names()
    assert set(names) == {
        f"{name}/{piece}" for name in (*("film-0", "film-1"), "clip-0", "clip-1", "other-0") for piece in range(10)
    }
    assert len(names) == 50 + (4 if fault is not None else 0)
    assert kit.pending() == 0 and kit.dead_letters() == []


def test_what_was_divided_and_refused_is_done_again_as_a_whole() -> None:
    """Although the refused output belongs to the turn before."""
    operator = Pieces()
    kit = operator.kit = Turns(operator=operator)
    refuse_once(kit.producer, asset_key("acme", "film-0"))
    kit.ask("film-0")
    for _ in range(5):
        kit.settle(steps=1000)
        kit.clock.advance(60)
    assert [it for it in operator.begun if it[0] == "film-0"] == [
        ("film-0", 0),
        ("film-0", 2),
        ("film-0", 8),
        ("film-0", 0),
    ]
    names = kit.output_names()
    assert {f"film-0/{piece}" for piece in range(10)} <= set(names)
    assert kit.pending() == 0
