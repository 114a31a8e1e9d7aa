"""Two reasons why a worker does not pull: its readers are behind, or a dependency is unavailable."""

from collections.abc import Mapping, Sequence

from stream.broker.contract import Broker
from stream.errors import Unavailable
from stream.observability.metrics import Metrics
from stream.topology.stage import RetryPolicy, Stage
from stream.worker.retries import ceiling_s

Readers = Mapping[str, Sequence[str]]
IDLE_S = 5.0
"""On a shared broker every question is a request, and most workers are idle most of the time."""


class Throttle:
    """Blocks while a topic of `stage.throttled_by` holds more bytes than its slowest reader may leave unread.

    It asks the broker every `interval_s`, and sooner once this worker has sent an eighth of the limit since the last
    question. While it sends nothing and is not blocked, it asks every `IDLE_S`. Raises `ValueError` for a topic without
    a reader: such a block would never end.
    """

    def __init__(self, stage: Stage, broker: Broker, readers: Readers, metrics: Metrics, *, interval_s: float) -> None:
        for topic in stage.throttled_by:
            if not readers.get(topic):
                raise ValueError(f"stage {stage.name!r} is throttled by {topic!r}, which no stage reads")
        self._broker = broker
        self._groups = {topic: tuple(readers[topic]) for topic in stage.throttled_by}
        self._limit_bytes = stage.max_unread_bytes
        self._interval_s = interval_s
        self._unread = {topic: metrics.unread.labels(topic) for topic in stage.throttled_by}
        self._asked_s = float("-inf")
        self._asked_at_bytes = 0
        self._blocked = False
        self.full = False
        """Whether so much is unread that nothing at all may be sent: twice the limit."""

    def due(self, now_s: float, sent_bytes: int) -> bool:
        """Whether it is time to ask the broker. `sent_bytes`: all bytes that this worker has sent."""
        if not self._groups:
            return False
        sent_since = sent_bytes - self._asked_at_bytes
        # What others send meanwhile lets an idle worker send one output too many: its first one makes the question due.
        interval_s = self._interval_s if sent_since or self._blocked else max(IDLE_S, self._interval_s)
        # The interval alone does not bound the excess: a fast operator could send many times the limit within it.
        return now_s - self._asked_s >= interval_s or sent_since * 8 >= self._limit_bytes

    def blocked(self, now_s: float, sent_bytes: int, unsettled_bytes: int) -> bool:
        """Whether the readers are too far behind. `unsettled_bytes`: bytes that were sent and may not be on the broker
        yet.
        """
        if self.due(now_s, sent_bytes):
            self._asked_s, self._asked_at_bytes = now_s, sent_bytes
            unread_bytes = max(self._ask(topic) for topic in self._groups)
            self._blocked = unread_bytes + unsettled_bytes > self._limit_bytes
            self.full = unread_bytes + unsettled_bytes > 2 * self._limit_bytes
        return self._blocked

    def _ask(self, topic: str) -> int:
        unread_bytes = max(self._broker.unread_bytes(topic, group) for group in self._groups[topic])
        self._unread[topic].set(unread_bytes)
        return unread_bytes


class Outage:
    """A dependency is unavailable. The pause doubles with each failed attempt and has no limit in number. Success ends
    it.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._until_s = 0.0
        self.attempts = 0
        self.error: Unavailable | None = None

    def begin(self, error: Unavailable, now_s: float) -> None:
        self.attempts += 1
        self.error = error
        self._until_s = now_s + ceiling_s(self._policy, self.attempts)

    def end(self) -> None:
        self.attempts = 0
        self.error = None

    def remaining_s(self, now_s: float) -> float:
        """How long to wait before the next attempt; 0 when it may be made."""
        return max(0.0, self._until_s - now_s) if self.attempts else 0.0
