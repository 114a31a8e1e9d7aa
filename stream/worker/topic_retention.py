"""Keeps topics of a broker with a log from growing: deletes records that every group of a topic has acknowledged."""

import logging
import threading
from collections.abc import Iterable

from stream.broker.contract import Broker
from stream.errors import Unavailable
from stream.topology.topics import Topic
from stream.worker.backpressure import Readers

_log = logging.getLogger(__name__)
INTERVAL_S = 30.0


class TopicRetention:
    """Trims `topics` behind the slowest of their `readers`. Any number of processes may do so at once (ADR 0017)."""

    def __init__(
        self, broker: Broker, topics: Iterable[Topic], readers: Readers, *, interval_s: float = INTERVAL_S
    ) -> None:
        self._broker = broker
        self._topics = tuple(topics)
        self._readers = readers
        self._interval_s = interval_s

    def step(self) -> int:
        """One pass over all topics. Returns how many records were deleted. Raises `Unavailable`; `Fatal` without the
        right to delete.
        """
        return sum(
            self._broker.trim(topic.name, self._readers.get(topic.name, ()), kept_ms=topic.kept_ms)
            for topic in self._topics
        )

    def run(self, stop: threading.Event) -> None:
        """Every `interval_s` until `stop`."""
        while not stop.wait(self._interval_s):
            try:
                self.step()
            except Unavailable as error:
                # The next pass deletes the same records, so an outage loses nothing.
                _log.info("trimming postponed: %s", error.message)
