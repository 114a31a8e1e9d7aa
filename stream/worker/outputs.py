"""A stage's outputs. Each goes to the one target that carries its type, and is settled once it is durable."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from stream.broker.contract import Delivery, Producer
from stream.errors import Fatal, Unavailable
from stream.events.base import Event
from stream.observability.metrics import StageMetrics
from stream.topology.codec import encode
from stream.topology.routing import routes
from stream.topology.stage import Stage
from stream.topology.topics import Topic
from stream.worker.work import Work

Outcome = Literal["done", "dead_letter", "superseded", "dropped"]


class Outputs:
    """Sends events and remembers which records wait until these are durable. `waiting_since_s` is when the oldest
    unsettled work was finished; None if there is none.
    """

    def __init__(self, stage: Stage, producer: Producer, topics: Mapping[str, Topic], metrics: StageMetrics) -> None:
        self._stage = stage
        self._producer = producer
        self._routes = routes(stage, topics)
        self._topics = topics
        self._metrics = metrics
        self._unsettled: list[tuple[Outcome, Sequence[Work], Sequence[Delivery]]] = []
        self._settled: dict[Outcome, list[Work]] = {}  # works without outputs
        self.waiting_since_s: float | None = None
        # Topic to the number of events and bytes that the metrics do not have yet.
        self._unreported: dict[str, list[int]] = {}
        self.sent_bytes = self.unsettled_bytes = 0

    def carries(self, event_type: str) -> bool:
        return event_type in self._routes

    def send(self, event: Event) -> Delivery:
        """Encode and send. Raises `Fatal` for a type that no target carries: the operator or the stage has a defect."""
        topic = self._routes.get(event.type)
        if topic is None:
            raise Fatal(
                f"stage {self._stage.name!r} emitted {event.type}, which none of its targets "
                f"{', '.join(self._stage.targets) or '(none)'} carries",
                code="undeclared_output",
            )
        record = encode(event, self._topics.get(topic))
        delivery = self._producer.send(topic, record.key, record.value, record.headers)
        self.sent_bytes += delivery.size
        self.unsettled_bytes += delivery.size
        # Counted here and given to the metrics at `flush`: this spares a labelled counter for each record.
        unreported = self._unreported.get(topic) or self._unreported.setdefault(topic, [0, 0])
        unreported[0] += 1
        unreported[1] += len(record.value)
        return delivery

    def send_all(self, events: Iterable[Event]) -> list[Delivery]:
        return [self.send(event) for event in events]

    def settle_later(
        self, works: Sequence[Work], deliveries: Sequence[Delivery], *, outcome: Outcome, now_s: float
    ) -> None:
        """The works are finished once their deliveries are durable. Until then their records are kept, not their
        events.
        """
        for work in works:
            # An event of frames is megabytes, and the record is enough to do the work again.
            work.event = None
            work.pieces, work.sent = 0, []  # if it is to be done again, then as a whole
        if not deliveries:
            self._settled.setdefault(outcome, []).extend(works)
        else:
            self._unsettled.append((outcome, works, deliveries))
        if self.unsettled_bytes and self.waiting_since_s is None:
            self.waiting_since_s = now_s

    def without_outputs(self) -> Mapping[Outcome, Sequence[Work]]:
        """Finished works that wait for no delivery, by outcome. Each is returned once."""
        settled, self._settled = self._settled, {}
        return settled

    def flush(self, timeout_s: float) -> tuple[Mapping[Outcome, Sequence[Work]], list[Work]]:
        """Wait until outputs are durable. Returns the works to acknowledge, by outcome, and those to do again because
        the broker refused one of their outputs, or, in order, one before them.

        Raises `Unavailable` when the broker does not answer in time; everything is kept then.
        """
        for topic, (events, size) in self._unreported.items():
            self._metrics.sent(topic, events, size)
        self._unreported.clear()
        self._producer.flush(timeout_s)
        self.unsettled_bytes = 0
        settled: dict[Outcome, list[Work]] = {}
        again: list[Work] = []
        for outcome, works, deliveries in self._unsettled:
            # A `flush` that returns is no proof by itself: refusals arrive in the report of each delivery.
            refused_one = any(not delivery.done() or delivery.error() is not None for delivery in deliveries)
            # In order: what came after a refused output would otherwise stay before it.
            if refused_one or (again and self._stage.in_order):
                again += works
            else:
                settled.setdefault(outcome, []).extend(works)
        self._unsettled.clear()
        self.waiting_since_s = None
        return settled, again

    def close(self) -> None:
        self._producer.close()


def refused(works: Sequence[Work]) -> Unavailable:
    """The reason why records are done again after a flush."""
    return Unavailable(f"the broker refused outputs of {len(works)} records", code="delivery_failed")
