"""What a hit shows comes from one column as it does from thirteen."""

import json

import pyarrow as pa
import pytest

from sinks.lance.hit_column import HIT, HIT_COLUMNS, hit_of, hits_of
from stream.events.annotations import Space, moments_schema

SCHEMA = pa.schema(
    [
        *moments_schema(Space(name="", digest="", dimensions=1, spec="")),
        pa.field("shot_method", pa.string()),
        pa.field("damaged", pa.bool_()),
    ]
)
TAGS = [{"label": 'a "dog"', "score": 0.1}, {"label": "ü\x1f\n", "score": 0.7}]


def rows(*some: dict[str, object]) -> pa.Table:
    empty = {"string": "", "bool": False, "float": 0.5, "int64": 0}
    fields = [SCHEMA.field(name) for name in HIT_COLUMNS]
    return pa.Table.from_pylist(
        [{field.name: row.get(field.name, empty.get(str(field.type), [])) for field in fields} for row in some],
        schema=pa.schema(fields),
    )


def test_a_row_is_read_as_its_columns_are() -> None:
    stored = rows(
        {
            "moment_id": "m",
            "start_ns": 2**62,
            "tags": TAGS,
            "moderation_nsfw": 0.1,
            "caption": "o'hara\\",
            "text": "犬",
        },
        {"kind": "shot", "moderation_nsfw": None, "damaged": True},
    )
    hits = hits_of(stored)
    assert hits.type == HIT.type
    assert [hit_of(text) for text in hits.to_pylist()] == stored.to_pylist()


@pytest.mark.parametrize("text", [None, "", json.dumps([2, "another layout"])])
def test_what_tells_nothing_is_read_from_the_columns(text: str | None) -> None:
    assert hit_of(text) is None
