"""What a person's command does with a topology, wherever its stages run: publish, follow, be told how it ended."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from stream.control.progress import Progress
from stream.events.base import Event

OnProgress = Callable[[Progress, Mapping[str, str]], None]
"""(progress, stage to why it waits)"""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record to send as it is, such as a dead letter's."""

    topic: str
    key: bytes
    value: bytes
    headers: Mapping[str, bytes]


class Session(Protocol):
    """A context manager: `Embedded` runs the stages itself, `ClusterSession` follows those of other processes.

    `progress` is about what this session published or sent, and `farewell` what to tell a person who interrupts it.
    """

    @property
    def progress(self) -> Progress: ...

    @property
    def searchable_s(self) -> Mapping[tuple[str, str], float]:
        """(tenant, asset id) to seconds from publication to ready, where a broker's clock tells."""

    @property
    def farewell(self) -> str: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def publish(self, events: Iterable[Event]) -> None:
        """Append producer events to the `assets` topic, or to that of their tenant. Raises `Unavailable` if they are
        not durable, and `BadEvent` for one that its tenant may not publish; then none is sent.
        """

    def send(self, records: Iterable[RawRecord]) -> None:
        """Append records as they are."""

    def run(
        self,
        stop: threading.Event,
        on_progress: OnProgress,
        *,
        interval_s: float = 0.2,
        more: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Until everything published is final (True) or `stop` is set (False). Raises what ended the work.

        `more` is asked when nothing is left to do; it sends further records, or says that there are none.
        """
