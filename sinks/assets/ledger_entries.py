"""The ledger's row: what a store knows of one segment in one space, also when it has no moments."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from sinks.assets.fold import SpaceCell
from sinks.assets.tombstones import Retirement
from stream.events.annotations import Annotations
from stream.events.asset import Outcome, SegmentFailed
from stream.events.ids import AssetVersion, Order, asset_key, segment_id

# Columns are only added, and new ones may be null: tables of earlier releases lack them.
RECEIPT_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.string(), nullable=False),
        pa.field("space", pa.string(), nullable=False),
        pa.field("asset_key", pa.string(), nullable=False),
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("asset_id", pa.string(), nullable=False),
        pa.field("content_key", pa.string(), nullable=False),
        pa.field("segment", pa.int32(), nullable=False),
        pa.field("version_ms", pa.int64(), nullable=False),
        pa.field("version_offset", pa.int64(), nullable=False),
        pa.field("epoch_ms", pa.int64(), nullable=False),
        pa.field("revision", pa.int32(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("understand_digest", pa.string(), nullable=False),
        pa.field("stage_digests", pa.string(), nullable=False),
        pa.field("moment_count", pa.int32(), nullable=False),
        pa.field("done_at_ms", pa.int64(), nullable=False),
        pa.field("damaged", pa.bool_(), nullable=True),
    ]
)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """`space` is empty where the segment failed: a failure belongs to no space. `damaged` is None where it failed, or
    was stored before this was kept.
    """

    segment_id: str
    space: str
    asset_key: str
    tenant: str
    asset_id: str
    content_key: str
    segment: int
    version: AssetVersion
    epoch_ms: int
    revision: int
    outcome: Outcome
    stage: str = ""
    code: str = ""
    message: str = ""
    understand_digest: str = ""
    stage_digests: str = "{}"
    moment_count: int = 0
    done_at_ms: int = 0
    damaged: bool | None = None

    @property
    def cell(self) -> SpaceCell:
        return SpaceCell(self.segment_id, self.space)

    @property
    def order(self) -> Order:
        return Order(self.version, self.epoch_ms, self.revision)

    @classmethod
    def done(cls, item: Annotations, now_ms: int) -> Self:
        header, asset = item.header, item.header.asset
        return cls(
            segment_id=header.segment_id,
            space=header.space.key,
            asset_key=asset_key(asset.tenant, asset.asset_id),
            tenant=asset.tenant,
            asset_id=asset.asset_id,
            content_key=header.content_key,
            segment=header.segment,
            version=asset.version,
            epoch_ms=header.epoch_ms,
            revision=header.revision,
            outcome=Outcome.DONE,
            understand_digest=header.stage_digests.get("understand", ""),
            stage_digests=json.dumps(header.stage_digests, sort_keys=True),
            moment_count=item.rows.num_rows,
            done_at_ms=now_ms,
            damaged=header.damaged,
        )

    @classmethod
    def failed(cls, item: SegmentFailed, now_ms: int) -> Self:
        asset = item.asset
        return cls(
            segment_id=segment_id(item.content_key, item.segment),
            space="",
            asset_key=asset_key(asset.tenant, asset.asset_id),
            tenant=asset.tenant,
            asset_id=asset.asset_id,
            content_key=item.content_key,
            segment=item.segment,
            version=asset.version,
            epoch_ms=0,
            revision=0,
            outcome=Outcome(item.outcome),
            stage=item.stage,
            code=item.code,
            message=item.message,
            done_at_ms=now_ms,
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        # These three have another form in the row: two numbers and a word.
        rest = {name: value for name, value in row.items() if name not in ("version_ms", "version_offset", "outcome")}
        version = AssetVersion(row["version_ms"], row["version_offset"])
        return cls(**rest, version=version, outcome=Outcome(row["outcome"]))


def receipt_rows(ledger_entries: Iterable[LedgerEntry]) -> pa.Table:
    """`RECEIPT_SCHEMA` rows."""
    entries = list(ledger_entries)
    columns: dict[str, list[Any]] = {
        "version_ms": [item.version.append_ms for item in entries],
        "version_offset": [item.version.offset for item in entries],
    }
    for name in RECEIPT_SCHEMA.names:
        if name not in columns:
            columns[name] = [getattr(item, name) for item in entries]
    return pa.table({name: columns[name] for name in RECEIPT_SCHEMA.names}, schema=RECEIPT_SCHEMA)


LEDGER_VERSIONS = ("asset_key", "content_key", "version_ms", "version_offset")


def under_watermark(ledger: pa.Table, marks: Mapping[str, Retirement]) -> dict[str, Retirement]:
    """Of `marks`, by asset, those that void some row of the ledger (its columns `LEDGER_VERSIONS`)."""
    return {
        row["asset_key"]: marks[row["asset_key"]]
        # Distinct versions first: an asset has many rows and few versions.
        for row in ledger.group_by(list(LEDGER_VERSIONS)).aggregate([]).to_pylist()
        if row["asset_key"] in marks
        and marks[row["asset_key"]].voids(row["content_key"], AssetVersion(row["version_ms"], row["version_offset"]))
    }


def worst_failures(failures: Iterable[LedgerEntry], stored: Mapping[SpaceCell, LedgerEntry]) -> list[LedgerEntry]:
    """The failure that counts per segment: newest version, then highest outcome; only those the store lacks."""
    newest: dict[SpaceCell, LedgerEntry] = {}
    for item in failures:
        # What the batch holds comes first: it has already won against the store.
        held = newest.get(item.cell) or stored.get(item.cell)
        if held is None or _failure_rank(item) > _failure_rank(held):
            newest[item.cell] = item
    # Sorted, so that the same batch gives the same commit in any order.
    return [newest[cell] for cell in sorted(newest)]


def known_failures(failures: Iterable[LedgerEntry], stored: Mapping[SpaceCell, LedgerEntry]) -> list[LedgerEntry]:
    """Those that tell the store nothing new."""
    return [
        item
        for item in failures
        if (held := stored.get(item.cell)) is not None and _failure_rank(item) <= _failure_rank(held)
    ]


def _failure_rank(item: LedgerEntry) -> tuple[AssetVersion, int, str, str, str]:
    # Codes and words break ties, so that the same failures in another order store the same one.
    return item.version, item.outcome.rank, item.code, item.stage, item.message
