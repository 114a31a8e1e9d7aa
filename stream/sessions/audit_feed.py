"""One SIEM target, followed: what it does not take is tried again, with backoff and without limit."""

import logging
import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from stream.audit.recorder import code_of
from stream.errors import Fatal, StageError
from stream.sessions.audit_export import AuditExport
from stream.topology.stage import RetryPolicy
from stream.worker.retries import backoff_s

_log = logging.getLogger(__name__)
# In effect without limit: what a target refuses waits and is not left out.
_RETRIES = RetryPolicy(max_attempts=1_000_000, base_delay_s=1.0, max_delay_s=60.0)
_TRIES_ONCE = 3


@dataclass(frozen=True, slots=True)
class FeedEnd:
    """`trouble`: why a target did not take everything."""

    target: str
    delivered: int
    waiting: int
    trouble: str


class AuditFeed:
    """A target that is away blocks only itself. Nothing is left out: an event that a target refuses is tried again."""

    def __init__(self, export: AuditExport, taken: Callable[[int], None] = lambda _events: None) -> None:
        """`taken` gets the number of events of each delivery."""
        self._export = export
        self._taken = taken
        self._delivered = 0
        self._trouble = ""
        self._stopped = False

    def run(self, stop: threading.Event, interval_s: float | None) -> None:
        """Until `stop`, looking every `interval_s`; or once, if that is None: until nothing waits, or the target has
        refused three times in a row.
        """
        attempt = 0
        while not stop.is_set():
            try:
                delivered = self._export.step()
            # A gap or a damaged trail does not pass by itself.
            except Fatal as error:
                self._trouble, self._stopped = str(error), True
                _log.error("audit export: a target gets nothing more: %s", code_of(error))
                return
            # The place is kept on a disk that may be full; a defect must not end the thread without a word.
            except Exception as error:  # noqa: BLE001 - it is told of and tried again
                attempt += 1
                self._trouble = _words(error)
                if interval_s is None and attempt >= _TRIES_ONCE:
                    return
                _log.warning("audit export: %s (%s)", self._trouble, code_of(error))
                stop.wait(backoff_s(_RETRIES, attempt, random.Random()))
                continue
            attempt, self._trouble = 0, ""
            self._delivered += delivered
            self._taken(delivered)
            if not delivered:
                if interval_s is None:
                    return
                stop.wait(interval_s)

    def lag_s(self, now_ms: int) -> float:
        """Age of the oldest event that the target was seen not to have. It grows while the target is away; once the
        feed has stopped with an error it is infinite where no such event is known.
        """
        since_ms = self._export.waiting_since_ms
        if since_ms is None:
            return math.inf if self._stopped else 0.0
        return max(0, now_ms - since_ms) / 1000

    def end(self) -> FeedEnd:
        """How far it came."""
        try:
            waiting = self._export.waiting()
        # A damaged trail, or a disk that cannot be read: `trouble` tells.
        except (ValueError, OSError):
            waiting = 0
        return FeedEnd(self._export.name, self._delivered, waiting, self._trouble)


def _words(error: Exception) -> str:
    """Without the text of a defect, which may hold what an event holds."""
    known = isinstance(error, StageError | OSError)
    return str(error) if known else f"a defect of rushes ({type(error).__name__}): report it"
