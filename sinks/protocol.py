"""What a sink promises. Every entry of `sinks.REGISTRY` passes `tests/contract/test_sinks.py`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from sinks.assets.fold import SpaceCell
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.tombstones import Retirement
from stream.errors import StageError
from stream.events.annotations import Annotations, Space
from stream.events.base import Event


class Store(Protocol):
    """Where a sink keeps rows. Each method is one commit per table and may be repeated after a kill."""

    def replace(self, batch: Sequence[Annotations]) -> None:
        """Put whole segments in place of what their cells held, at most one per cell; an empty one clears it."""

    def record(self, ledger_entries: Sequence[LedgerEntry], known: Collection[SpaceCell]) -> None:
        """The ledger: what of each cell is durable, rows or not. `known`: the cells that may have an entry by now."""

    def ledger_entries(self, asset_keys: Collection[str]) -> list[LedgerEntry]:
        """What is stored of these assets."""

    def sweep(self, retired: Mapping[str, Retirement]) -> None:
        """Delete what these watermarks void."""

    def spaces(self) -> list[Space]: ...


class Sink(Protocol):
    """A stage operator (`stream.topology.stage.Operator`), single writer of its directory.

    Any partition of the same events into batches, in any order, with duplicates, leaves the same rows. `process`
    returns when the batch is durable, and raises `Unavailable` while the store cannot be written.
    """

    @property
    def store(self) -> Store: ...

    def open(self) -> None: ...
    def process(self, events: Sequence[Event]) -> Iterable[Event]: ...
    def failed(self, event: Event, error: StageError) -> Iterable[Event]: ...
    def close(self) -> None: ...

    def maintain(self, *, purge: bool = False) -> list[Event]:
        """Compact; with `purge` leave no byte of what was deleted. A reader of a file that goes has to begin anew."""
