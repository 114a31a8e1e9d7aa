"""Replays of dead letters: which ones, in which order, in parts of bounded size. The caller sends them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sinks.dead_letters import DeadLetterFilter, DeadLetters, StoredDeadLetter
from stream.sessions.session import RawRecord

# Bounds what is replayed twice when the process is killed within a part.
MAX_DEAD_LETTERS = 256
MAX_BYTES = 32 << 20
_UNKNOWN_BYTES = 1 << 20
"""Assumed for dead letters that an older release stored."""


@dataclass(frozen=True, slots=True)
class ReplayPart:
    """Some dead letters with their content."""

    dead_letters: tuple[StoredDeadLetter, ...]

    def records(self) -> Iterator[RawRecord]:
        """The records to send. `begin` counts the attempt."""
        for item in self.dead_letters:
            yield RawRecord(item.dead_letter.topic, item.dead_letter.key, item.dead_letter.value, item.replay_headers())


class Replay:
    """`chosen` dead letters of a store, oldest record first, so that the order of an asset's records is kept.

    For each of `parts`: `begin`, send its records, wait until their assets are final (on a shared broker: until the
    records are durable), `finish`. It may be interrupted anywhere and started again with the same filter.
    """

    def __init__(self, store: DeadLetters, chosen: Sequence[StoredDeadLetter]) -> None:
        self._store = store
        self.chosen = sorted(chosen, key=lambda item: (item.dead_letter.append_time_ms, item.dead_letter.offset))

    @classmethod
    def of(cls, store: DeadLetters, wanted: DeadLetterFilter) -> "Replay":
        return cls(store, store.listed(wanted))

    @property
    def assets(self) -> int:
        return len({(item.dead_letter.tenant, item.dead_letter.asset_id) for item in self.chosen})

    def parts(self) -> Iterator[ReplayPart]:
        """At most `MAX_DEAD_LETTERS` and about `MAX_BYTES` each, without those that were removed meanwhile."""
        waiting: list[str] = []
        size = 0
        for item in self.chosen:
            more = item.value_bytes or _UNKNOWN_BYTES
            # One letter may be larger than the limit: then it goes alone.
            if waiting and (len(waiting) == MAX_DEAD_LETTERS or size + more > MAX_BYTES):
                # Read only now: a large store of letters must not be in memory as a whole.
                yield ReplayPart(tuple(self._store.whole(waiting)))
                waiting, size = [], 0
            waiting.append(item.dead_letter.letter_id)
            size += more
        if waiting:
            yield ReplayPart(tuple(self._store.whole(waiting)))

    def begin(self, part: ReplayPart) -> None:
        """Count the attempt, whatever its result."""
        # Before sending: a record that kills the process counts as well, so it is parked after some attempts.
        self._store.count_replay(part.dead_letters)

    def finish(self, part: ReplayPart) -> None:
        self._store.mark_replayed([item.dead_letter.letter_id for item in part.dead_letters])


class Feed:
    """Feeds a run part by part: the next one when all records before it are processed. `done` counts dead letters."""

    def __init__(self, replay: Replay, send: Callable[[Iterator[RawRecord]], None]) -> None:
        self._replay = replay
        self._send = send
        self._parts = replay.parts()
        self._at: ReplayPart | None = None
        self.done = 0

    def __call__(self) -> bool:
        """Whether there was more to do."""
        # The part before is through: whoever calls waits until all its records are processed.
        if self._at is not None:
            self._replay.finish(self._at)
            self.done += len(self._at.dead_letters)
        self._at = next(self._parts, None)
        if self._at is None:
            return False
        self._replay.begin(self._at)
        self._send(self._at.records())
        return True
