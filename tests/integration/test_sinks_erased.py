"""Deleted means no byte in either store, through its sink: every value that any file of it holds is looked at."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lance.file import LanceFileReader

from sinks import REGISTRY
from sinks.protocol import Sink
from sinks.tables.names import moments_table
from stream.events.base import Event
from tests.support.annotations import SPACE, annotations, asset_deleted, events, key_of, planned, ref
from tests.support.sinks import build, rows_of

CELLS, MOMENTS, ERASURES = 2, 12, 4
TABLE = f"{moments_table(SPACE.key)}.lance"


def published(number: int) -> list[Event]:
    asset = ref(f"clip-{number}")
    return events(
        planned(asset, of=CELLS, labels={f"label-{number}": "x"}),
        *(
            annotations(
                asset,
                cell,
                of=CELLS,
                count=MOMENTS,
                words=[f"zebra{number}x{cell}x{at}" for at in range(MOMENTS)],
                labels={f"label-{number}": "x"},
                uri=f"file:///secret-{number}.mp4",
            )
            for cell in range(CELLS)
        ),
    )


def secrets_of(number: int) -> dict[str, list[bytes]]:
    """What nobody may find once the clip is erased. Its name stays, as a deleted asset is still listed."""
    asset = ref(f"clip-{number}")
    items = [annotations(asset, cell, of=CELLS, count=MOMENTS) for cell in range(CELLS)]
    rows = pa.concat_tables([item.rows for item in items])
    vectors = [value for name in ("vector", "image_vector") for value in rows[name].to_pylist()]
    return {
        "moments": [name.encode() for name in rows["moment_id"].to_pylist()],
        "segments": [item.header.segment_id.encode() for item in items],
        "content": [key_of("a", asset.asset_id).encode()],
        "uri": [f"secret-{number}.mp4".encode()],
        "label": [f"label-{number}=".encode()],
        "words": [f"zebra{number}x".encode()],
        "vectors": [np.array(value, np.float32).tobytes() for value in vectors],
        "values of vectors": [repr(value)[1:-1].encode() for value in vectors],
        "thumbnails": [repr(value)[2:-1].encode() for value in rows["thumbnail"].to_pylist()],
    }


def said_by(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what they mean where they are compressed."""
    yield path.read_bytes()
    if path.suffix in (".lance", ".idx"):
        yield repr(LanceFileReader(str(path)).read_all().to_table().to_pydict()).encode()
    elif path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        yield repr([file.read().to_pydict(), file.metadata.to_dict()]).encode()


def found_in(directory: Path, secrets: Mapping[str, Sequence[bytes]]) -> dict[str, int]:
    """How many of each kind lie in some file."""
    found: dict[str, set[bytes]] = {}
    for path in directory.rglob("*"):
        for said in said_by(path) if path.is_file() else ():
            for what, some in secrets.items():
                found.setdefault(what, set()).update(secret for secret in some if secret in said)
    return {what: len(secrets) for what, secrets in found.items()}


def with_vector_indexes(directory: Path, *, first: bool) -> None:
    """As upkeep makes them of a large table: in parts, each of what came since the last."""
    path = directory / TABLE
    if not path.exists():
        return
    table: Any = lance.dataset(path)
    columns = ("vector", "image_vector")
    if not first:
        table.optimize.optimize_indices(index_names=[f"{name}_idx" for name in columns], num_indices_to_merge=0)
        return
    for name in columns:
        table.create_index(name, "IVF_SQ", name=f"{name}_idx", metric="cosine", num_partitions=2)


def codes_in(directory: Path) -> list[int]:
    """How many rows the vector indexes keep a code of, in all of their parts, by the length of the vectors."""
    codes: dict[int, int] = {}
    for path in directory.rglob("auxiliary.idx"):
        for code in LanceFileReader(str(path)).read_all().to_table()["__sq_code"].to_pylist():
            codes[len(code)] = codes.get(len(code), 0) + 1
    return list(codes.values())


def filled(name: str, directory: Path) -> Sink:
    sink = build(name, directory)
    for number in range(2 * ERASURES):
        list(sink.process(published(number)))
        if number >= ERASURES:
            sink.maintain()
            with_vector_indexes(directory, first=number == ERASURES)
    return sink


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_nothing_of_an_erased_asset_is_said_by_any_file(name: str, tmp_path: Path) -> None:
    sink = filled(name, tmp_path)
    gone: dict[str, list[bytes]] = {}
    live = 2 * ERASURES * CELLS * MOMENTS
    for number in range(0, 2 * ERASURES, 2):
        secrets = secrets_of(number)
        found = found_in(tmp_path, secrets)
        assert found == {what: len(some) for what, some in secrets.items()}, "each can be found before"
        gone = {what: [*gone.get(what, []), *some] for what, some in secrets.items()}
        list(sink.process([asset_deleted(ref(f"clip-{number}", 2))]))
        list(sink.process(events(annotations(ref(f"clip-{number + 1}"), of=CELLS, count=MOMENTS, revision=1))))
        sink.maintain(purge=True)
        assert found_in(tmp_path, gone) == dict.fromkeys(gone, 0)
        live -= CELLS * MOMENTS
        with_vector_indexes(tmp_path, first=False)  # of rows that came since
        assert codes_in(tmp_path) == ([live, live] if name == "lance" else [])
        assert len(rows_of(sink, f"clip-{number + 1}")) == CELLS * MOMENTS
    sink.close()
