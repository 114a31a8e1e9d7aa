"""The shards of a store that this process writes: taking them, and handing them to others who ask."""

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from sinks.layout import Layout, differing
from sinks.location import Location
from sinks.protocol import Sink
from sinks.sharded.requests import Requests
from stream.clock import Clock
from stream.errors import StageError, Unavailable

KEEP_S = 5.0
"""A shard that was taken for a batch is kept for so long, also if the batch does not come again."""
_ASKING_S = 60.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held:
    sink: Sink
    since_s: float
    worked: bool = False


class HeldShards:
    """Each shard has its writer's lock, so who holds it is alone. One thread at a time may use this object."""

    def __init__(self, layout: Layout, make: Callable[[Location], Sink], clock: Clock) -> None:
        self.layout = layout
        self._make = make
        self._clock = clock
        self._requests = Requests(layout.root, clock)
        self._held: dict[int, _Held] = {}
        self._leaving: dict[int, threading.Thread] = {}
        self._asked_s: dict[int, float] = {}

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._held))

    def work(self, number: int) -> Sink:
        """The sink of a shard that is held, for a batch."""
        held = self._held[number]
        held.worked = True
        return held.sink

    def take(self, number: int, *, ask: bool = True) -> None:
        """Become the writer of a shard. Raises `Unavailable` (`store_locked`) while another process is it or asked for
        it before, and asks for it then, unless told not to; `Fatal` (`shards_differ`) where the store was divided anew
        meanwhile.
        """
        if number in self._held:
            return
        place = self.layout.places[number]
        try:
            if self._is_leaving(number) or not self._requests.first(number):
                raise Unavailable(
                    f"another process writes, or waits to write, the shard at {place}", code="store_locked"
                )
            self._open(number, place)
        except Unavailable as error:
            if ask and error.code == "store_locked":
                self._ask(number)
            raise
        # A request that stood on would keep others from the shard for 30 s.
        self._forget_request(number)

    def lose(self, number: int) -> None:
        """Another process has taken it, which on an object store happens when a lease has ended. Ask for it."""
        held = self._held.pop(number)
        _close(held.sink)
        self._ask(number)

    def wanted_again(self, number: int) -> None:
        """A batch waits for this shard still, so the request for it stands."""
        if number in self._asked_s:
            self._asked_s[number] = self._clock.monotonic_s()

    def take_asked(self) -> None:
        """Take what was asked for and is free by now; forget requests that no batch has renewed."""
        # A copy, as requests are forgotten on the way.
        for number, asked_s in list(self._asked_s.items()):
            if self._clock.monotonic_s() - asked_s > _ASKING_S:
                self._forget_request(number)
                continue
            try:
                self.take(number)
            except Unavailable:
                continue  # the next batch of the shard tells of it, where it lasts

    def hand_over(self, working: Collection[int] = ()) -> None:
        """Give up the shards that others ask for, except those of a batch in work."""
        wanted = self._requests.others() if self._held else {}
        now_s = self._clock.monotonic_s()
        for number in wanted.keys() & self._held.keys() - set(working):
            held = self._held[number]
            if held.worked or now_s - held.since_s >= KEEP_S:
                del self._held[number]
                _log.info("shard %d of %s is handed to another process", number, self.layout.root)
                # Upkeep may take its time to end; other shards need not wait for it.
                leaving = threading.Thread(target=_close, args=(held.sink,), name=f"close shard {number}")
                self._leaving[number] = leaving
                leaving.start()

    def close(self) -> None:
        """Idempotent. What is closed badly is closed nevertheless."""
        for number in list(self._asked_s):
            self._forget_request(number)
        held, self._held = self._held, {}
        for each in held.values():
            _close(each.sink)
        for thread in self._leaving.values():
            thread.join()
        self._leaving.clear()

    def _open(self, number: int, place: Location) -> None:
        sink = self._make(place)
        try:
            sink.open()
            # With the lock: who divides the store anew holds it, so nobody can do so from here on.
            if (found := Layout.of(self.layout.root)) != self.layout:
                raise differing(found, self.layout.shards)
        except BaseException:
            # Or its lock would stay with this process.
            sink.close()
            raise
        self._held[number] = _Held(sink, self._clock.monotonic_s())

    def _ask(self, number: int) -> None:
        self._asked_s.setdefault(number, self._clock.monotonic_s())
        self._requests.ask(number)

    def _is_leaving(self, number: int) -> bool:
        thread = self._leaving.get(number)
        if thread is not None and not thread.is_alive():
            del self._leaving[number]
        return number in self._leaving

    def _forget_request(self, number: int) -> None:
        self._asked_s.pop(number, None)
        self._requests.withdraw(number)


def _close(sink: Sink) -> None:
    try:
        sink.close()
    except StageError as error:
        _log.warning("closing a shard: %s (%s)", error.message, error.code)
