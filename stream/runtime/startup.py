"""Waits at the start of a process until its broker answers."""

import logging
import threading
from collections.abc import Callable

from stream.errors import Unavailable
from stream.topology.stage import RetryPolicy
from stream.worker.backpressure import Outage

_log = logging.getLogger(__name__)


def retried_until_available(
    doing: Callable[[], None], stop: threading.Event, report: Callable[[str], None] = lambda _reason: None
) -> bool:
    """Calls `doing` until it ends without `Unavailable` (True) or `stop` is set (False), with growing pauses. `report`
    gets the reason for each pause (`unavailable: …`).
    """
    outage = Outage(RetryPolicy())
    while True:
        try:
            doing()
        except Unavailable as error:
            # Once for each outage: attempts go on for hours without filling the log.
            if outage.error is None:
                _log.warning("waiting for the broker: %s (%s)", error.message, error.code)
            report(f"unavailable: {error.message}")
            # Counted from 0: only the length of the pause is needed, and `stop.wait` measures it.
            outage.begin(error, 0.0)
            if stop.wait(outage.remaining_s(0.0)):
                return False
        else:
            return True
