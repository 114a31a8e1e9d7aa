"""A record on its way through a stage."""

from dataclasses import dataclass, field

from stream.broker.contract import Delivery, Record
from stream.errors import BadEvent
from stream.events.base import Event


@dataclass(slots=True, eq=False)
class Work:
    """A record with its event, or with the reason why it has none.

    `attempts` counts its failed attempts alone. `alone` is set once it has been delayed. `pieces` of it are done, for
    which outputs were `sent`: it gave way to others, and goes on from there.
    """

    record: Record
    event: Event | None = None
    error: BadEvent | None = None
    attempts: int = 0
    alone: bool = False
    pieces: int = 0
    sent: list[Delivery] = field(default_factory=list)
    gave_way: bool = False
