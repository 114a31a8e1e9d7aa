"""An index of many moments, filled in bulk through Lance and not through a sink: what search is measured on.

Vectors are clustered as footage is: themes hold topics, topics hold assets, an asset's moments are much alike.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from benchmarks.testbed.store_stream import DIMENSIONS, SPACE
from sinks.lance.asset_rows import ASSET_SCHEMA
from sinks.lance.hit_column import HIT, hits_of
from sinks.lance.live_rows import index_schema
from sinks.lance.shown_column import SHOWN, shown_text
from sinks.layout import Layout
from sinks.location import Location
from sinks.schema import SPACE_SCHEMA
from sinks.tables import upkeep
from sinks.tables.names import ASSETS, SPACES, moments_table
from sinks.tables.vector_index import policy_of
from stream.events.ids import asset_key

TENANTS, TEAMS, SHOOTS = 1_000, 50, 10_000
"""Teams keep 2 % of the moments each, shoots 0.01 %."""
_THEMES, _TOPICS, _VOCABULARY = 50, 1_000, 20_000
_MOMENTS_AN_ASSET = 5.78
_ASSETS_A_BLOCK = 8_000
_THUMBNAIL_BYTES = 1_500
_PICTURES = 64
_MOMENT_NS = 3_000_000_000
_BITMAPS = ("tenant", "live_project", "kind", "visible")
_TREES = ("moment_id", "content_key", "asset_key", "segment_id")

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Footage:
    """What is filled in, a function of `moments` alone. `pictures`: thumbnails are JPEG files, as browsers decode."""

    moments: int
    pictures: bool = False

    @property
    def assets(self) -> int:
        return round(self.moments / _MOMENTS_AN_ASSET)

    def questions(self, count: int, seed: int = 99) -> Vectors:
        """Vectors as of moments of assets that are not in the index."""
        random = np.random.default_rng(seed)
        return _unit(
            _topics()[random.integers(0, _TOPICS, count)] + _noise(random, count, 0.6) + _noise(random, count, 0.4)
        )

    def words(self, count: int) -> list[str]:
        """Two words each, as frequent as people's are."""
        random = np.random.default_rng(98)
        return [" ".join(f"word{number}" for number in _zipf(random, 2) + 20) for _ in range(count)]

    def fill(self, directory: Path, shards: int = 1) -> None:
        """Rows of moments, assets and the space, in a directory that has none, in so many shards."""
        import lance

        layout = Layout(Location.of(directory), shards)
        if shards > 1:
            layout.write()
        for first in range(0, self.assets, _ASSETS_A_BLOCK):
            block = _Block(first, min(self.assets, first + _ASSETS_A_BLOCK), pictures=self.pictures)
            for name, rows in ((moments_table(SPACE.key), block.moments()), (ASSETS, block.assets())):
                owners = pa.array([layout.shard(key) for key in rows["asset_key"].to_pylist()])
                for number, place in enumerate(layout.places):
                    mine = rows if shards == 1 else rows.filter(pc.equal(owners, number))
                    lance.write_dataset(mine, place.directory / f"{name}.lance", mode="append" if first else "create")
        row = {"key": SPACE.key, "space": SPACE.model_dump_json()}
        for place in layout.places:
            lance.write_dataset(pa.Table.from_pylist([row], schema=SPACE_SCHEMA), place.directory / f"{SPACES}.lance")

    def index(self, directory: Path) -> None:
        """The indexes that a sink keeps, in every shard."""
        layout = Layout.of(directory)
        for place in layout.places:
            _index(place.directory, layout.shards)


def _index(directory: Path, shards: int) -> None:
    import lance

    at = directory / f"{moments_table(SPACE.key)}.lance"
    moments = lance.dataset(at)
    # Empty: upkeep fills them, part by part.
    for column in _BITMAPS:
        moments.create_scalar_index(column, "BITMAP", train=False)
    for column in _TREES:
        moments.create_scalar_index(column, "BTREE", train=False)
    moments.create_scalar_index("live_labels", "LABEL_LIST", train=False)
    moments.create_scalar_index("text", "INVERTED", train=False)
    upkeep.optimize(Location.of(at), nullcontext(), vectors=policy_of(shards))
    for column in ("asset_key", "live_content_key"):
        lance.dataset(directory / f"{ASSETS}.lance").create_scalar_index(column, "BTREE")


