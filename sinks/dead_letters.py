"""Dead letters, kept whole beside the index: the operator that stores them, and what a person does with them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa

from sinks.assets.tombstones import asset_key
from sinks.filters import literal, one_of
from sinks.lance.store import ASSETS
from sinks.store_errors import guarded
from sinks.tables.lance_tables import LanceTables
from sinks.writer import letters_writer
from stream.clock import Clock, SystemClock
from stream.errors import BadEvent, StageError
from stream.events.asset import AssetPublished, AssetStatus, ContentRetired
from stream.events.base import Event
from stream.events.dead_letter import DEAD_LETTER_SCHEMA, MAX_REPLAYS, REPLAY_HEADER, DeadLetter, replay_of

LETTERS = "dead_letters"

_HEADER = pa.struct([pa.field("name", pa.string()), pa.field("value", pa.binary())])
_SCHEMA = pa.schema(
    [
        *(field for field in DEAD_LETTER_SCHEMA if field.name != "headers"),
        pa.field("headers", pa.list_(_HEADER), nullable=False),
        pa.field("asset_key", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("replays", pa.int32(), nullable=False),
        pa.field("value_bytes", pa.int64(), nullable=True),  # tables of before have none
    ]
)
_COMPACT_EVERY = 50


class LetterState(StrEnum):
    """`parked`: failed after `MAX_REPLAYS` replays; replayed only by its id or when parked ones are asked for."""

    OPEN = "open"
    REPLAYED = "replayed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter and what became of it. In lists `key`, `value` and `headers` are empty; `value_bytes` is known."""

    letter: DeadLetter
    state: LetterState
    replays: int
    value_bytes: int

    def replay_headers(self) -> dict[str, bytes]:
        """The record's headers for sending it again: what fails of it goes on with this letter's count."""
        return {**self.letter.headers, REPLAY_HEADER: self.letter.letter_id.encode()}


class DeadLetterSink:
    """Single writer of letters under the index's `directory`; topics `dead-letters` and `retirements`.

    A letter that comes again keeps its state. Letters of a deleted asset go, and late ones do not stay.
    """

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._directory = directory
        self._tables = LanceTables(directory)
        self._writer = letters_writer(directory)
        self._commits = 0

    def open(self) -> None:
        """Become the writer (see `sinks.writer`)."""
        self._writer.enter()

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        """Yields nothing. Raises `Unavailable` while the store cannot be written."""
        try:
            with guarded(self._directory, "the dead-letter store"):
                self._commit(events)
        except Exception:
            self._tables.forget()
            raise
        return ()

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:  # noqa: ARG002 - the operator's contract
        return ()

    def close(self) -> None:
        self._tables.forget()
        self._writer.leave()

    def maintain(self, *, purge: bool = False) -> None:
        with guarded(self._directory, "the dead-letter store"):
            if purge:
                self._tables.purge(LETTERS)
            else:
                self._tables.optimize(LETTERS)

    def _commit(self, events: Sequence[Event]) -> None:
        letters = {event.data.letter_id: event.data for event in events if isinstance(event.data, DeadLetter)}
        retired = [event.data for event in events if isinstance(event.data, ContentRetired)]
        if len(events) > sum(isinstance(event.data, DeadLetter | ContentRetired) for event in events):
            raise BadEvent("the dead-letter sink reads letters and retirements only", code="unknown_type")
        replays = self._replays({replay_of(letter.headers) for letter in letters.values()})
        rows = [_row(letter, replays) for _, letter in sorted(letters.items())]
        gone = self._deleted({row["asset_key"] for row in rows})
        rows = [row for row in rows if row["asset_key"] not in gone or row["event_type"] == AssetPublished.type]
        if rows:
            table = self._tables.ensure(LETTERS, _SCHEMA)
            fresh = pa.Table.from_pylist(rows, schema=_SCHEMA)
            table.merge_insert("letter_id").when_not_matched_insert_all().execute(fresh)
        for item in retired:
            if item.keep is None:
                self._forget(item)
        self._commits += 1
        if self._commits % _COMPACT_EVERY == 0:
            self.maintain()

    def _replays(self, letter_ids: set[str]) -> dict[str, int]:
        """How often the letters have been replayed; without those that are unknown."""
        rows = self._tables.select_in(LETTERS, "letter_id", letter_ids - {""}, ["letter_id", "replays"])
        return {row["letter_id"]: row["replays"] for row in rows}

    def _deleted(self, keys: Collection[str]) -> set[str]:
        rows = self._tables.select_in(ASSETS, "asset_key", keys, ["asset_key", "status"])
        return {row["asset_key"] for row in rows if row["status"] == AssetStatus.DELETED}

    def _forget(self, item: ContentRetired) -> None:
        key = asset_key(item.tenant, item.asset_id)
        older = f"append_time_ms <= {item.up_to.append_ms:d}"
        if key in self._deleted([key]):
            older = f"({older} OR event_type <> {literal(AssetPublished.type)})"
        self._tables.delete(LETTERS, f"asset_key = {literal(key)} AND {older}")


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """All given conditions hold. The failure lies in [`since_ms`, `until_ms`); `states` empty means any."""

    stage: str | None = None
    code: str | None = None
    tenant: str | None = None
    asset_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    states: tuple[LetterState, ...] = (LetterState.OPEN,)

    def where(self) -> str:
        equal = {"stage": self.stage, "code": self.code, "tenant": self.tenant, "asset_id": self.asset_id}
        clauses = [f"{column} = {literal(value)}" for column, value in equal.items() if value is not None]
        if self.since_ms is not None:
            clauses.append(f"failed_at_ms >= {self.since_ms:d}")
        if self.until_ms is not None:
            clauses.append(f"failed_at_ms < {self.until_ms:d}")
        if self.states:
            clauses.append(one_of("state", (state.value for state in self.states)))
        return " AND ".join(clauses)


