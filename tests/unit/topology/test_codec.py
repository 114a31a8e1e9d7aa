"""CloudEvents in and out; whatever a stranger sends ends in `BadEvent`, nothing else."""

import contextlib
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.broker.contract import Record
from stream.errors import BadEvent
from stream.events.arrow import from_ipc
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.base import Event
from stream.events.dead_letter import REPLAY_HEADER
from stream.events.frames import FRAMES_SCHEMA
from stream.events.ids import asset_key
from stream.topology.codec import EventDecoder, encode
from stream.topology.topics import ANNOTATIONS, ASSETS, RETIREMENTS, TOPICS

APPEND_MS = 1_700_000_000_999
DECODER = EventDecoder(TOPICS.values())


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


def test_topics_of_the_sinks_give_every_record_the_key_of_its_asset() -> None:
    event = Event(data=AssetDeleted(asset_id="a"), tenant="acme", project="p", subject="a", event_time_ms=1)
    for topic in (ANNOTATIONS, RETIREMENTS):
        assert encode(event, topic).key == asset_key("acme", "a").encode()
    assert encode(event, ASSETS) == encode(event)
    assert encode(event).key == b"a"


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


@pytest.mark.parametrize("topic", ["assets", "notifications"])
def test_a_record_whose_headers_are_lost_is_no_event_whatever_its_value_says(topic: str) -> None:
    lost = Record(topic, 0, 7, b"k", structured(), append_time_ms=APPEND_MS, unreadable=True)
    with pytest.raises(BadEvent) as caught:
        DECODER.decode(lost)
    assert caught.value.code == "unreadable_headers"


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


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant": "\ud800"},
        {"tenant": "é" * 100},
        {"tenant": "/" * 100},
        {"tenant": "a\x9bb"},
        {"project": "x" * 201},
        {"id": "x" * 1001},
        {"source": "x" * 1001},
        {"region": "a\x1b[2J"},
    ],
)
def test_attributes_that_stores_and_derived_events_could_not_bear(changes: dict[str, str]) -> None:
    with pytest.raises(BadEvent) as caught:
        DECODER.decode(record(structured(**changes)))
    assert caught.value.code in {"invalid_attribute", "not_a_cloudevent"}


BINARY = {"ce_type": AssetPublished.type.encode()}


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (structured(), {"content-type": b"application/cloudevents+json"}),
        (structured(), {"content-type": b"application/cloudevents+json; charset=UTF-8"}),
        (structured(), {"Content-Type": b"application/cloudevents+json"}),
        (structured(), {"b3": b"\xff\xfe"}),
        (structured(time=None, subject=None, tenant=None), {}),
        (structured(data=json.dumps({"uri": "/a.mp4"})), {}),
        (b'{"uri": "/a.mp4", "etag": null}', BINARY),
        (b'{"uri": "/a.mp4"}', BINARY | {"ce_id": b"1", "ce_source": b"x", "b3": b"\xff\xfe"}),
        (b'{"uri": "/a.mp4"}', {"CE_Type": BINARY["ce_type"], "CE_Id": b"1"}),
    ],
)
def test_what_clients_of_others_send_and_omit(value: bytes, headers: dict[str, bytes]) -> None:
    event = DECODER.decode(record(value, headers))
    assert isinstance(event.data, AssetPublished)
    assert event.data.uri == "/a.mp4"
    assert (event.tenant, event.project, event.region) == ("default", "default", "local")
    assert event.event_time_ms == APPEND_MS


def test_an_id_that_was_not_sent_is_the_place_of_the_record() -> None:
    assert DECODER.decode(record(b'{"uri": "/a.mp4"}', BINARY)).id == "assets-0-7"


def test_bare_json_is_told_how_to_be_an_event() -> None:
    with pytest.raises(BadEvent, match="ce_type header, or an envelope"):
        DECODER.decode(record(b'{"uri": "/a.mp4"}'))


@pytest.mark.parametrize("data", ["\\ud800", "9" * 5000])
def test_what_breaks_a_parser_in_unforeseen_ways_is_a_bad_event(data: str) -> None:
    """Exporter and autoscaler read these too, and nobody buries what ends them."""
    value = structured(data="X").replace(b'"X"', f'"{data}"'.encode())
    with pytest.raises(BadEvent) as caught:
        DECODER.decode(record(value))
    assert caught.value.code in {"undecodable", "invalid_payload"}


@pytest.mark.parametrize("trace", ["x" * 100_000, "00-zz", "\x1b[2J"])
def test_a_trace_context_that_is_none_is_replaced(trace: str) -> None:
    assert len(DECODER.decode(record(structured(traceparent=trace))).traceparent) == 55


def test_the_subject_is_the_asset_whatever_the_producer_calls_it() -> None:
    got = DECODER.decode(record(structured(subject="bucket/other", data={"uri": "/a.mp4", "asset_id": "mine"})))
    assert got.subject == "mine"


@pytest.mark.parametrize(
    "data",
    [
        {"uri": "/a\0.mp4"},
        {"uri": "/a.mp4", "asset_id": "a\x1b[2J"},
        {"uri": "/a.mp4", "asset_id": "ä" * 501},
        {"uri": "/a.mp4", "labels": {"a=b": "c"}},
        {"uri": "/a.mp4", "labels": {"a\nb": "c"}},
        {"uri": "/a.mp4", "labels": {f"k{number}": "" for number in range(65)}},
        {"uri": "/a.mp4", "labels": {f"k{number}": "ä" * 1900 for number in range(9)}},
        {"uri": "/a.mp4", "retention_days": 10**30},
    ],
)
def test_payloads_are_bounded(data: dict[str, object]) -> None:
    with pytest.raises(BadEvent) as caught:
        DECODER.decode(record(structured(data=data)))
    assert caught.value.code == "invalid_payload"


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_small_record_is_never_inflated_to_a_large_table(compression: str) -> None:
    rows = [{"time_ns": 1, "pts": 1, "kind": "grid", "yuv": bytes(64 << 20)}]
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, FRAMES_SCHEMA, options=options) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=FRAMES_SCHEMA))
    bomb = bytes(sink.getvalue())
    assert len(bomb) < 1 << 20
    pa.default_memory_pool().release_unused()
    before = pa.total_allocated_bytes()
    with pytest.raises(BadEvent, match="compressed"):
        from_ipc(bomb, FRAMES_SCHEMA, "Frames")
    assert pa.total_allocated_bytes() <= before + (1 << 20)


@pytest.mark.parametrize(
    ("raw", "dead_letter"),
    [(b"8ab211", "8ab211"), (b"", ""), (b"a b", ""), ("²".encode(), ""), (b"\xff", ""), (b"9" * 65, "")],
)
def test_the_letter_that_was_replayed_goes_on_in_what_an_event_leads_to(raw: bytes, dead_letter: str) -> None:
    read = DECODER.decode(record(structured(), {REPLAY_HEADER: raw}))
    derived = encode(read.derive(read.data, id="2"))
    assert read.replay_of == dead_letter
    assert derived.headers.get(REPLAY_HEADER) == (dead_letter.encode() if dead_letter else None)
