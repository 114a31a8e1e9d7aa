"""Files in the layout that Amazon Security Lake takes from custom sources: by class, tenant and day."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq

from sinks.siem.columns import table_of
from sinks.siem.target import AuditDelivery
from stream.errors import Unavailable
from stream.files import make_folder, replace_file, sync

_NOBODY = "none"
"""The account of events that are no tenant's."""
_REGION = "local"
Events = Sequence[Mapping[str, Any]]


class NdjsonFiles:
    """One event a line. A delivery that comes again replaces its own files."""

    suffix = "ndjson"

    def __init__(self, root: Path) -> None:
        self._root = root

    def deliver(self, delivery: AuditDelivery) -> None:
        try:
            for folder, events in _by_folder(delivery.events):
                make_folder(self._root / folder)
                name = f"{_chain(delivery)}-{delivery.first:020d}-{delivery.last:020d}.{self.suffix}"
                self._write(self._root / folder / name, events)
            if delivery.checkpoint is not None:
                replace_file(self._root / f"{_chain(delivery)}.checkpoint", delivery.checkpoint.decode())
        except OSError as error:
            raise Unavailable(
                f"audit events cannot be written under {self._root}: {error.strerror}; free the disk or correct its"
                " rights",
                code="siem_unavailable",
            ) from None

    def close(self) -> None:
        """There is nothing to close."""

    def _write(self, path: Path, events: Events) -> None:
        replace_file(path, "".join(f"{json.dumps(event, ensure_ascii=False)}\n" for event in events))


class ParquetFiles(NdjsonFiles):
    """A column for each attribute, whether an event has it or not."""

    suffix = "parquet"

    def _write(self, path: Path, events: Events) -> None:
        fresh = path.with_name(f".{path.name}.new")
        pq.write_table(table_of(events), fresh, compression="zstd")
        # Before it gets its name: after a power cut a name may stand for an empty file.
        sync(fresh)
        fresh.replace(path)
        sync(path.parent)


def _by_folder(events: Events) -> Iterator[tuple[str, Events]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        account = quote(event["metadata"].get("tenant_uid") or _NOBODY, safe="")
        day = datetime.fromtimestamp(event["time"] / 1000, UTC).strftime("%Y%m%d")
        folder = f"ext/rushes-{event['class_uid']}/region={_REGION}/accountId={account}/eventDay={day}"
        found.setdefault(folder, []).append(event)
    for folder, part in sorted(found.items()):
        yield folder, sorted(part, key=lambda event: (event["time"], event["metadata"]["sequence"]))


def _chain(delivery: AuditDelivery) -> str:
    return quote(delivery.chain_uid, safe="")
