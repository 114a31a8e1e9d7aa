"""What people ask of the control plane's table (pure): usage by tenant and window, progress by asset."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from stream.control.state import AssetHead, AssetName, CellEntry, is_name, name_key, parsed_key

Window = Literal["hour", "day"]
WINDOW_MS: dict[Window, int] = {"hour": 3_600_000, "day": 86_400_000}


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over segments done; each segment of each asset version and stage counts once, with its highest measures."""

    video_ns: int = 0
    cpu_us: int = 0
    device_us: int = 0
    read_bytes: int = 0

    def plus(self, cell: CellEntry) -> "Usage":
        return Usage(
            self.video_ns + cell.video_ns,
            self.cpu_us + cell.cpu_us,
            self.device_us + cell.device_us,
            self.read_bytes + cell.read_bytes,
        )


@dataclass(frozen=True, slots=True, order=True)
class UsageKey:
    """`window_ms` is the beginning of the window (UTC) that the asset was published in, by the broker's clock: who
    publishes cannot move it, and every report of an asset version agrees on it.
    """

    window_ms: int
    tenant: str
    stage: str


@dataclass(slots=True)
class TrackedAsset:
    """An asset version and how many of its segments each stage has done. `name` is empty once the asset is deleted."""

    head: AssetHead
    name: AssetName
    done: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class ControlView:
    """Reads a table, however it was come by. Cells whose head is missing are left out."""

    def __init__(self, table: Mapping[bytes, bytes]) -> None:
        self._table = table
        self._heads = {
            key: AssetHead.from_bytes(value)
            for key, value in table.items()
            if parsed_key(key) is None and not is_name(key)
        }

    def usage(self, window: Window, tenant: str | None = None) -> dict[UsageKey, Usage]:
        """In order of time, tenant and stage."""
        found: dict[UsageKey, Usage] = defaultdict(Usage)
        length_ms = WINDOW_MS[window]
        for head, stage, cell in self._done():
            asset = head.asset
            if tenant in (None, asset.tenant):
                key = UsageKey(asset.version.append_ms // length_ms * length_ms, asset.tenant, stage)
                found[key] = found[key].plus(cell)
        return {key: found[key] for key in sorted(found)}

    def assets(self, tenant: str | None = None) -> list[TrackedAsset]:
        """Every asset version, the newest first."""
        views = {key: TrackedAsset(head, self._name(head)) for key, head in self._heads.items()}
        for key in self._table:
            cell = parsed_key(key)
            if cell is not None and cell[0] in views and CellEntry.from_bytes(self._table[key]).done:
                views[cell[0]].done[cell[1]] += 1
        chosen = [view for view in views.values() if tenant in (None, view.head.asset.tenant)]
        return sorted(chosen, key=lambda view: view.head.asset.version, reverse=True)

    def _name(self, head: AssetHead) -> AssetName:
        value = self._table.get(name_key(head))
        return AssetName() if value is None else AssetName.from_bytes(value)

    def _done(self) -> Iterator[tuple[AssetHead, str, CellEntry]]:
        for key, value in self._table.items():
            parsed = parsed_key(key)
            head = None if parsed is None else self._heads.get(parsed[0])
            if parsed is not None and head is not None:
                cell = CellEntry.from_bytes(value)
                if cell.done:
                    yield head, parsed[1], cell
