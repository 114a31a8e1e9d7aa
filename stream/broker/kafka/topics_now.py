"""The latest descriptions of topics. Partitions are added and topics are created again while a process runs."""

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from confluent_kafka import KafkaException

from stream.broker.kafka.described import TopicDescription
from stream.errors import StageError

REFRESH_S = 3.0


class TopicsNow:
    """A thread asks every `REFRESH_S`, so that no worker waits for the answer (ADR 0033). Thread-safe.

    A topic without an answer, or that does not exist, keeps its last known description.
    """

    def __init__(self, ask: Callable[[Collection[str]], Mapping[str, TopicDescription]]) -> None:
        self._ask = ask
        self._known: dict[str, TopicDescription | None] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, name: str, there: TopicDescription | None = None) -> None:
        """Watch `name` from now on. `there` is its description, if it was just found out."""
        with self._lock:
            self._known[name] = there or self._known.get(name)
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="topics", daemon=True)
                self._thread.start()

    def get(self, name: str) -> TopicDescription | None:
        """None for a topic that is not watched, and before the first answer."""
        return self._known.get(name)

    def refresh(self) -> None:
        """Ask now. Raises `KafkaException`, `StageError`, `TimeoutError`."""
        found = self._ask(list(self._known))
        with self._lock:
            self._known.update(found)

    def close(self) -> None:
        """Idempotent. Waits for a query in progress."""
        self._closed.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while not self._closed.wait(REFRESH_S):
            with suppress(KafkaException, StageError, TimeoutError):  # whoever works with the cluster reports it
                self.refresh()
