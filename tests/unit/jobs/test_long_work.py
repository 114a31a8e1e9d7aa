"""A part may take long: its worker tells that it goes on, and gives it up where the process has no more time."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sinks.objects.store import ObjectStore
from stream.clock import ManualClock
from stream.errors import Unavailable
from stream.events.base import Event
from stream.events.jobs import TaskAsked, TaskContinued, TaskEnded
from stream.events.objects import StoredFile
from stream.jobs.watching import CancelWatch
from stream.media.catalogue import OperatorCatalogue
from stream.media.rendering import Rendered, RenderWork, Stopped
from stream.operators.long_transfers import LongTransfers
from stream.operators.render import RenderOperator
from tests.support.media_operators import OPERATORS


class LongRenderer:
    """Takes an hour, and asks once a minute whether to go on."""

    spent = (1.0, 1.0)

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.scratch = folder
        self._clock = clock

    def prepare(self) -> None: ...

    def run(self, work: RenderWork, *, stop: Callable[[], bool], progress: Callable[[float], None]) -> Rendered:
        for minute in range(60):
            self._clock.advance(60)
            progress(minute / 60)
            if stop():
                raise Stopped
        path = self.scratch / "text.txt"
        path.write_text(str(work.settings["text"]))
        return Rendered((), {path.name: path})

    def close(self) -> None: ...


class Told:
    """`AtWork` whose process ends after so many minutes."""

    def __init__(self, minutes: int) -> None:
        self.left = minutes
        self.sent: list[Event] = []

    def alive(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def send(self, event: Event) -> None:
        self.sent.append(event)


class NoDelivery:
    def deliver(self, tenant: str, task: TaskAsked, scratch: Path) -> tuple[StoredFile, ...]:
        raise AssertionError("nothing is delivered")

    def lies_there(self, tenant: str, task: TaskAsked) -> bool:
        raise AssertionError("nothing is delivered")


def rendering(folder: Path, told: Told) -> RenderOperator:
    clock, store = ManualClock(), ObjectStore(folder / "store")
    operator = RenderOperator(
        store.of,
        LongRenderer(folder, clock),
        OperatorCatalogue(OPERATORS),
        NoDelivery(),
        canceled=CancelWatch(store.documents, clock),
        clock=clock,
    )
    operator.work_with(told)
    return operator


ASKED = TaskAsked(
    job="job",
    variant="0" * 16,
    kind="part",
    key="1" * 64,
    stage_key="2" * 64,
    stage="write",
    operator="write",
    settings={"text": "long"},
    toolchain=OperatorCatalogue(OPERATORS).toolchain("write", {}),
)


def test_a_long_part_is_told_of_once_a_minute(tmp_path: Path) -> None:
    told = Told(minutes=1000)
    (ended,) = rendering(tmp_path, told).process([Event(ASKED, "acme", "ads", "job", 1)])
    assert isinstance(ended.data, TaskEnded)
    assert ended.data.outcome == "done"
    shares = [event.data.share for event in told.sent if isinstance(event.data, TaskContinued)]
    assert len(shares) == len(told.sent) == 60
    assert shares == sorted(shares)
    assert len({event.id for event in told.sent}) == 60


def test_a_process_that_ends_gives_its_part_up_and_uses_up_no_attempt(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="another one begins it again"):
        list(rendering(tmp_path, Told(minutes=3)).process([Event(ASKED, "acme", "ads", "job", 1)]))


def test_work_that_this_machine_would_do_otherwise_waits_for_another_one_and_uses_up_no_attempt(tmp_path: Path) -> None:
    other = ASKED.model_copy(update={"toolchain": ASKED.toolchain | {"threads": "2"}})
    told = Told(minutes=1000)
    with pytest.raises(Unavailable, match=r"another toolchain than the coordinator \(threads\)") as caught:
        list(rendering(tmp_path, told).process([Event(other, "acme", "ads", "job", 1)]))
    assert caught.value.code == "other_toolchain"
    assert told.left == 1000, "nothing was begun"


def test_a_transfer_keeps_its_record_until_it_counts_as_stuck() -> None:
    told: list[int] = []
    enough = threading.Event()

    def alive() -> None:
        told.append(1)
        if len(told) == 5:
            enough.set()

    transfers = LongTransfers(alive, longest_s=0.05, every_s=0.01)
    transfers.begin()
    with transfers.one():
        assert enough.wait(10)
        threading.Event().wait(0.05)
    transfers.end()
    assert len(told) == 5
