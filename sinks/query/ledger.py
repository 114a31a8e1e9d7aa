"""The ledgers' read side: which segments are durable in which store. Any process, a fresh view at every call."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sinks.delta.store import DeltaStore
from sinks.location import Location, Place
from sinks.query.all_shards import AllShards
from sinks.store_errors import guarded
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import SEGMENTS
from stream.events.asset import Outcome
from stream.events.ids import AssetVersion, Order

_COLUMNS = (
    *("segment_id", "space", "outcome", "understand_digest", "moment_count"),
    *("version_ms", "version_offset", "epoch_ms", "revision"),
)


class LanceLedger:
    """Answers from the index under `place`; nothing is known while it does not exist. Ids of segments do not tell the
    asset, so all shards are asked.
    """

    def __init__(self, place: Place) -> None:
        self._shards = AllShards(place, _LanceShard)

    def done(
        self, segment_ids: Collection[str], space_key: str, understand_digest: str, *, min_revision: int = 0
    ) -> set[str]:
        """The segments of `writes`."""
        return set(self.writes(segment_ids, space_key, understand_digest, min_revision=min_revision))

    def writes(
        self, segment_ids: Collection[str], space_key: str, understand_digest: str, *, min_revision: int = 0
    ) -> dict[str, Order]:
        """Those that are stored in `space_key`, made by the understand stage with this digest, and their orders.
        `min_revision` 1 asks for captioned ones; a segment without moments has nothing to caption.
        """
        return _writes(self._rows(segment_ids), space_key, understand_digest, min_revision)

    def failed(self, segment_ids: Collection[str]) -> set[str]:
        """Those whose last word is a failure: never stored in any space, by any version since."""
        rows = self._rows(segment_ids)
        done: dict[str, tuple[int, int]] = {}
        failures: dict[str, tuple[int, int]] = {}
        for row in rows:
            held = done if row["outcome"] == Outcome.DONE else failures
            version = (row["version_ms"], row["version_offset"])
            held[row["segment_id"]] = max(version, held.get(row["segment_id"], version))
        # A later success outweighs a failure, whatever the space: the cell can be made.
        return {segment for segment, version in failures.items() if done.get(segment, (-1, -1)) < version}

    def _rows(self, segment_ids: Collection[str]) -> list[dict[str, Any]]:
        return self._shards.ask(lambda shard: shard.rows(segment_ids))


class DeltaLedger:
    """The same answers from the Delta table's own ledger, which a kill may leave behind the index's, or before it."""

    def __init__(self, place: Place) -> None:
        self._shards = AllShards(place, _DeltaShard)

    def writes(
        self, segment_ids: Collection[str], space_key: str, understand_digest: str, *, min_revision: int = 0
    ) -> dict[str, Order]:
        """As `LanceLedger.writes`."""
        rows = self._shards.ask(lambda shard: shard.rows(segment_ids))
        return _writes(rows, space_key, understand_digest, min_revision)


class _LanceShard:
    def __init__(self, location: Location) -> None:
        self._location = location
        self._tables = LanceTables(location)

    def rows(self, segment_ids: Collection[str]) -> list[dict[str, Any]]:
        with guarded(self._location, "the index"):
            try:
                return self._tables.select_in(SEGMENTS, "segment_id", segment_ids, _COLUMNS)
            # Forgotten, because a handle on a table that was replaced would fail again and again.
            except Exception:
                self._tables.forget()
                raise


class _DeltaShard:
    def __init__(self, location: Location) -> None:
        self._location = location
        self._store = DeltaStore(location)

    def rows(self, segment_ids: Collection[str]) -> list[dict[str, Any]]:
        with guarded(self._location, "the Delta table"):
            try:
                rows: list[dict[str, Any]] = self._store.ledger_entries_of(segment_ids, _COLUMNS).to_pylist()
            # Closed, because a handle on a table that was replaced would fail again and again.
            except Exception:
                self._store.close()
                raise
        return rows


def _writes(
    rows: Iterable[Mapping[str, Any]], space_key: str, understand_digest: str, min_revision: int
) -> dict[str, Order]:
    return {
        row["segment_id"]: Order(
            AssetVersion(row["version_ms"], row["version_offset"]), row["epoch_ms"], row["revision"]
        )
        for row in rows
        if row["outcome"] == Outcome.DONE
        and row["space"] == space_key
        and row["understand_digest"] == understand_digest
        and (row["revision"] >= min_revision or row["moment_count"] == 0)
    }
