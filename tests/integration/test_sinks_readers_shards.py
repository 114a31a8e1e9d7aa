"""The program that the guide shows for a Delta store in shards counts what lies in all of them."""

import contextlib
import io
from pathlib import Path

import pytest

from sinks.delta.sink import DeltaSink
from sinks.layout import Layout
from stream.clock import ManualClock
from tests.support.annotations import annotations, events, planned, ref
from tests.support.pages import page

GUIDE = "docs/how-to/read-the-delta-table.md"


@pytest.mark.parametrize("generation", [0, 2])
def test_other_engines_read_all_shards(tmp_path: Path, generation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "state" / "parquet"
    root.mkdir(parents=True)
    layout = Layout(Layout.of(root).root, 3, generation)
    layout.write()
    for number in range(9):
        asset = ref(f"clip-{number}", tenant="acme" if number % 3 else "other")
        sink = DeltaSink(layout.places[layout.shard_of(asset.tenant, asset.asset_id)], ManualClock())
        sink.open()
        list(sink.process(events(planned(asset, of=1), annotations(asset, of=1, count=2))))
        sink.close()
    (program,) = (block for block in page(GUIDE).blocks("python") if "shard-*" in block)
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(program, GUIDE, "exec"), {})
    assert printed.getvalue().split() == ["pyarrow:", "12", "DuckDB:", "12", "Polars:", "12"]
