"""What an operator does besides records: by the time alone, and for long."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stream.errors import Unavailable
from stream.events.base import Event
from stream.worker.beside_records import AtWork
from tests.support.worker_kit import NO_WAIT, Kit, Scripted, echo


@dataclass
class Clocked(Scripted):
    """Scripted, with events that are due by the time alone."""

    events: list[Event] = field(default_factory=list)
    away: bool = False
    asked: int = 0

    def due(self) -> Iterable[Event]:
        self.asked += 1
        if self.away:
            raise Unavailable("the store does not answer", code="store_unavailable")
        return self.events


def test_what_is_due_by_the_time_leaves_without_a_record() -> None:
    kit = Kit()
    kit.publish("a")
    kit.settle()
    (event,) = kit.outputs()
    operator = Clocked(events=list(echo([event])))
    kit = Kit(operator=operator)
    kit.worker.step()
    assert kit.output_names() == ["a"]
    kit.worker.step()
    assert operator.asked == 1, "not more often than the pace says"
    kit.clock.advance(NO_WAIT.timed_s)
    kit.worker.step()
    assert operator.asked == 2
    operator.away = True
    kit.clock.advance(NO_WAIT.timed_s)
    kit.worker.step()
    assert kit.worker.state.paused == "unavailable: the store does not answer"


@dataclass
class Slow(Scripted):
    at_work: AtWork | None = None

    def work_with(self, at_work: AtWork) -> None:
        self.at_work = at_work


def test_long_work_sends_on_its_way_and_hears_that_the_process_ends() -> None:
    operator = Slow()
    kit = Kit(operator=operator)
    wanted: list[bool] = []

    def script(events: list[Event]) -> Iterable[Event]:
        assert operator.at_work is not None
        (sent,) = echo(events)
        operator.at_work.send(sent)
        wanted.append(operator.at_work.alive())
        return ()

    operator.script = script  # type: ignore[assignment]
    kit.publish("a")
    kit.worker.step()
    assert (kit.output_names(), wanted) == (["a"], [True])
