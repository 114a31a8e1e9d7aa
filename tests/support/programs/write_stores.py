"""Writes, purges and verifies both stores below each of the named folders, and prints `ok` for each."""

import sys
from pathlib import Path

from sinks.delta.sink import DeltaSink
from sinks.lance.sink import LanceSink
from sinks.maintenance.verify import verify
from stream.clock import ManualClock
from tests.support.annotations import annotations, events, planned, ref


def write(root: Path) -> None:
    for sink in (LanceSink(root / "lancedb", ManualClock()), DeltaSink(root / "parquet", ManualClock())):
        sink.open()
        for turn in (0, 1):
            asset = ref(f"clip-{turn}")
            list(sink.process(events(planned(asset, of=1), annotations(asset, 0, of=1, count=2))))
        sink.maintain(purge=True)
        sink.close()
    report = verify(root / "lancedb", root / "parquet")
    assert report.agrees, root
    assert [item.moments for item in report.spaces] == [4], root
    assert {path.name for path in root.iterdir()} == {"lancedb", "parquet"}


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        write(Path(folder))
        print("ok")