class DeadLetters:
    """What a person does with dead letters, from any process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tables = LanceTables(directory)

    def listed(self, wanted: LetterFilter | None = None, limit: int | None = None) -> list[StoredLetter]:
        """Newest first, metadata only."""
        columns = [name for name in _SCHEMA.names if name not in ("key", "value", "headers")]
        rows = self._select((wanted or LetterFilter()).where(), columns)
        if rows is None:
            return []
        newest = rows.sort_by([("failed_at_ms", "descending"), ("letter_id", "ascending")])
        return [_stored(row) for row in newest.slice(0, limit).to_pylist()]

    def count(self, wanted: LetterFilter | None = None) -> int:
        with guarded(self._directory, "the dead-letter store"):
            table = self._tables.find(LETTERS)
            return 0 if table is None else int(table.count_rows((wanted or LetterFilter()).where() or None))

    def show(self, letter_id: str) -> StoredLetter | None:
        """The whole letter, as a replay needs it. A unique beginning of at least 6 characters will do."""
        clause = f"letter_id = {literal(letter_id)}"
        if len(letter_id) >= 6 and letter_id.isalnum():
            clause = f"starts_with(letter_id, {literal(letter_id)})"
        rows = self._select(clause, _SCHEMA.names)
        return _stored(rows.to_pylist()[0]) if rows is not None and rows.num_rows == 1 else None

    def whole(self, letter_ids: Sequence[str]) -> list[StoredLetter]:
        """These letters with their content, in this order; those that went meanwhile are left out."""
        rows = self._select(one_of("letter_id", letter_ids), _SCHEMA.names)
        found = {} if rows is None else {row["letter_id"]: _stored(row) for row in rows.to_pylist()}
        return [found[name] for name in letter_ids if name in found]

    def count_replay(self, letters: Collection[StoredLetter]) -> None:
        """One replay more is about to be tried. Should it kill whoever tries, it counts all the same, and a letter that
        has had `MAX_REPLAYS` is found parked.
        """
        self._update({item.letter.letter_id for item in letters}, {"replays": "replays + 1"})
        self.park({item.letter.letter_id for item in letters if item.replays + 1 >= MAX_REPLAYS})

    def mark_replayed(self, letter_ids: Collection[str]) -> None:
        """What fails again has a letter of its own."""
        self._update(letter_ids, {"state": literal(LetterState.REPLAYED)})

    def park(self, letter_ids: Collection[str]) -> None:
        self._update(letter_ids, {"state": literal(LetterState.PARKED)})

    def compact(self) -> None:
        """After many changes. Raises `Unavailable`."""
        with guarded(self._directory, "the dead-letter store"):
            self._tables.optimize(LETTERS)

    def _update(self, letter_ids: Collection[str], values: dict[str, str]) -> None:
        with guarded(self._directory, "the dead-letter store"):
            table = self._tables.find(LETTERS)
            if table is not None and letter_ids:
                table.update(where=one_of("letter_id", letter_ids), values_sql=values)

    def _select(self, where: str, columns: Sequence[str]) -> pa.Table | None:
        with guarded(self._directory, "the dead-letter store"):
            table = self._tables.find(LETTERS)
            if table is None:
                return None
            known = set(table.schema.names)
            return self._tables.select(LETTERS, where, [name for name in columns if name in known])


def _row(letter: DeadLetter, known: Mapping[str, int]) -> dict[str, Any]:
    names = [field.name for field in DEAD_LETTER_SCHEMA]
    headers = [{"name": name, "value": value} for name, value in letter.headers.items()]
    replays = known.get(replay_of(letter.headers), 0)
    return {name: getattr(letter, name) for name in names} | {
        "headers": headers,
        "asset_key": asset_key(letter.tenant, letter.asset_id),
        "state": (LetterState.PARKED if replays >= MAX_REPLAYS else LetterState.OPEN).value,
        "replays": replays,
        "value_bytes": len(letter.value),
    }


def _stored(row: dict[str, Any]) -> StoredLetter:
    headers = {item["name"]: item["value"] for item in row.get("headers") or ()}
    fields = {field.name: row.get(field.name, b"") for field in DEAD_LETTER_SCHEMA} | {"headers": headers}
    value_bytes = row.get("value_bytes") or len(fields["value"])
    return StoredLetter(DeadLetter(**fields), LetterState(row["state"]), row["replays"], value_bytes)
