"""Reasons of uploads name the file as its sender does, and not where it lies."""

import pytest

from stream.service.schemas.reasons import told_reason

STORED = "0123456789abcdef" * 2
ASSET = f"uploads/{STORED}/a: b.mp4"
LATE = "the store did not answer in time"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (f"s3://secret/deep/acme/{STORED}: {LATE}", f"a: b.mp4: {LATE}"),
        (f"s3://secret/{'deep/' * 38}…: {LATE}", f"a: b.mp4: {LATE}"),
        (f"after 3 attempts s3://secret/acme/{STORED}: {LATE}", f"after 3 attempts a: b.mp4: {LATE}"),
        (f"s3://secret/my own footage/{STORED}: {LATE}", f"a: b.mp4: {LATE}"),
        (f"{STORED}: no supported container", "a: b.mp4: no supported container"),
        (f"s3://secret/acme/{STORED}", "a: b.mp4"),
        ("no frames", "no frames"),
    ],
)
def test_an_upload_is_named_as_its_sender_does(reason: str, told: str) -> None:
    assert told_reason(ASSET, reason) == told


@pytest.mark.parametrize("asset_id", [None, "s3://news/a.mp4", f"uploads/{STORED}", f"x/uploads/{STORED}/a.mp4"])
def test_what_a_producer_named_is_told_as_it_was_named(asset_id: str | None) -> None:
    assert told_reason(asset_id, f"s3://news/{STORED}: {LATE}") == f"s3://news/{STORED}: {LATE}"
