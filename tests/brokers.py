"""Every broker that passes the contract, by name: a context manager that yields one with no topics of ours in it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from stream.clock import SystemClock
from stream.memory import MemoryBroker
from stream.records import Broker


@contextmanager
def memory_broker() -> Iterator[Broker]:
    broker = MemoryBroker(SystemClock())
    yield broker
    broker.close()


REGISTRY: dict[str, Callable[[], AbstractContextManager[Broker]]] = {"memory": memory_broker}
"""A broker may be shared by many tests and keep what they sent: topics and groups of a test have names of their own."""
