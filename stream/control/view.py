"""Queries over the control plane's table: usage by tenant and window, progress by asset. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from stream.control.state import PartEntry, SubjectHead, SubjectName, is_name, name_key, parsed_key
from stream.topology.unit import VIDEO_SECONDS

Window = Literal["hour", "day"]
WINDOW_MS: dict[Window, int] = {"hour": 3_600_000, "day": 86_400_000}


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over done parts. Each part of each version of a subject counts once per stage, with its highest measures."""

    quantity: int = 0
    cpu_us: int = 0
    device_us: int = 0
    read_bytes: int = 0

    def plus(self, part: PartEntry) -> "Usage":
        return Usage(
            self.quantity + part.quantity,
            self.cpu_us + part.cpu_us,
            self.device_us + part.device_us,
            self.read_bytes + part.read_bytes,
        )


@dataclass(frozen=True, slots=True, order=True)
class UsageKey:
    """`window_ms` is the start of the window (UTC) in which the subject was published, by the broker's clock. So a
    publisher cannot move it, and all reports of a version agree. `unit` is what quantities count.
    """

    window_ms: int
    tenant: str
    stage: str
    unit: str = VIDEO_SECONDS.counts


@dataclass(slots=True)
class TrackedSubject:
    """A version of a subject and how many of its parts each stage has done. `name` is empty once it is deleted."""

    head: SubjectHead
    name: SubjectName
    done: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class ControlView:
    """Reads a table from any source. Parts without a head are left out."""

    def __init__(self, table: Mapping[bytes, bytes]) -> None:
        self._table = table
        self._heads = {
            key: SubjectHead.from_bytes(value)
            for key, value in table.items()
            if parsed_key(key) is None and not is_name(key)
        }

    def usage(self, window: Window, tenant: str | None = None) -> dict[UsageKey, Usage]:
        """Sorted by time, tenant, stage and unit."""
        found: dict[UsageKey, Usage] = defaultdict(Usage)
        length_ms = WINDOW_MS[window]
        for head, stage, cell in self._done():
            asset = head.asset
            if tenant in (None, asset.tenant):
                # By the broker's time of publication, which all reports of a version share.
                key = UsageKey(asset.version.append_ms // length_ms * length_ms, asset.tenant, stage, cell.unit)
                found[key] = found[key].plus(cell)
        return {key: found[key] for key in sorted(found)}

    def subjects(self, tenant: str | None = None) -> list[TrackedSubject]:
        """Every version of every subject, the newest first."""
        views = {key: TrackedSubject(head, self._name(head)) for key, head in self._heads.items()}
        for key in self._table:
            cell = parsed_key(key)
            if cell is not None and cell[0] in views and PartEntry.from_bytes(self._table[key]).done:
                views[cell[0]].done[cell[1]] += 1
        chosen = [view for view in views.values() if tenant in (None, view.head.asset.tenant)]
        return sorted(chosen, key=lambda view: view.head.asset.version, reverse=True)

    def _name(self, head: SubjectHead) -> SubjectName:
        value = self._table.get(name_key(head))
        return SubjectName() if value is None else SubjectName.from_bytes(value)

    def _done(self) -> Iterator[tuple[SubjectHead, str, PartEntry]]:
        for key, value in self._table.items():
            parsed = parsed_key(key)
            head = None if parsed is None else self._heads.get(parsed[0])
            if parsed is not None and head is not None:
                cell = PartEntry.from_bytes(value)
                if cell.done:
                    yield head, parsed[1], cell
