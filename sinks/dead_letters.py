"""The store of dead letters beside the index: the operator that writes it, and what a person does with it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

from sinks.durability.durable_store import LOCAL_DISK, Disk
from sinks.filters import literal, one_of
from sinks.layout import Layout
from sinks.location import Location, Place
from sinks.store_errors import guarded
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import ASSETS
from sinks.writer import dead_letter_writer
from stream.clock import Clock, SystemClock
from stream.errors import BadEvent, StageError
from stream.events.asset import AssetPublished, AssetStatus, ContentRetired
from stream.events.base import Event
from stream.events.dead_letter import DEAD_LETTER_SCHEMA, MAX_REPLAYS, REPLAY_HEADER, DeadLetter, replay_of
from stream.events.ids import asset_key

DEAD_LETTERS_TABLE = "dead_letters"

_HEADER = pa.struct([pa.field("name", pa.string()), pa.field("value", pa.binary())])
_SCHEMA = pa.schema(
    [
        *(field for field in DEAD_LETTER_SCHEMA if field.name != "headers"),
        pa.field("headers", pa.list_(_HEADER), nullable=False),
        pa.field("asset_key", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("replays", pa.int32(), nullable=False),
        pa.field("value_bytes", pa.int64(), nullable=True),  # null in tables of older releases
    ]
)
_COMPACT_EVERY = 50


class DeadLetterState(StrEnum):
    """`parked`: failed after `MAX_REPLAYS` replays; replayed only by its id or when parked ones are asked for."""

    OPEN = "open"
    REPLAYED = "replayed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter and its state. In lists `key`, `value` and `headers` are empty; `value_bytes` is always set."""

    dead_letter: DeadLetter
    state: DeadLetterState
    replays: int
    value_bytes: int

    def replay_headers(self) -> dict[str, bytes]:
        """The headers for sending the record again: a new failure continues the replay count of this dead letter."""
        return {**self.dead_letter.headers, REPLAY_HEADER: self.dead_letter.letter_id.encode()}


