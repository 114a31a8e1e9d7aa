"""CloudEvents in and out; whatever a stranger sends ends in `BadEvent`, nothing else."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.codec import Decoder, encode
from stream.errors import BadEvent
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.records import Record
from stream.topics import TOPICS

APPEND_MS = 1_700_000_000_999
DECODER = Decoder(TOPICS.values())


def record(value: bytes, headers: dict[str, bytes] | None = None) -> Record:
    return Record("assets", 0, 7, b"k", value, headers or {}, APPEND_MS)


def structured(**changes: object) -> bytes:
    envelope: dict[str, object] = {
        "specversion": "1.0",
        "id": "1",
        "type": AssetPublished.type,
        "source": "mam",
        "data": {"uri": "/a.mp4"},
    }
    return json.dumps(envelope | changes).encode()


def test_binary_mode_round_trip() -> None:
    event = Event(
        data=AssetPublished(uri="/x.mp4", asset_id="a", labels={"show": "Ä"}),
        tenant="t",
        project="p",
        subject="a",
        event_time_ms=1_700_000_000_123,
    )
    sent = encode(event)
    assert sent.headers["ce_type"] == b"rushes.asset.published.v1"
    assert sent.headers["content-type"] == b"application/json"
    got = DECODER.decode(record(sent.value, dict(sent.headers)))
    assert got.data == event.data
    assert (got.tenant, got.project, got.subject, got.id, got.traceparent) == (
        "t", "p", "a", event.id, event.traceparent
    )  # fmt: skip
    assert got.event_time_ms == 1_700_000_000_123
    assert got.position is not None
    assert got.position.offset == 7


def test_structured_mode_is_accepted_with_defaults() -> None:
    got = DECODER.decode(record(structured(unknown="ignored", tenant="acme")))
    assert isinstance(got.data, AssetPublished)
    assert (got.tenant, got.project, got.event_time_ms) == ("acme", "default", APPEND_MS)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"nope", "not_a_cloudevent"),
        (b"", "not_a_cloudevent"),
        (b"[]", "not_a_cloudevent"),
        (b"\xff\xfe", "not_a_cloudevent"),
        (structured(data={"no": "uri"}), "invalid_payload"),
        (structured(data=None), "invalid_payload"),
        (structured(data="text"), "invalid_payload"),
        (structured(type="rushes.asset.exploded.v1"), "unknown_type"),
        (structured(tenant="a\nb"), "invalid_attribute"),
    ],
)
def test_bad_events_say_why(value: bytes, code: str) -> None:
    with pytest.raises(BadEvent) as caught:
        DECODER.decode(record(value))
    assert caught.value.code == code


def test_messages_never_repeat_the_payload() -> None:
    with pytest.raises(BadEvent) as caught:
        DECODER.decode(record(structured(data={"uri": {"password": "hunter2"}})))
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("claimed", "expected"), [("0", APPEND_MS), ("4102444800000", APPEND_MS), ("1699999999000", 1_699_999_999_000)]
)
def test_a_wild_producer_clock_does_not_count(claimed: str, expected: int) -> None:
    assert DECODER.decode(record(structured(eventtime=claimed))).event_time_ms == expected


HEADERS = st.sampled_from(["ce_type", "ce_id", "ce_source", "ce_specversion", "ce_time", "content-type"])


@given(value=st.binary(max_size=300), headers=st.dictionaries(HEADERS, st.binary(max_size=30)))
def test_no_bytes_raise_anything_else(value: bytes, headers: dict[str, bytes]) -> None:
    with contextlib.suppress(BadEvent):
        DECODER.decode(record(value, headers))
