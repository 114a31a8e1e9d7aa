"""How fresh search was during the last hour: samples of the proof and of what an exporter shows, in memory alone."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sinks.query.filters import Filters
from stream.errors import StageError
from stream.freshness.snapshot import Snapshot
from stream.search.freshness import EventsBefore
from stream.service.problems import Problem
from stream.service.searchers import Searchers

SAMPLE_S = 30.0
KEPT = 120
_MOST_PENDING = 1_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TenantWaiting:
    """What of a tenant was not searchable: when the oldest of it was published, and how many assets."""

    oldest_ms: int
    assets: int


@dataclass(frozen=True, slots=True)
class FreshnessSample:
    """At `at_ms`. A tenant that is not in `waiting` had nothing that was not searchable, where it is `complete` and
    `proven`. Where it is not proven something older may have waited.
    """

    at_ms: int
    waiting: Mapping[str, TenantWaiting] = field(default_factory=dict)
    complete: bool = True
    proven: bool = True

    def lag_s(self, tenant: str) -> float | None:
        """The age of the oldest that was not searchable, 0 for none; None where it is not known. At least so much where
        it is not `proven`.
        """
        found = self.waiting.get(tenant)
        if found is None:
            return 0.0 if self.complete and self.proven else None
        return max(0, self.at_ms - found.oldest_ms) / 1000


class FreshnessHistory:
    """Thread-safe. `before` says what waits before the index; `exported` asks an exporter, if there is one, and what it
    answers is kept until the next sample.
    """

    def __init__(
        self,
        searchers: Searchers,
        before: Callable[[], EventsBefore],
        exported: Callable[[], Snapshot | None] | None = None,
    ) -> None:
        self._searchers = searchers
        self._before = before
        self._exported = exported
        self._samples: deque[FreshnessSample] = deque(maxlen=KEPT)
        self._snapshot: Snapshot | None = None

    @property
    def watches_stages(self) -> bool:
        """Whether there is an exporter to ask."""
        return self._exported is not None

    def samples(self) -> list[FreshnessSample]:
        """The oldest first."""
        return list(self._samples)

    def stages(self) -> Snapshot | None:
        """The newest that the exporter showed; None where it shows none."""
        return self._snapshot

    def sample(self) -> None:
        """Take one. What cannot be read now leaves a gap, which is shown as one."""
        if self._exported is not None:
            self._snapshot = self._exported()
        # A cluster that is slow to answer must keep no place from searches.
        before = self._before()
        try:
            # Nobody's search waits for a sample.
            with self._searchers.one(0.0) as application:
                found = application.searchable(Filters(), before, _MOST_PENDING)
        except (Problem, StageError) as error:
            _log.debug("no sample of freshness: %s", type(error).__name__)
            return
        waiting: dict[str, TenantWaiting] = {}
        for item in found.pending:
            held = waiting.get(item.tenant, TenantWaiting(item.published_ms, 0))
            waiting[item.tenant] = TenantWaiting(min(held.oldest_ms, item.published_ms), held.assets + 1)
        complete = found.count <= len(found.pending)
        self._samples.append(FreshnessSample(found.at_ms, waiting, complete, proven=found.unknown is None))

    @contextmanager
    def sampled(self, every_s: float) -> Iterator[None]:
        """The block is sampled all the time."""
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(every_s):
                self.sample()

        thread = threading.Thread(target=run, name="freshness", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
