"""What a publisher waits for: the final status of each asset, and each cell that was sent again. Pure."""

from collections.abc import Collection, Iterable

from stream.events.annotations import Annotations
from stream.events.asset import (
    AssetChanged,
    AssetFailed,
    AssetPlanned,
    AssetRef,
    SegmentFailed,
    SpanPlanned,
)
from stream.events.base import Payload
from stream.events.ids import AssetVersion
from stream.events.progress import ASSET, progress_of, subject_of

SUPERSEDED = "superseded"

Name = tuple[str, str]
"""(tenant, asset id)"""


class Awaited:
    """Receives every event of `progress` and knows which of them matter and when all is settled. `settling`: the stages
    whose report settles a cell.

    A final status of a version or of a later one settles that version; a later version's also settles a cell. For a
    version whose source changed, the index asks for another one, once: the first such status settles nothing.
    """

    def __init__(self, settling: Collection[str]) -> None:
        self._settling = settling
        self._since: dict[Name, AssetVersion] = {}
        self._open: dict[Name, AssetVersion] = {}
        self._cells: set[tuple[Name, AssetVersion, int]] = set()
        self._superseded: set[Name] = set()

    @property
    def settled(self) -> bool:
        return not self._open and not self._cells

    def published(self, tenant: str, asset_id: str, version: AssetVersion) -> None:
        """This version, or a later one, will get a final status."""
        name = (tenant, asset_id)
        # The earliest version: everything from it on is about what was published.
        self._since[name] = min(version, self._since.get(name, version))
        # The latest version: of two publications the first may never get a status of its own.
        self._open[name] = max(version, self._open.get(name, version))

    def sent_again(self, payload: Payload) -> None:
        """A record of an inner topic was sent again: the index will report its cells, or its asset's status."""
        if isinstance(payload, AssetPlanned | AssetFailed):
            ref = payload.asset
            self.published(ref.tenant, ref.asset_id, ref.version)
        elif isinstance(payload, SpanPlanned):
            self._expect(payload.asset, range(payload.first_segment, payload.end_segment))
        elif isinstance(payload, SegmentFailed):
            self._expect(payload.asset, [payload.segment])
        elif isinstance(payload, Annotations):
            self._expect(payload.header.asset, [payload.header.segment])

    def received(self, payload: Payload) -> bool:
        """Process an event. Returns whether it is about something that is or was awaited."""
        report = progress_of(payload)
        subject = subject_of(payload.asset) if isinstance(payload, AssetChanged) else report and report.subject
        if not subject or subject.kind != ASSET:
            return False
        name = (subject.tenant, subject.id)
        since = self._since.get(name)
        # Of an earlier publication, perhaps by somebody else.
        if since is None or subject.version < since:
            return False
        if report is not None:
            if report.stage in self._settling:
                self._cells.discard((name, subject.version, report.part))
        elif isinstance(payload, AssetChanged) and payload.status.final:
            self._ended(name, payload)
        return True

    def _ended(self, name: Name, change: AssetChanged) -> None:
        version = change.asset.version
        if version >= self._open.get(name, version):
            # A later version voids the cells of earlier ones: they will not be reported any more.
            self._cells = {cell for cell in self._cells if cell[0] != name or cell[1] >= version}
            self._settle(name, change)

    def _settle(self, name: Name, change: AssetChanged) -> None:
        if change.code == SUPERSEDED and name in self._open and name not in self._superseded:
            self._superseded.add(name)
            # Any later version: the one that the index asks for will lie behind this place.
            self._open[name] = AssetVersion(change.asset.version.append_ms, change.asset.version.offset + 1)
        else:
            self._open.pop(name, None)

    def _expect(self, ref: AssetRef, cells: Iterable[int]) -> None:
        name = (ref.tenant, ref.asset_id)
        self._since[name] = min(ref.version, self._since.get(name, ref.version))
        self._cells.update((name, ref.version, cell) for cell in cells)
