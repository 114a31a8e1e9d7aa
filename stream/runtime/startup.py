"""What a process does while the broker that it starts on is away."""

import logging
import threading
from collections.abc import Callable

from stream.errors import Unavailable
from stream.topology.stage import RetryPolicy
from stream.worker.backpressure import Outage

_log = logging.getLogger(__name__)


def came_through(
    doing: Callable[[], None], stop: threading.Event, tell: Callable[[str], None] = lambda _reason: None
) -> bool:
    """Whether `doing` ended without `Unavailable` before `stop`; it is tried again until then, ever more rarely.
    `tell` is told why (`unavailable: …`).
    """
    outage = Outage(RetryPolicy())
    while True:
        try:
            doing()
        except Unavailable as error:
            if outage.error is None:
                _log.warning("waiting for the broker: %s (%s)", error.message, error.code)
            tell(f"unavailable: {error.message}")
            outage.begin(error, 0.0)
            if stop.wait(outage.remaining_s(0.0)):
                return False
        else:
            return True
