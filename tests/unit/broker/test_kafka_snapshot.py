"""A table is read from a topic whose leaders have just been chosen."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream.broker.kafka import snapshot
from stream.broker.kafka.client import PATIENCE_S, KafkaSettings
from stream.clock import ManualClock
from stream.errors import Unavailable


class Reader:
    """A client whose cluster is settling for so many questions."""

    def __init__(self, refusals: int, code: int = KafkaError.NOT_LEADER_FOR_PARTITION) -> None:
        self.refusals, self.code, self.closed = refusals, code, False

    def list_topics(self, **_: object) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise KafkaException(KafkaError(self.code))
        return type("Topics", (), {"topics": {}})

    def assign(self, _: object) -> None: ...

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    monkeypatch.setattr(KafkaSettings, "await_contact", lambda *_: None)
    return ManualClock()


def read_by(reader: Reader, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> dict[bytes, bytes]:
    monkeypatch.setattr(snapshot, "standalone_consumer", lambda *_: reader)
    return snapshot.latest_values(KafkaSettings("nowhere:1"), "table", clock)


def test_a_cluster_that_settles_is_waited_for(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(3)
    assert read_by(reader, clock, monkeypatch) == {}
    assert reader.closed


@pytest.mark.parametrize(
    ("refusals", "code", "waited_s"),
    [(10**6, KafkaError.NOT_LEADER_FOR_PARTITION, PATIENCE_S), (1, KafkaError.REQUEST_TIMED_OUT, 0.0)],
)
def test_other_trouble_and_long_trouble_are_told(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, refusals: int, code: int, waited_s: float
) -> None:
    reader, start_s = Reader(refusals, code), clock.monotonic_s()
    with pytest.raises(Unavailable, match="reading table"):
        read_by(reader, clock, monkeypatch)
    assert clock.monotonic_s() - start_s == pytest.approx(waited_s, abs=0.2)
    assert reader.closed