class DeadLetterSink:
    """Single writer of dead letters under the index's `place`; reads topics `dead-letters` and `retirements`.

    A redelivered dead letter keeps its state. Those of a deleted asset are removed, also when they arrive late.
    """

    def __init__(self, place: Place, clock: Clock | None = None, *, disk: Disk = LOCAL_DISK) -> None:
        self._clock = clock or SystemClock()
        self._location = Location.of(place)
        self._writer = dead_letter_writer(place, disk)
        self._tables = LanceTables(place, before_removal=self._writer.sync, epoch=self._writer.epoch)
        self._shards: dict[Location, LanceTables] = {}
        self._commits = 0

    def open(self) -> None:
        """Become the writer (see `sinks.writer`)."""
        self._writer.enter()

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        """Yields nothing. Raises `Unavailable` while the store cannot be written."""
        # After a failure the tables are forgotten: the next attempt must not continue on a broken handle.
        if self._writer.lost:
            self.open()
        with self._writer.committing(self._forget_tables):
            self._commit(events)
        return ()

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:  # noqa: ARG002 - the operator's contract
        return ()

    def close(self) -> None:
        self._forget_tables()
        self._writer.leave()

    def maintain(self, *, purge: bool = False) -> None:
        with guarded(self._location, "the dead-letter store"):
            if purge:
                self._tables.purge(DEAD_LETTERS_TABLE)
            else:
                # Other processes mark letters meanwhile: a file that no commit knows may be theirs.
                self._tables.optimize(DEAD_LETTERS_TABLE, alone=False)
        self._writer.sync()

    def _forget_tables(self) -> None:
        for tables in (self._tables, *self._shards.values()):
            tables.forget()

    def _commit(self, events: Sequence[Event]) -> None:
        dead_letters = {event.data.letter_id: event.data for event in events if isinstance(event.data, DeadLetter)}
        retired = [event.data for event in events if isinstance(event.data, ContentRetired)]
        if len(events) > sum(isinstance(event.data, DeadLetter | ContentRetired) for event in events):
            # Before anything is written: a batch with a foreign event must not be half done.
            raise BadEvent("the dead-letter sink reads dead letters and retirements only", code="unknown_type")
        replays = self._replays({replay_of(dead_letter.headers) for dead_letter in dead_letters.values()})
        rows = [_row(dead_letter, replays) for _, dead_letter in sorted(dead_letters.items())]
        gone = self._deleted({row["asset_key"] for row in rows})
        # A publication that failed may be later than the deletion, so its letter stays.
        rows = [row for row in rows if row["asset_key"] not in gone or row["event_type"] == AssetPublished.type]
        if rows:
            table = self._tables.ensure(DEAD_LETTERS_TABLE, _SCHEMA)
            fresh = pa.Table.from_pylist(rows, schema=_SCHEMA)
            # Insert only: a redelivered letter must not become open again after a replay.
            table.merge_insert("letter_id").when_not_matched_insert_all().execute(fresh)
        for item in retired:
            # Content that was replaced keeps its letters: their records may still be replayed.
            if item.keep is None:
                self._forget(item)
        self._commits += 1
        if self._commits % _COMPACT_EVERY == 0:
            self.maintain()

    def _replays(self, letter_ids: set[str]) -> dict[str, int]:
        """Replay counts of those dead letters that are stored."""
        rows = self._tables.select_in(DEAD_LETTERS_TABLE, "letter_id", letter_ids - {""}, ["letter_id", "replays"])
        return {row["letter_id"]: row["replays"] for row in rows}

    def _deleted(self, keys: Collection[str]) -> set[str]:
        layout = Layout.of(self._location)
        found: list[dict[str, Any]] = []
        for number, mine in layout.split(keys).items():
            found += self._index(layout.places[number]).select_in(ASSETS, "asset_key", mine, ["asset_key", "status"])
        return {row["asset_key"] for row in found if row["status"] == AssetStatus.DELETED}

    def _index(self, place: Location) -> LanceTables:
        """The tables of a shard of the index."""
        if place not in self._shards:
            self._shards[place] = LanceTables(place)  # of another writer, so not fenced by this one
        return self._shards[place]

    def _forget(self, item: ContentRetired) -> None:
        key = asset_key(item.tenant, item.asset_id)
        older = f"append_time_ms <= {item.up_to.append_ms:d}"
        # While it is deleted, all other letters go whatever their time: they come of records that were in flight.
        if key in self._deleted([key]):
            older = f"({older} OR event_type <> {literal(AssetPublished.type)})"
        self._tables.delete(DEAD_LETTERS_TABLE, f"asset_key = {literal(key)} AND {older}")


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """All given conditions hold. The failure lies in [`since_ms`, `until_ms`); `states` empty means any. `tenants` are
    those that may be read at all; None is everybody's, none at all is nobody's.
    """

    stage: str | None = None
    code: str | None = None
    tenant: str | None = None
    asset_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    states: tuple[DeadLetterState, ...] = (DeadLetterState.OPEN,)
    letter_id: str | None = None
    letter_ids: tuple[str, ...] | None = None
    tenants: tuple[str, ...] | None = None

    def where(self) -> str:
        equal = {"stage": self.stage, "code": self.code, "tenant": self.tenant, "asset_id": self.asset_id}
        equal |= {"letter_id": self.letter_id}
        clauses = [f"{column} = {literal(value)}" for column, value in equal.items() if value is not None]
        if self.since_ms is not None:
            clauses.append(f"failed_at_ms >= {self.since_ms:d}")
        if self.until_ms is not None:
            clauses.append(f"failed_at_ms < {self.until_ms:d}")
        if self.states:
            clauses.append(one_of("state", (state.value for state in self.states)))
        if self.letter_ids is not None:
            clauses.append(one_of("letter_id", self.letter_ids))
        if self.tenants is not None:
            clauses.append(one_of("tenant", self.tenants))
        # An empty text means no condition.
        return " AND ".join(clauses)


