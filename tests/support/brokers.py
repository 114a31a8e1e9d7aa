"""Every broker that passes the contract, by name: a context manager that yields one with no topics of ours in it."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import platformdirs
import pytest

from stream.broker.contract import Broker
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.memory.broker import MemoryBroker
from stream.broker.names import Names
from stream.broker.node.local import LocalNode, fetch_jars, free_port
from stream.clock import SystemClock
from stream.errors import Fatal
from tests.support.markers import needs_marker


def kafka_servers() -> str:
    """Address of a real node for this test session, started when first asked for. Skips on a laptop without Java or
    Maven, fails where `CI=true` and in a test without the marker `kafka`.
    """
    needs_marker("kafka")
    return _shared_servers()


@cache
def _shared_servers() -> str:
    directory = Path(tempfile.mkdtemp(prefix="rushes-kafka-"))
    node = LocalNode(directory, SystemClock(), port=free_port())
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(node.down)
    return up(node)


@contextmanager
def own_node(directory: Path) -> Iterator[str]:
    """A node that nothing else writes to, for what reads the topology's own topics."""
    node = LocalNode(directory, SystemClock(), port=free_port())
    try:
        yield up(node)
    finally:
        node.down()


def up(node: LocalNode) -> str:
    """Its address once it runs. Skips or fails as `kafka_servers` does."""
    try:
        return node.up(kafka_jars()).servers
    except Fatal as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(missing.message)
        pytest.skip(missing.message)


def kafka_jars() -> Path:
    """As `fetch_jars`, in the cache that the command line uses. Whoever starts a node asks here."""
    needs_marker("kafka")
    return fetch_jars(Path(os.environ.get("RUSHES_CACHE") or platformdirs.user_cache_dir("rushes")))


@contextmanager
def memory_broker() -> Iterator[Broker]:
    broker = MemoryBroker(SystemClock())
    yield broker
    broker.close()


@contextmanager
def shared_cluster() -> Iterator[KafkaBroker]:
    """As a worker has it."""
    cluster = KafkaBroker(KafkaSettings(kafka_servers()), SystemClock())
    yield cluster
    cluster.close()


@contextmanager
def kafka_broker() -> Iterator[Broker]:
    """Of a deployment with a name of its own: the contract knows nothing of it."""
    settings = KafkaSettings(kafka_servers(), commit_interval_s=0.2, names=Names("contract"))
    broker = KafkaBroker(settings, SystemClock())
    yield broker
    broker.close()


REGISTRY: dict[str, Callable[[], AbstractContextManager[Broker]]] = {"memory": memory_broker, "kafka": kafka_broker}
"""A broker may be shared by many tests and keep what they sent: topics and groups of a test have names of their own."""
