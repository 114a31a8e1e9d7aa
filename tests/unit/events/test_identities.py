"""Ids by value. A change of code that moves one of these makes every stored row a stranger: its footage is decoded and
stored again beside it. Whoever moves one on purpose moves it here too, and tells operators.
"""

import ast
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from models.bundle import Bundle
from models.registry import ModelContext, load
from stream.events.asset import DecodeSettings
from stream.events.ids import asset_key, content_key, default_asset_id, digest, moment_id, segment_id, typed_digest

FULL = "ab448210f5efb8ecc01d0df1e2df7e8f"
FAST = "1a2c3e9d49dc4e324046e2592113bb3f"
CONTENT = "9de90c482ab02a3b78eef57ed2881ad1"
SEGMENT = "c19ecb7a9bb6f58ebd14647e40e7bf62"


@pytest.mark.parametrize(
    ("settings", "pinned"),
    [
        (DecodeSettings(), FULL),
        (DecodeSettings(profile="fast"), FAST),
        (DecodeSettings(sample_short_side=512), "ee95331df3d04a8ab026b22bc2277f29"),
        *((DecodeSettings(split_ns=at), "acb5bc3d0f164cda6a0507a1c544e997") for at in (2_000_000_000, 4_100_000_000)),
    ],
)
def test_what_decode_yields_is_named_by_its_settings(settings: DecodeSettings, pinned: str) -> None:
    assert settings.digest() == pinned


@pytest.mark.parametrize(
    ("asset", "settings", "pinned"),
    [
        (("acme", "clip-1"), FULL, CONTENT),
        (("acme", "s3://b/å.mp4"), FAST, "d98ecbb0c506ee3b47680c1f4d9a7fec"),
    ],
)
def test_contents_keep_their_keys(asset: tuple[str, str], settings: str, pinned: str) -> None:
    assert content_key(*asset, "c0ffee", settings) == pinned


@pytest.mark.parametrize(("cell", "pinned"), [(0, SEGMENT), (359, "dff67f47cb0c58a2a214e8b259b06a5d")])
def test_segments_keep_their_ids(cell: int, pinned: str) -> None:
    assert segment_id(CONTENT, cell) == pinned


@pytest.mark.parametrize(
    ("start_ns", "pinned"),
    [(0, "0c4ce2a5f9dfc253c34e3286d0154d75"), (3_333_333_333, "2d18a6c235fa35d74816fc938d688fe2")],
)
def test_moments_keep_their_ids(start_ns: int, pinned: str) -> None:
    assert moment_id(SEGMENT, start_ns) == pinned


def test_assets_keep_their_keys() -> None:
    assert asset_key("acme", "clip-1") == "0bfe46d6e1bd6eca0ff3c47bb335579d"


@pytest.mark.parametrize(
    ("uri", "pinned"),
    [
        ("s3://b/a.mp4", "s3://b/a.mp4"),
        ("https://h/a.mp4?X-Amz-Signature=1&versionId=7", "https://h/a.mp4?fce17a956f5d864e"),
        (f"https://h/{'a' * 1200}", f"https://h/{'a' * 950}~5f6e150b63324c09ddbc175894142e16"),
    ],
)
def test_uris_keep_naming_the_same_assets(uri: str, pinned: str) -> None:
    assert default_asset_id(uri) == pinned


@pytest.mark.parametrize(
    ("models", "pinned", "space"),
    [
        (("hashing", "hashing", "hashing", "hashing"), "e87569b05a2f98170be7abbe8272bfee", "hashing_4eb7e26f02b6"),
        (
            ("transnetv2", "efficientnet-lite0", "open-nsfw", "conse"),
            "ee21e3d7241bb35a657701c1ee8c9edf",
            "conse_30ada6062e1d",
        ),
    ],
)
def test_what_understand_makes_is_named_by_its_models(
    tmp_path: Path, models: Sequence[str], pinned: str, space: str
) -> None:
    """Known without weights: their digests are pinned in the code."""
    context = ModelContext.of(tmp_path)
    families = ("shots", "tagger", "moderator", "embedder")
    bundle = Bundle(*(load(family, name, context) for family, name in zip(families, models, strict=True)))
    assert bundle.digest == pinned
    assert bundle.embedder.space.key == space


def test_old_digests_do_not_move() -> None:
    assert digest(1) == digest("1") == digest(b"1") == "ff5af8f73fb03ded2ab6adbf729db231"
    assert digest("a", "b") == "4fc56058b4df0ca122be9a2e429541d6"


def test_typed_digests_are_pinned() -> None:
    assert typed_digest() == "4b5d20930b778c192ea258aeab38f78d"
    assert typed_digest("shard", 3, b"\x00", None, True, ("a", ("b",))) == "663f722c9ca904b2a766ac64628c6ff3"


def test_parts_of_another_type_or_nesting_digest_otherwise() -> None:
    parts: list[tuple[Any, ...]] = [
        (),
        ("",),
        (b"",),
        (None,),
        ((),),
        (0,),
        (False,),
        (1,),
        (True,),
        ("1",),
        (b"1",),
        (-1,),
        ("-1",),
        ("1", "2"),
        (("1", "2"),),
        (("1",), "2"),
        ("12",),
        ("None",),
    ]
    found = [typed_digest(*item) for item in parts]
    assert len(set(found)) == len(parts)
    assert not set(found).intersection(digest(*item) for item in parts)
    assert not any(len(name) != 32 for name in found)


@pytest.mark.parametrize("part", [1.0, ["a"], {"a": 1}, object()])
def test_what_has_more_than_one_text_is_refused(part: Any) -> None:
    with pytest.raises(TypeError, match=type(part).__name__):
        typed_digest("a", part)


def test_joined_texts_never_collide() -> None:
    pieces = ["", "a", "aa", "b", "ab", "s", "i\x00"]
    found = {typed_digest(*item) for size in range(4) for item in itertools.product(pieces, repeat=size)}
    assert len(found) == sum(len(pieces) ** size for size in range(4))


ROOT = Path(__file__).resolve().parents[3]
OLD_DIGESTS = {
    "decoders/sources/object_store.py": 1,
    "models/absent.py": 1,
    "models/bundle.py": 1,
    "models/embedders/conse.py": 1,
    "models/hashing.py": 2,
    "sinks/assets/sink_batch.py": 1,
    "sinks/lance/sink.py": 3,
    "sinks/maintenance/reconcile.py": 1,
    "stream/control/journal.py": 1,
    "stream/control/state.py": 3,
    "stream/events/asset.py": 1,
    "stream/events/ids.py": 7,
    "stream/events/notifications.py": 1,
    "stream/operators/caption.py": 1,
    "stream/operators/decode.py": 2,
    "stream/operators/notifications.py": 1,
    "stream/operators/plan.py": 2,
    "stream/operators/understand.py": 2,
    "stream/worker/dead_letters.py": 1,
}
"""How often `digest` is called where, which stores and topics rely on. It tells no types apart: what is new takes
`typed_digest`, and this list only becomes shorter.
"""


def test_what_is_new_is_named_by_typed_digests() -> None:
    found = Counter[str]()
    families = [ROOT / name for name in ("stream", "decoders", "models", "sinks")]
    for path in itertools.chain(*(family.rglob("*.py") for family in families)):
        name, text = str(path.relative_to(ROOT)), path.read_text()
        if "stream.events.ids import" in text or name == "stream/events/ids.py":
            calls = (node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
            found[name] += sum(isinstance(called, ast.Name) and called.id == "digest" for called in calls)
    assert +found == OLD_DIGESTS
