"""What was published and the index has not been told of: kept by the service itself, or on the topics of a cluster."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from stream.clock import Clock
from stream.errors import StageError
from stream.search.freshness import EventsBefore, WaitingEvent
from stream.service.publications.publications import Publications
from stream.service.uploads.uploads import Uploads
from stream.sessions.background import BackgroundWork

KEPT_S = 1.0
"""A look serves who asks within so long; what they are told is as old as the look."""
_FAILED_KEPT_S = 5.0
_GLANCE_S, _GLANCE_KEPT_S = 0.05, 60.0
SERVICE = "service"


class PublishedBefore:
    """Thread-safe. Nothing is looked at before somebody asks. `close` it."""

    def __init__(
        self,
        publications: Publications | None,
        uploads: Uploads | None,
        background: BackgroundWork | None,
        clock: Clock,
    ) -> None:
        self._publications = publications
        self._uploads = uploads
        self._background = background
        self._clock = clock
        self._turn = threading.Lock()
        self._kept: EventsBefore | None = None
        self._looking = ThreadPoolExecutor(1, "events before the index")
        self._asked: Future[EventsBefore] | None = None

    def look(self, most_age_s: float = KEPT_S) -> EventsBefore:
        """At most `most_age_s` old, or `KEPT_S`; where the cluster did not answer, a little older."""
        with self._turn:
            kept = self._kept
            if kept is not None:
                age_s = (self._clock.now_ms() - kept.at_ms) / 1000
                if age_s <= (min(most_age_s, KEPT_S) if kept.unknown is None else _FAILED_KEPT_S):
                    return kept
            self._kept = self._looked()
            return self._kept

    def glance(self) -> EventsBefore:
        """As `look`, but a cluster is not waited for: then what is told is up to a minute old, or unknown."""
        asked = self._asked
        if asked is None or asked.done():
            self._asked = asked = self._looking.submit(self.look)
        with suppress(TimeoutError):
            return asked.result(_GLANCE_S)
        kept, now_ms = self._kept, self._clock.now_ms()
        if kept is not None and now_ms - kept.at_ms <= _GLANCE_KEPT_S * 1000:
            return kept
        return EventsBefore(now_ms, unknown="the cluster has not answered yet")

    def close(self) -> None:
        self._looking.shutdown(cancel_futures=True)

    def _looked(self) -> EventsBefore:
        at_ms = self._clock.now_ms()
        # Its own first: what it hands on meanwhile is met on the cluster.
        try:
            own = list(self._own())
        except StageError as error:
            return EventsBefore(at_ms, unknown=f"what the service has accepted cannot be read ({error.code})")
        others = None if self._background is None else self._background.before_index()
        if others is None:
            return EventsBefore(at_ms, tuple(own))
        # A cluster has a clock of its own.
        waiting = (replace(event, version_ms=None) for event in own)
        return EventsBefore(at_ms, (*waiting, *others.waiting), others.unknown)

    def _own(self) -> Iterator[WaitingEvent]:
        for kept in [] if self._publications is None else self._publications.waiting():
            yield WaitingEvent(
                kept.tenant, kept.project, kept.asset_id, kept.published_ms, SERVICE, version_ms=kept.published_ms
            )
        for upload in [] if self._uploads is None else self._uploads.waiting():
            # Published once its last byte is there, however long it took to send.
            yield WaitingEvent(
                upload.tenant, upload.project, upload.asset_id, upload.touched_ms, SERVICE, version_ms=upload.touched_ms
            )