class DeadLetters:
    """Dead letters for people: list, show, replay, park. Any process may use it."""

    def __init__(self, place: Place) -> None:
        self._location = Location.of(place)
        self._tables = LanceTables(place, before_removal=dead_letter_writer(place).sync_files)

    def listed(
        self, wanted: DeadLetterFilter | None = None, limit: int | None = None, *, oldest: bool = False
    ) -> list[StoredDeadLetter]:
        """Newest first, or the oldest, by when they failed; metadata only."""
        # Metadata only: contents may be megabytes each, and a list shows none of them.
        columns = [name for name in _SCHEMA.names if name not in ("key", "value", "headers")]
        rows = self._select((wanted or DeadLetterFilter()).where(), columns)
        if rows is None:
            return []
        found = rows.sort_by([("failed_at_ms", "ascending" if oldest else "descending"), ("letter_id", "ascending")])
        return [_stored(row) for row in found.slice(0, limit).to_pylist()]

    def count(self, wanted: DeadLetterFilter | None = None) -> int:
        with guarded(self._location, "the dead-letter store"):
            table = self._tables.find(DEAD_LETTERS_TABLE)
            return 0 if table is None else int(table.count_rows((wanted or DeadLetterFilter()).where() or None))

    def show(self, letter_id: str) -> StoredDeadLetter | None:
        """The dead letter with its content, as a replay needs it. `letter_id` may be a unique beginning of 6 or more
        characters. None where there is none, or more than one.
        """
        clause = f"letter_id = {literal(letter_id)}"
        # Only letters and digits: a beginning with other characters is no id, and may be a pattern to the store.
        if len(letter_id) >= 6 and letter_id.isalnum():
            clause = f"starts_with(letter_id, {literal(letter_id)})"
        rows = self._select(clause, _SCHEMA.names)
        return _stored(rows.to_pylist()[0]) if rows is not None and rows.num_rows == 1 else None

    def whole(self, letter_ids: Sequence[str]) -> list[StoredDeadLetter]:
        """These dead letters with their content, in this order, without those that were removed meanwhile."""
        rows = self._select(one_of("letter_id", letter_ids), _SCHEMA.names)
        found = {} if rows is None else {row["letter_id"]: _stored(row) for row in rows.to_pylist()}
        return [found[name] for name in letter_ids if name in found]

    def count_replay(self, dead_letters: Collection[StoredDeadLetter]) -> None:
        """Count a replay before it is tried, so that one which kills the process counts too. A dead letter that reaches
        `MAX_REPLAYS` is parked.
        """
        # In the store and not in this process: two replays at once both count.
        self._update({item.dead_letter.letter_id for item in dead_letters}, {"replays": "replays + 1"})
        self.park({item.dead_letter.letter_id for item in dead_letters if item.replays + 1 >= MAX_REPLAYS})

    def mark_replayed(self, letter_ids: Collection[str]) -> None:
        """A record that fails again has a new dead letter."""
        self._update(letter_ids, {"state": literal(DeadLetterState.REPLAYED)})

    def park(self, letter_ids: Collection[str]) -> None:
        self._update(letter_ids, {"state": literal(DeadLetterState.PARKED)})

    def compact(self) -> None:
        """After many changes. Raises `Unavailable`."""
        with guarded(self._location, "the dead-letter store"):
            self._tables.optimize(DEAD_LETTERS_TABLE, alone=False)

    def _update(self, letter_ids: Collection[str], values: dict[str, str]) -> None:
        with guarded(self._location, "the dead-letter store"):
            table = self._tables.find(DEAD_LETTERS_TABLE)
            if table is not None and letter_ids:
                table.update(values, where=one_of("letter_id", letter_ids))

    def _select(self, where: str, columns: Sequence[str]) -> pa.Table | None:
        with guarded(self._location, "the dead-letter store"):
            table = self._tables.find(DEAD_LETTERS_TABLE)
            if table is None:
                return None
            # An older release may have made the table, without newer columns.
            known = set(table.schema.names)
            return self._tables.select(DEAD_LETTERS_TABLE, where, [name for name in columns if name in known])


def _row(dead_letter: DeadLetter, known: Mapping[str, int]) -> dict[str, Any]:
    names = [field.name for field in DEAD_LETTER_SCHEMA]
    headers = [{"name": name, "value": value} for name, value in dead_letter.headers.items()]
    # The count goes on in the letter that a replayed record leads to, or it would never be parked.
    replays = known.get(replay_of(dead_letter.headers), 0)
    return {name: getattr(dead_letter, name) for name in names} | {
        "headers": headers,
        "asset_key": asset_key(dead_letter.tenant, dead_letter.asset_id),
        "state": (DeadLetterState.PARKED if replays >= MAX_REPLAYS else DeadLetterState.OPEN).value,
        "replays": replays,
        "value_bytes": len(dead_letter.value),
    }


def _stored(row: dict[str, Any]) -> StoredDeadLetter:
    headers = {item["name"]: item["value"] for item in row.get("headers") or ()}
    fields = {field.name: row.get(field.name, b"") for field in DEAD_LETTER_SCHEMA} | {"headers": headers}
    # An older release stored no size.
    value_bytes = row.get("value_bytes") or len(fields["value"])
    return StoredDeadLetter(DeadLetter(**fields), DeadLetterState(row["state"]), row["replays"], value_bytes)
