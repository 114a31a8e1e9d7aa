"""What an operator may do besides turning records into events: work on one for long or in pieces, and act by the time
alone.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol, runtime_checkable

from stream.errors import Unavailable
from stream.events.base import Event
from stream.worker.interruptions import Interruptions
from stream.worker.membership import Membership
from stream.worker.outputs import Outputs


class AtWork(Protocol):
    """What a long piece of work tells its worker."""

    def alive(self) -> bool:
        """The work goes on, so the record stays this member's. Say it where the work is seen to go on, and never by the
        time alone: a member that is stuck must lose its records. False when the process ends and has no more time. From
        any thread.
        """

    def send(self, event: Event) -> None:
        """An event that may be lost. From the worker's thread."""


@runtime_checkable
class LongWork(Protocol):
    """An operator whose work on one record may take longer than a broker waits for a silent member."""

    def work_with(self, at_work: AtWork) -> None:
        """Called once, before `open`."""


class Division(Protocol):
    """Of the record in hand, among turns. From the worker's thread."""

    def done(self) -> int:
        """How many pieces were done in earlier turns; their outputs are sent."""

    def gives_way(self, done: int) -> bool:
        """Whether somebody waits who had no turn yet. `done` pieces are done, and their outputs are sent. After True
        the operator ends its outputs at once; it gets the record again for the rest.
        """


@runtime_checkable
class DividedWork(Protocol):
    """An operator that may stop between pieces of a record. Only where subjects take turns (`Stage.in_turn`)."""

    def divide_with(self, division: Division) -> None:
        """Called once, before `open`."""


@runtime_checkable
class TimedWork(Protocol):
    """An operator that has something to do when no record comes."""

    def due(self) -> Iterable[Event]:
        """Called between batches, about once in `Pace.timed_s`. Its events may be lost: what they are for is due again.
        Raises `Unavailable`, and the stage pauses.
        """


class WorkInHand:
    """`AtWork` of one worker."""

    def __init__(self, membership: Membership, outputs: Outputs, interruptions: Interruptions) -> None:
        self._membership = membership
        self._outputs = outputs
        self._interruptions = interruptions

    def alive(self) -> bool:
        if (consumer := self._membership.consumer) is not None:
            consumer.keep_alive()
        return not self._interruptions.overdue()

    def send(self, event: Event) -> None:
        with suppress(Unavailable):
            self._outputs.send(event)
