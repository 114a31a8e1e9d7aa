"""A stage's outputs on their way: each goes to the one target that carries its type, and is settled when durable."""

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
    """Sends events and remembers which records wait for their durability. `waiting_since_s` is when the oldest
    unsettled work was finished; None if there is none.
    """

    def __init__(self, stage: Stage, producer: Producer, topics: Mapping[str, Topic], metrics: StageMetrics) -> None:
        self._stage = stage
        self._producer = producer
        self._routes = routes(stage, topics)
        self._metrics = metrics
        self._unsettled: list[tuple[Outcome, Sequence[Work], Sequence[Delivery]]] = []
        self._settled: dict[Outcome, list[Work]] = {}  # had no outputs
        self.waiting_since_s: float | None = None
        self._untold: dict[str, list[int]] = {}  # topic to events and their bytes that the metrics lack
        self.sent_bytes = self.unsettled_bytes = 0

    def carries(self, event_type: str) -> bool:
        return event_type in self._routes

    def send(self, event: Event) -> Delivery:
        """Encode and send. Raises `Fatal` for a type that no target carries: a defect of the operator or the stage."""
        topic = self._routes.get(event.type)
        if topic is None:
            raise Fatal(
                f"stage {self._stage.name!r} emitted {event.type}, which none of its targets "
                f"{', '.join(self._stage.targets) or '(none)'} carries",
                code="undeclared_output",
            )
        record = encode(event)
        delivery = self._producer.send(topic, record.key, record.value, record.headers)
        self.sent_bytes += delivery.size
        self.unsettled_bytes += delivery.size
        untold = self._untold.get(topic) or self._untold.setdefault(topic, [0, 0])
        untold[0] += 1
        untold[1] += len(record.value)
        return delivery

    def send_all(self, events: Iterable[Event]) -> list[Delivery]:
        return [self.send(event) for event in events]

    def settle_later(
        self, works: Sequence[Work], deliveries: Sequence[Delivery], *, outcome: Outcome, now_s: float
    ) -> None:
        """The works are finished once their deliveries are durable. Until then their records are kept, no events."""
        for work in works:
            work.event = None
        if not deliveries:
            self._settled.setdefault(outcome, []).extend(works)
        else:
            self._unsettled.append((outcome, works, deliveries))
        if self.unsettled_bytes and self.waiting_since_s is None:
            self.waiting_since_s = now_s

    def without_outputs(self) -> Mapping[Outcome, Sequence[Work]]:
        """What is finished and waits for nothing, by outcome, once."""
        settled, self._settled = self._settled, {}
        return settled

    def flush(self, timeout_s: float) -> tuple[Mapping[Outcome, Sequence[Work]], list[Work]]:
        """Wait for durability: what may be acknowledged, by outcome, and what must be done again as an output of it
        was refused.

        Raises `Unavailable`, keeping everything, when the broker does not answer in time.
        """
        for topic, (events, size) in self._untold.items():
            self._metrics.sent(topic, events, size)
        self._untold.clear()
        self._producer.flush(timeout_s)
        self.unsettled_bytes = 0
        settled: dict[Outcome, list[Work]] = {}
        again: list[Work] = []
        for outcome, works, deliveries in self._unsettled:
            for delivery in deliveries:
                if not delivery.done() or delivery.error() is not None:
                    again += works
                    break
            else:
                settled.setdefault(outcome, []).extend(works)
        self._unsettled.clear()
        self.waiting_since_s = None
        return settled, again

    def close(self) -> None:
        self._producer.close()


def refused(works: Sequence[Work]) -> Unavailable:
    """Why records are done again after a flush."""
    return Unavailable(f"the broker refused outputs of {len(works)} records", code="delivery_failed")
