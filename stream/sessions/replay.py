"""Dead letters sent again: which, in which order, in parts of bounded size. Where to is the caller's business."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sinks.dead_letters import DeadLetters, LetterFilter, StoredLetter
from stream.sessions.session import RawRecord

MAX_LETTERS = 256
MAX_BYTES = 32 << 20
_UNKNOWN_BYTES = 1 << 20
"""Assumed of letters that an older version stored."""


@dataclass(frozen=True, slots=True)
class ReplayPart:
    """Some letters, whole."""

    letters: tuple[StoredLetter, ...]

    def records(self) -> Iterator[RawRecord]:
        """What to send; `begin` counts it."""
        for item in self.letters:
            yield RawRecord(item.letter.topic, item.letter.key, item.letter.value, item.replay_headers())


class Replay:
    """`chosen` letters of a store, oldest record first: an asset's later word stays the later one.

    For each of `parts`: `begin`, send its records, wait until what they lead to is final (or, on a shared broker, until
    they are durable), `finish`. May be cut off anywhere and started again by the same filter.
    """

    def __init__(self, store: DeadLetters, chosen: Sequence[StoredLetter]) -> None:
        self._store = store
        self.chosen = sorted(chosen, key=lambda item: (item.letter.append_time_ms, item.letter.offset))

    @classmethod
    def of(cls, store: DeadLetters, wanted: LetterFilter) -> "Replay":
        return cls(store, store.listed(wanted))

    @property
    def assets(self) -> int:
        return len({(item.letter.tenant, item.letter.asset_id) for item in self.chosen})

    def parts(self) -> Iterator[ReplayPart]:
        """At most `MAX_LETTERS` and about `MAX_BYTES` at a time; letters that went meanwhile are left out."""
        waiting: list[str] = []
        size = 0
        for item in self.chosen:
            more = item.value_bytes or _UNKNOWN_BYTES
            if waiting and (len(waiting) == MAX_LETTERS or size + more > MAX_BYTES):
                yield ReplayPart(tuple(self._store.whole(waiting)))
                waiting, size = [], 0
            waiting.append(item.letter.letter_id)
            size += more
        if waiting:
            yield ReplayPart(tuple(self._store.whole(waiting)))

    def begin(self, part: ReplayPart) -> None:
        """Count the attempt, whatever comes of it."""
        self._store.count_replay(part.letters)

    def finish(self, part: ReplayPart) -> None:
        self._store.mark_replayed([item.letter.letter_id for item in part.letters])


class Feed:
    """Gives a run one part after another: the next when everything before it is through. `done` counts letters."""

    def __init__(self, replay: Replay, send: Callable[[Iterator[RawRecord]], None]) -> None:
        self._replay = replay
        self._send = send
        self._parts = replay.parts()
        self._at: ReplayPart | None = None
        self.done = 0

    def __call__(self) -> bool:
        """Whether there was more to do."""
        if self._at is not None:
            self._replay.finish(self._at)
            self.done += len(self._at.letters)
        self._at = next(self._parts, None)
        if self._at is None:
            return False
        self._replay.begin(self._at)
        self._send(self._at.records())
        return True