class _Block:
    """Assets [first, end) and their moments."""

    def __init__(self, first: int, end: int, *, pictures: bool) -> None:
        self._pictures = pictures
        self._random = np.random.default_rng(first)
        self._numbers = np.arange(first, end)
        tenants = 1 / np.arange(1, TENANTS + 1) ** 0.9
        self._tenants = self._random.choice(TENANTS, len(self._numbers), p=tenants / tenants.sum())
        self._topics = self._random.integers(0, _TOPICS, len(self._numbers))
        self._counts = 1 + self._random.poisson(_MOMENTS_AN_ASSET - 1, len(self._numbers))

    def moments(self) -> pa.Table:
        owner = np.repeat(np.arange(len(self._numbers)), self._counts)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(self._counts) - self._counts, self._counts)
        names = list(self._asset_columns())
        numbers = self._numbers[owner]
        asset = {name: pa.array([row[name] for row in names]).take(pa.array(owner)) for name in names[0]}
        columns: dict[str, Any] = {
            **asset,
            "live_project": asset["project"],
            "live_labels": asset["labels"],
            "visible": pa.array(np.ones(len(owner), bool)),
            "moment_id": [_digest("moment", *pair) for pair in zip(numbers, place, strict=True)],
            "segment_id": [
                _digest("cell", self._numbers[at], step // 3) for at, step in zip(owner, place, strict=True)
            ],
            "start_ns": pa.array(place * _MOMENT_NS),
            "end_ns": pa.array((place + 1) * _MOMENT_NS),
            "vector": self._vectors(owner),
            "thumbnail": self._thumbnails(len(owner)),
            **self._words(len(owner)),
        }
        filled = [
            _column(field, columns.get(field.name), len(owner)) if field != HIT else pa.nulls(len(owner), HIT.type)
            for field in index_schema(SPACE)
        ]
        rows = pa.table(filled, schema=index_schema(SPACE))
        return rows.set_column(rows.schema.get_field_index(HIT.name), HIT, hits_of(rows))

    def assets(self) -> pa.Table:
        """Live ones, each ready."""
        rows = list(self._asset_columns())
        filled = [
            {field.name: _EMPTY.get(str(field.type)) for field in ASSET_SCHEMA if not field.nullable}
            | {"shown_at_ms": _EMPTY["int64"]}
            | row
            | {f"live_{name}": row[name] for name in ("content_key", "project", "uri", "labels")}
            | {"status": "ready", "state": "{}", "live_version_ms": 0}
            for row in rows
        ]
        shown = [row | {SHOWN.name: shown_text(row)} for row in filled]
        return pa.Table.from_pylist(shown, schema=ASSET_SCHEMA)

    def _asset_columns(self) -> Iterator[dict[str, Any]]:
        for number, tenant in zip(self._numbers.tolist(), self._tenants.tolist(), strict=True):
            name, owner = f"asset-{number}", f"tenant-{tenant:04d}"
            labels = [f"half={number % 2}", f"shoot={number % SHOOTS}", f"team={number // 2 % TEAMS}"]
            yield {
                "asset_key": asset_key(owner, name),
                "content_key": _digest("content", number),
                "tenant": owner,
                "project": f"project-{number % 5}",
                "asset_id": name,
                "uri": f"file:///clips/{name}.mp4",
                "labels": labels,
            }

    def _vectors(self, owner: npt.NDArray[np.int64]) -> pa.Array:
        assets = _topics()[self._topics] + _noise(self._random, len(self._numbers), 0.6)
        rows = _unit(assets[owner] + _noise(self._random, len(owner), 0.4))
        return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), DIMENSIONS)

    def _thumbnails(self, count: int) -> pa.Array:
        """No two alike, and not to be compressed, as JPEG is; or some pictures, in turn."""
        if self._pictures:
            shown = _jpegs()
            return pa.array([shown[at % len(shown)] for at in range(count)], pa.binary())
        data = pa.py_buffer(self._random.bytes(count * _THUMBNAIL_BYTES))
        ends = pa.py_buffer((np.arange(count + 1) * _THUMBNAIL_BYTES).astype(np.int32))
        return pa.Array.from_buffers(pa.binary(), count, [None, ends, data])

    def _words(self, count: int) -> dict[str, list[Any]]:
        drawn = [[f"word{number}" for number in row] for row in _zipf(self._random, (count, 8)).tolist()]
        texts = [" ".join(row) for row in drawn]
        tags = [[{"label": row[0], "score": 0.75}, {"label": row[1], "score": 0.25}] for row in drawn]
        return {"text": texts, "caption": [f"a picture of {text}" for text in texts], "tags": tags}


def _jpegs() -> list[bytes]:
    """As large as thumbnails are, and of soft shapes, as footage has."""
    random = np.random.default_rng(5)
    files = []
    for _ in range(_PICTURES):
        small = Image.fromarray(random.integers(0, 256, (5, 8, 3), np.uint8))
        file = io.BytesIO()
        small.resize((320, 180), Image.Resampling.BICUBIC).save(file, "jpeg", quality=80)
        files.append(file.getvalue())
    return files


_EMPTY: dict[str, Any] = {"string": "", "int64": 0, "int32": 0, "list<item: string>": []}


def _column(field: pa.Field, values: Any, count: int) -> pa.Array:
    """Values that were made, else the same of the right kind in every row."""
    if values is None:
        same = {"string": "x", "bool": False, "float": 0.5, "int64": 1, "int32": 1}[str(field.type)]
        values = [same] * count
    return values.cast(field.type) if isinstance(values, pa.Array) else pa.array(values, field.type)


def _topics() -> Vectors:
    """Unit vectors, those of a theme nearer to one another than to others."""
    random = np.random.default_rng(7)
    themes = _unit(random.standard_normal((_THEMES, DIMENSIONS)))
    return _unit(themes[np.arange(_TOPICS) % _THEMES] + 0.8 * _unit(random.standard_normal((_TOPICS, DIMENSIONS))))


def _noise(random: np.random.Generator, count: int, length: float) -> Vectors:
    scale = np.float32(length / np.sqrt(DIMENSIONS))
    return random.standard_normal((count, DIMENSIONS), np.float32) * scale


def _unit(rows: npt.NDArray[Any]) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _zipf(random: np.random.Generator, shape: int | tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Numbers of words: the n-th is 1/n as frequent as the first."""
    return np.asarray(np.exp(random.random(shape) * np.log(_VOCABULARY)).astype(np.int64))


def _digest(*parts: object) -> str:
    return hashlib.blake2b(":".join(map(str, parts)).encode(), digest_size=16).hexdigest()
