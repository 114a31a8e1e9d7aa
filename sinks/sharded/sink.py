"""A sink over the shards of a store. Any number of processes share them: a shard goes to whose batch needs it."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from sinks.assets.sink_batch import asset_of
from sinks.layout import Layout, claim
from sinks.location import Location, Place
from sinks.protocol import Sink
from sinks.sharded.held import HeldShards
from sinks.sharded.store import ShardedStore
from sinks.store_errors import guarded
from stream.clock import Clock, SystemClock
from stream.errors import StageError, Unavailable
from stream.events.base import Event

_log = logging.getLogger(__name__)
PATIENCE_S = 5.0
_LOOK_S, _LOOK_FAR_S = 0.05, 0.5
_IDLE_S = 0.1


def sink_at(
    place: Place,
    make: Callable[[Location], Sink],
    *,
    shards: int,
    name: str,
    clock: Clock | None = None,
    alone: bool = False,
) -> Sink:
    """The sink of a store: the plain one where it lies at its root in one piece, else a `ShardedSink`."""
    found = Layout.of(place)
    if shards == 1 and not found.divided:
        return make(found.root)
    return ShardedSink(place, make, shards=shards, name=name, clock=clock, alone=alone)


class ShardedSink:
    """Splits batches by shard and gives each part to the sink that `make` builds for a shard's place, which is opened
    when it is first needed and kept until another process asks for the shard.

    A shard is locked by its writer, so a process that hangs and goes on later was alone all the time, and what it had
    begun is finished before its successor starts. `name`: the store in messages. `alone`: no other process shares the
    shards, so all are opened at once, cut-off work is finished, and none is given up.
    """

    def __init__(
        self,
        place: Place,
        make: Callable[[Location], Sink],
        *,
        shards: int,
        name: str,
        clock: Clock | None = None,
        alone: bool = False,
    ) -> None:
        self._root = Location.of(place)
        self._make = make
        self._shards = shards
        self._name = name
        self._clock = clock or SystemClock()
        self._alone = alone
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._held: HeldShards | None = None

    @property
    def store(self) -> ShardedStore:
        """The stores of all shards, which this process takes. Raises `Unavailable` where it cannot."""
        with self._working(range(self._shards)) as (shards, locked):
            if locked is not None:
                raise locked
            return ShardedStore(self._opened.layout, [self._opened.work(number).store for number in shards])

    def open(self) -> None:
        """Find out how the store is divided, or say so of a new one. Raises `Fatal` (`shards_differ`) where there are
        not so many shards; with `alone` also what the sinks of the shards raise.
        """
        if self._held is None:
            with guarded(self._root, self._name, writer=True):
                layout = claim(self._root, self._shards)
            self._held = HeldShards(layout, self._make, self._clock)
        if self._alone:
            for number in range(self._shards):
                self._held.take(number, ask=False)
        elif self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._look, name=f"shards of {self._name}", daemon=True)
            self._thread.start()

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        """As the sinks of the shards, whose outputs it yields. Raises `Unavailable` (`store_locked`) after it has
        written the other parts, if another process keeps a shard for longer than `PATIENCE_S`: that process ends its
        batch, and this one has to come again.
        """
        parts = self._split(events)
        outputs: list[Event] = []
        with self._working(parts) as (shards, locked):
            for number in shards:
                outputs += self._written(number, parts[number])
        if locked is not None:
            raise locked
        return outputs

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:  # noqa: ARG002 - the operator's contract
        """A record that no sink can read says nothing of an asset."""
        return ()

    def maintain(self, *, purge: bool = False) -> list[Event]:
        """Of all shards. Raises `Unavailable` where another process does not give one up."""
        outputs: list[Event] = []
        with self._working(range(self._shards)) as (shards, locked):
            if locked is not None:
                raise locked
            for number in shards:
                outputs += self._opened.work(number).maintain(purge=purge)
        return outputs

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._held is not None:
            self._held.close()
            self._held = None

    @property
    def _opened(self) -> HeldShards:
        assert self._held is not None
        return self._held

    def _split(self, events: Sequence[Event]) -> dict[int, list[Event]]:
        layout = self._opened.layout
        parts: dict[int, list[Event]] = {}
        for event in events:
            parts.setdefault(layout.shard_of(*asset_of(event)), []).append(event)
        return parts

    def _written(self, number: int, part: Sequence[Event]) -> Iterable[Event]:
        try:
            return self._opened.work(number).process(part)
        except Unavailable as error:
            if error.code == "store_locked" and not self._alone:
                self._opened.lose(number)
            raise

    @contextmanager
    def _working(self, wanted: Iterable[int]) -> Iterator[tuple[list[int], Unavailable | None]]:
        """Hold these shards for a block: those that could be had, and the error of the last that could not."""
        with self._lock:
            shards: list[int] = []
            locked: Unavailable | None = None
            deadline_s = self._clock.monotonic_s() + PATIENCE_S
            # In one order in all processes, so that none waits for what the other holds while it waits.
            for number in sorted(wanted):
                error = self._taken(number, shards, deadline_s)
                if error is None:
                    shards.append(number)
                locked = error or locked
            yield shards, locked
            if not self._alone:
                with guarded(self._root, self._name):
                    self._opened.hand_over()

    def _taken(self, number: int, working: Sequence[int], deadline_s: float) -> Unavailable | None:
        """Take a shard, waiting for it until `deadline_s`. Meanwhile others may have what this batch does not hold."""
        while True:
            try:
                with guarded(self._root, self._name):
                    self._opened.take(number, ask=not self._alone)
            except Unavailable as error:
                self._opened.wanted_again(number)
                if self._alone or error.code != "store_locked":
                    raise
                if self._clock.monotonic_s() >= deadline_s:
                    return error
            else:
                return None
            with guarded(self._root, self._name):
                self._opened.hand_over(working)
            # Less often on an object store, where each look is a request that costs money.
            self._clock.sleep(_LOOK_S if self._root.path is not None else _LOOK_FAR_S)

    def _look(self) -> None:
        """Between batches: give up what others ask for, and take what this process has asked for."""
        while not self._stop.wait(_IDLE_S):
            # Where a batch is in work, that looks by itself.
            if self._lock.acquire(blocking=False):
                try:
                    self._opened.hand_over()
                    self._opened.take_asked()
                except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to; the next batch meets it
                    _log.debug("shards of %s: %s", self._name, error)
                finally:
                    self._lock.release()
