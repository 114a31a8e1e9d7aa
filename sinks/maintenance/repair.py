"""Rebuild one store from the other where they differ. No writer of either may be running."""

from collections.abc import Collection, Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from sinks.assets.asset_status import Attempt, outcomes_of
from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.lifecycle import AssetState, settle
from sinks.assets.tombstones import NOTHING_RETIRED, Retirement
from sinks.lance.live_rows import shown_of
from sinks.layout import Layout, claim, tables_at
from sinks.location import Place
from sinks.maintenance.pairs import Pairs, Stores
from sinks.maintenance.verify import chunks, verify
from sinks.schema import delta_rows, lance_rows
from sinks.store_errors import guarded_both
from sinks.writer import delta_writer, index_writer, writing
from stream.events.annotations import Space
from stream.events.asset import AssetStatus, Outcome

Target = Literal["lance", "delta"]


def repair(index: Place, parquet: Place, target: Target) -> int:
    """Make `target` equal to the other store; returns the number of cells rewritten. Repeating it is harmless.

    Into LanceDB, assets that it has lost come back too, as far as rows tell: an asset's length is that of its rows.
    """
    _as_divided_as(*((index, parquet) if target == "delta" else (parquet, index)))
    # Reading needs no lock.
    report = verify(index, parquet)
    cells = {cell for item in report.spaces for cell in item.cells}
    of_index = {place: index_writer(place) for place in Layout.of(index).places}
    of_parquet = {place: delta_writer(place) for place in Layout.of(parquet).places}
    with guarded_both(index, parquet, writer=True), writing(*of_index.values(), *of_parquet.values()):
        pairs = Pairs.open(index, parquet, (of_index, of_parquet))
        for delta in pairs.delta:
            delta.prepare()
        spaces = pairs.spaces()
        into = _into_delta if target == "delta" else _into_lance
        for stores, assets in pairs.of(sorted(report.assets)):
            # A few assets at once: rows with vectors of all would not fit in memory.
            for keys in chunks(assets):
                into(stores, keys, cells, spaces)
    return len(cells)


def _as_divided_as(other: Place, target: Place) -> None:
    """A store that is made anew gets as many shards as the other has."""
    found = Layout.of(target)
    if not found.divided and not any(tables_at(found.root)):
        claim(target, Layout.of(other).shards)


def _into_delta(stores: Stores, keys: Sequence[str], cells: Collection[SpaceCell], spaces: dict[str, Space]) -> None:
    source = {item.cell: item for item in stores.lance.ledger_entries(keys) if item.cell in cells}
    # Read before anything is replaced: it tells which receipts have to go.
    held = {item.cell for item in stores.delta.ledger_entries(keys) if item.cell in cells}
    for key, space in spaces.items():
        rows = stores.lance.rows(keys, key)
        mine = {cell for cell in source if cell.space == key}
        if rows is not None and mine:
            stores.delta.register([space])
            stores.delta.replace_rows(delta_rows(_of(rows, mine)), mine)
    # The receipts after the rows: after a kill in between, the cells differ and are repaired again.
    stores.delta.record(list(source.values()), held)
    strays = _strays([stores.delta.rows(keys, key, ["segment_id", "space"]) for key in spaces], cells)
    # What the other store does not have at all goes: it is the one that is believed.
    stores.delta.erase((held | strays) - source.keys())


def _into_lance(stores: Stores, keys: Sequence[str], cells: Collection[SpaceCell], spaces: dict[str, Space]) -> None:
    source = {item.cell: item for item in stores.delta.ledger_entries(keys) if item.cell in cells}
    held = {item.cell for item in stores.lance.ledger_entries(keys) if item.cell in cells and item.space}
    for key, space in spaces.items():
        mine = {cell for cell in source if cell.space == key}
        rows = stores.delta.rows(keys, key)
        if mine:
            stores.lance.replace_rows(space, lance_rows(_of(rows, mine), space), {cell.segment_id for cell in mine})
        kept = stores.lance.rows(keys, key)
        strays = _strays([kept.select(["segment_id", "space"])] if kept is not None else [], cells)
        gone = {cell.segment_id for cell in (held | strays) - source.keys() if cell.space == key}
        if gone:
            stores.lance.erase(gone, key)
    stores.lance.record(list(source.values()), held)
    _adopt(stores, keys, spaces)


def _of(rows: pa.Table, cells: Collection[SpaceCell]) -> pa.Table:
    return rows.filter(pc.is_in(rows["segment_id"], pa.array(sorted(cell.segment_id for cell in cells), pa.string())))


def _strays(tables: Sequence[pa.Table], cells: Collection[SpaceCell]) -> set[SpaceCell]:
    """Cells to mend that have rows, with or without a receipt."""
    found = {SpaceCell(row["segment_id"], row["space"]) for rows in tables for row in rows.to_pylist()}
    return found & set(cells)


def _adopt(stores: Stores, keys: Sequence[str], spaces: dict[str, Space]) -> None:
    """Judge the assets anew; those without a state get one from their rows."""
    states = stores.lance.states(keys)
    ledger_entries = stores.lance.ledger_entries(keys)
    retired = stores.delta.retirements(keys)
    settled = []
    for key in keys:
        mine = [item for item in ledger_entries if item.asset_key == key]
        state = states.get(key) or _state_of(stores, mine, retired.get(key, NOTHING_RETIRED), spaces)
        if state is not None:
            # The events that follow are dropped: a repair tells no producer.
            item = settle(state, outcomes_of(mine))
            settled.append((item.state, item.newest))
    # In the order of the sink: a kill in between is then like one of the sink.
    stores.lance.show(shown_of(state for state, _ in settled))
    stores.lance.save(settled)


def _state_of(
    stores: Stores, ledger_entries: Sequence[LedgerEntry], retirement: Retirement, spaces: dict[str, Space]
) -> AssetState | None:
    done = [item for item in ledger_entries if item.outcome is Outcome.DONE]
    if not done:
        return None
    newest = max(done, key=lambda item: item.order)
    segments = sorted({item.segment for item in done if item.content_key == newest.content_key})
    attempt = Attempt(
        version=newest.version,
        project="default",
        content_key=newest.content_key,
        segment_count=segments[-1] + 1,
        assumed=tuple(segments),
        # Announced already, or the next batch would tell the producer of an asset that was ready long ago.
        announced=AssetStatus.READY,
    )
    for space in spaces:
        rows = stores.delta.rows([newest.asset_key], space, ["content_key", "project", "uri", "labels", "end_ns"])
        rows = rows.filter(pc.equal(rows["content_key"], newest.content_key))
        if rows.num_rows:
            attempt = _named(attempt, rows)
    state = AssetState(tenant=newest.tenant, asset_id=newest.asset_id, retirement=retirement)
    return state.joined(attempt)


def _named(attempt: Attempt, rows: pa.Table) -> Attempt:
    first = rows.slice(0, 1).to_pylist()[0]
    labels = dict(label.split("=", 1) for label in first["labels"])
    end_ns = pc.max(rows["end_ns"]).as_py()
    return attempt.model_copy(
        update={"project": first["project"], "uri": first["uri"], "labels": labels, "duration_ns": end_ns}
    )
