"""Records of `assets` that are no events: letters, and no assets but those that they publish."""

import json
from collections.abc import Mapping

import pytest

from stream.events.asset import AssetFailed, AssetPublished
from stream.events.ids import AssetVersion
from tests.support.worker_kit import Kit

PUBLISHED = {"ce_type": AssetPublished.type.encode(), "ce_tenant": b"acme", "ce_subject": b"clip"}
STRUCTURED = {"specversion": "1.0", "id": "1", "source": "mam", "type": AssetPublished.type, "tenant": "acme"}


@pytest.mark.parametrize("headers", [{}, PUBLISHED, {**PUBLISHED, "ce_type": b"rushes.asset.renamed.v1"}])
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"no": "event"}',
        b'{"asset_id": "clip"}',
        b'{"asset_id": "clip", "uri": 7}',
        b'{"asset_id": ["clip"], "uri": "/clip.mp4"}',
        b'{"uri": "/clip\\u0000.mp4"}',
        json.dumps({**STRUCTURED, "data": None, "subject": "clip"}).encode(),
        json.dumps({**STRUCTURED, "tenant": "a\nb", "data": {"uri": "/clip.mp4", "profile": "none"}}).encode(),
    ],
)
def test_what_names_no_asset_is_a_letter_and_no_asset(headers: Mapping[str, bytes], value: bytes) -> None:
    """Whatever the key and the subject are: both are anybody's to choose."""
    kit = Kit()
    kit.send(value, dict(headers), key=b"clip")
    kit.settle()
    assert len(kit.dead_letters()) == 1
    assert kit.outputs() == []
    assert kit.operator.calls == []
    assert kit.pending() == 0


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        (PUBLISHED, b'{"uri": "/clip.mp4", "asset_id": "clip", "profile": "none"}'),
        ({}, json.dumps({**STRUCTURED, "data": {"uri": "/clip.mp4", "asset_id": "clip", "labels": 3}}).encode()),
    ],
)
def test_a_publication_that_is_wrong_otherwise_fails_the_asset_it_names(
    headers: Mapping[str, bytes], value: bytes
) -> None:
    kit = Kit()
    kit.send(value, dict(headers), key=b"another")
    kit.settle()
    (dead_letter,) = kit.dead_letters()
    (failure,) = [event.data for event in kit.outputs() if isinstance(event.data, AssetFailed)]
    assert dead_letter.code == "invalid_payload"
    assert (failure.asset.tenant, failure.asset.asset_id, failure.code) == ("acme", "clip", "invalid_payload")
    assert failure.asset.version == AssetVersion(dead_letter.append_time_ms, dead_letter.offset)
    assert kit.operator.calls == []
    assert kit.pending() == 0
