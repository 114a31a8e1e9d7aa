"""What a store says of passing troubles becomes a pause, not the record's fault."""

from pathlib import Path

import pytest

from sinks.guard import guarded
from stream.errors import Unavailable


@pytest.mark.parametrize(
    "said",
    [
        "Kernel error: File not found: /state/parquet/segments/_delta_log/00000000000000000011.json",
        "Object at location /state/segments/_delta_log/30.checkpoint.parquet not found: No such file or directory",
        "Commit conflict for version 7",
    ],
)
def test_a_reader_beside_a_writer_waits_for_it(tmp_path: Path, said: str) -> None:
    with pytest.raises(Unavailable) as paused, guarded(tmp_path, "the Delta table"):
        raise ValueError(said)
    assert paused.value.code == "store_unavailable"


def test_a_defect_passes_through(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such column"), guarded(tmp_path, "the Delta table"):
        raise ValueError("no such column")
