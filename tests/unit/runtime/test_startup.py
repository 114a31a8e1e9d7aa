"""A broker that is away at the start is waited for, told of once, and a stop ends the wait."""

import logging
import threading

import pytest

from stream.errors import Fatal, Unavailable
from stream.runtime.startup import retried_until_available


class Broker:
    """Away for so many attempts; `stop` is set at the last of them if given."""

    def __init__(self, away: int, stop: threading.Event | None = None) -> None:
        self.left = away
        self._stop = stop

    def ask(self) -> None:
        if self.left:
            self.left -= 1
            if not self.left and self._stop is not None:
                self._stop.set()
            raise Unavailable("no answer from host:9092", code="broker_unavailable")


def test_a_broker_that_is_away_is_waited_for_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    broker = Broker(2)
    reported: list[str] = []
    assert retried_until_available(broker.ask, threading.Event(), reported.append)
    assert reported == 2 * ["unavailable: no answer from host:9092"]
    assert [record.getMessage() for record in caplog.records] == [
        "waiting for the broker: no answer from host:9092 (broker_unavailable)"
    ]


def test_a_stop_ends_the_wait() -> None:
    stop = threading.Event()
    broker = Broker(2, stop)
    assert not retried_until_available(broker.ask, stop)
    assert not broker.left


def test_a_refusal_is_raised() -> None:
    def refuse() -> None:
        raise Fatal("who are you", code="broker_refused")

    with pytest.raises(Fatal, match="who are you"):
        retried_until_available(refuse, threading.Event())
