"""Publications over HTTP: checked against what the tenant may name, kept, and handed on to who processes them."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stream.clock import Clock
from stream.errors import StageError
from stream.pipelines.source_policies import SourcePolicies
from stream.service.problems import busy
from stream.service.publications.outbox import TOLD_MS, KeptPublication, Outbox
from stream.sessions.background import BackgroundWork, NewFootage

_LOOK_S, _TURN_S = 30.0, 2.0
_log = logging.getLogger(__name__)


class Publications:
    """Thread-safe. Between `start` and `close` a thread hands on what a killed process left, in its order."""

    def __init__(self, outbox: Outbox, background: BackgroundWork, sources: SourcePolicies, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._background = background
        self._sources = sources
        self._left: list[NewFootage] = []
        self._order = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def publish(self, publication: NewFootage) -> None:
        """It is durable when the call returns. Raises `BadMedia` for what the tenant may not name, and `Unavailable`;
        then it may be sent again, and `Problem` (503, `busy`).
        """
        self._sources.require(publication.tenant, publication.uri)
        # One after the other: the later of two versions of an asset must not be handed on first.
        with self._turn():
            self._outbox.add(publication)
            if self._left:
                self._left.append(publication)
                return
            try:
                self._hand_on(publication)
            except StageError:
                # Nobody was told that it is accepted.
                self._outbox.remove(publication.publication_id)
                raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        # While a broker is away each takes long, and all that wait would leave no thread for searches.
        if not self._order.acquire(timeout=_TURN_S):
            raise busy()
        try:
            yield
        finally:
            self._order.release()

    def waiting(self) -> list[NewFootage]:
        """Those that were accepted, and of which nobody has said yet that they are through."""
        return self._outbox.waiting()

    def find(self, publication_id: str) -> KeptPublication | None:
        """What became of it; None also a day after it ended."""
        return self._outbox.find(publication_id, self._clock.now_ms() - TOLD_MS)

    def refused(self, tenant: str, limit: int) -> list[KeptPublication]:
        """What was refused within a day, the newest first."""
        return self._outbox.refused(tenant, self._clock.now_ms() - TOLD_MS, limit)

    def start(self) -> None:
        """Before anything is published."""
        self._left = self._outbox.waiting()
        self._thread = threading.Thread(target=self._work, name="publications", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._outbox.close()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                with self._order:
                    if not self._left:
                        return
                    self._hand_on(self._left[0])
                    del self._left[0]
            except StageError as error:
                _log.warning("%s (%s)", error.message, error.code)
                self._stop.wait(_LOOK_S)

    def _hand_on(self, publication: NewFootage) -> None:
        def done(reason: str | None) -> None:
            if reason is not None:
                _log.warning("a publication was refused (%s)", reason)
            self._outbox.end(publication, reason, self._clock.now_ms())

        self._background.publish(publication, done)
