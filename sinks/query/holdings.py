"""What each space holds of the assets that search shows. Read only."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sinks.ledger.ledger_table import SEGMENTS
from sinks.query.catalogue import Catalogue, Filters
from sinks.store_errors import guarded
from sinks.tables.lance_tables import LanceTables
from stream.events.asset import Outcome


@dataclass(frozen=True, slots=True)
class Holding:
    """`epoch_ms`: of the latest roll-out that stored something here. `whole`: assets that show and are all here;
    `lacking`: assets of which another space has more.
    """

    epoch_ms: int = 0
    whole: int = 0
    lacking: int = 0


def holdings(directory: Path) -> Mapping[str, Holding]:
    """By space; nothing for one that holds nothing."""
    live = Catalogue(directory).live(Filters())
    with guarded(directory, "the index"):
        where = f"outcome = '{Outcome.DONE}'"
        rows = LanceTables(directory).select(SEGMENTS, where, ["content_key", "space", "segment", "epoch_ms"])
    newest: dict[str, int] = {}
    cells: dict[str, dict[str, set[int]]] = {}
    for row in [] if rows is None else rows.to_pylist():
        space = row["space"]
        newest[space] = max(row["epoch_ms"], newest.get(space, 0))
        if row["content_key"] in live:
            cells.setdefault(row["content_key"], {}).setdefault(space, set()).add(row["segment"])
    known = [(held, set[int]().union(*held.values())) for held in cells.values()]
    found = defaultdict(Holding)
    for space, epoch_ms in newest.items():
        whole = sum(held.get(space) == every for held, every in known)
        found[space] = Holding(epoch_ms, whole, len(known) - whole)
    return found
