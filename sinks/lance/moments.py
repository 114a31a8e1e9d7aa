"""The moments of one space in the index: what is written, replaced and shown. One writer."""

from collections.abc import Collection, Mapping

import pyarrow as pa

from sinks.assets.tombstones import Retirement
from sinks.filters import one_of
from sinks.lance.hit_column import HIT
from sinks.lance.live_rows import LIVE_FIELDS, LIVE_SCHEMA, LiveNames, index_schema, live_batch, with_live_columns
from sinks.ledger.ledger_table import void_clauses
from sinks.tables.indexes import Indexes
from sinks.tables.lance_tables import LanceTables
from sinks.tables.names import moments_table
from sinks.tables.stored_ids import StoredIds
from stream.events.annotations import Space

_INDEXES = Indexes(
    keyed=("segment_id", "asset_key", "content_key", "moment_id"),
    grouped=("tenant", "live_project", "kind", "visible"),
    listed=("live_labels",),
    worded=("text",),
)

_FEW_NAMES = 2
_CONTENTS_AT_ONCE, _MOST_ROWS = 64, 20_000


class MomentTable:
    """Table `moments_<space>` of `tables`. Each method is one commit or a few, none of which leaves a cell without rows
    that it had; repeating them after a kill gives what was meant. `cells`: which segments it may hold, for the writer.
    """

    def __init__(self, tables: LanceTables, space: Space, cells: StoredIds | None = None) -> None:
        self._tables = tables
        self._space = space
        self._cells = cells or StoredIds()  # one that is not filled tells nothing
        self.name = moments_table(space.key)

    def ensure(self) -> None:
        self._tables.ensure(self.name, index_schema(self._space), _INDEXES)

    def lacks_live_columns(self) -> bool:
        """Whether an older release made it, and nobody brought it up to date yet."""
        table = self._tables.find(self.name)
        return table is not None and not {field.name for field in LIVE_FIELDS} <= set(table.schema.names)

    def add_live_columns(self, shown: Mapping[str, LiveNames]) -> None:
        """Bring a table of an older release up to date, in one commit."""
        self._tables.derive(self.name, LIVE_SCHEMA, lambda batch: live_batch(batch, shown), ["content_key"])

    def replace(self, rows: pa.Table, segment_ids: Collection[str], shown: Mapping[str, LiveNames]) -> None:
        """`stored_schema` rows of `segment_ids` in place of what these held, in one commit."""
        self.ensure()
        # Asked of the rows, not of the ledger: a kill may have come between the two. Most cells are new.
        lying = self._cells.held_of(segment_ids)
        self._cells.add(segment_ids)
        self._tables.exchange(self.name, "segment_id", lying, with_live_columns(rows, shown))

    def read_cells(self) -> None:
        """Fill `cells`, of the table, which is there. From any thread, beside commits."""
        if not self._cells.filled:
            count, ids = self._tables.column(self.name, "segment_id")
            self._cells.fill(ids, count)

    def show(self, contents: Mapping[str, LiveNames], *, other_release: bool = False) -> None:
        """Let the rows of these contents say how search shows them: one commit for those of the same names, or where
        there are many names for some contents. `other_release`: one that does not know `HIT` may have written them.
        """
        keys = sorted(contents)
        # What they say in one column may be of rows that the other release has replaced.
        others = {HIT.name: "NULL"} if other_release else {}
        if len(set(contents.values())) <= _FEW_NAMES:
            self._show_by_names(contents, others)
            return
        for start in range(0, len(keys), _CONTENTS_AT_ONCE):
            self._show_rows({key: contents[key] for key in keys[start : start + _CONTENTS_AT_ONCE]}, others)

    def _show_by_names(self, contents: Mapping[str, LiveNames], others: Mapping[str, str]) -> None:
        """`others`: further columns that are set."""
        groups: dict[LiveNames, list[str]] = {}
        for key, shown in contents.items():
            groups.setdefault(shown, []).append(key)
        for shown, keys in groups.items():
            for where in self._tables.clauses("content_key", keys):
                self._tables.update(self.name, where, {**shown.columns(), **others})

    def _show_rows(self, contents: Mapping[str, LiveNames], others: Mapping[str, str]) -> None:
        """As whole rows, in one commit: an update for each name costs a thousand rows' work however few it changes."""
        where = one_of("content_key", contents)
        table = self._tables.find(self.name)
        if table is None or table.count_rows(where) > _MOST_ROWS:
            self._show_by_names(contents, others)
            return
        rows = self._tables.select(self.name, where)
        if rows is not None and rows.num_rows:
            self._tables.merge(self.name, with_live_columns(rows, contents), "moment_id")

    def sweep(self, retired: Mapping[str, Retirement]) -> None:
        """Delete the rows that watermarks void, some assets at a time."""
        for where in void_clauses(retired):
            self._tables.delete(self.name, where, among=retired.keys())
