"""Bucket notifications as stores send them, and the asset events they become."""

import contextlib
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.broker.contract import Record
from stream.errors import BadEvent, Fatal
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.base import Event
from stream.events.ids import default_asset_id
from stream.events.notifications import BucketNotification, ObjectChange
from stream.operators.notifications import BucketRule, NotificationOperator
from stream.topology.codec import EventDecoder
from stream.topology.topics import NOTIFICATIONS
from stream.worker.dead_letters import replay_record
from tests.support.notifications import minio, s3

APPEND_MS = 1_800_000_000_000
DECODER = EventDecoder([NOTIFICATIONS])


def bridged(kind: str, key: str) -> dict[str, Any]:
    return {
        "version": "0",
        "detail-type": kind,
        "source": "aws.s3",
        "time": "2026-11-24T10:00:00Z",
        "detail": {
            "version": "0",
            "bucket": {"name": "footage"},
            "object": {"key": key, "size": 7, "etag": "e2", "sequencer": "0A"},
        },
    }


def event(*documents: dict[str, Any] | bytes, offset: int = 0) -> Event[BucketNotification]:
    (document,) = documents
    value = document if isinstance(document, bytes) else json.dumps(document).encode()
    found = DECODER.decode(Record(NOTIFICATIONS.name, 0, offset, b"", value, {}, APPEND_MS))
    return cast("Event[BucketNotification]", found)


@pytest.fixture
def operator() -> NotificationOperator:
    return NotificationOperator(
        [BucketRule.parse("footage/{tenant}/{project}/"), BucketRule.parse("footage/=acme/news", "batch")]
    )


def told(operator: NotificationOperator, document: dict[str, Any], offset: int = 0) -> list[Event]:
    return list(operator.process([event(document, offset=offset)]))


@pytest.mark.parametrize(
    "document",
    [
        {"Records": [s3("ObjectCreated:Put", "umbrella/cam 1/a+b ü.mp4", size=12, eTag="e1")]},
        minio("s3:ObjectCreated:CompleteMultipartUpload", "umbrella/cam 1/a+b ü.mp4"),
        bridged("Object Created", "umbrella/cam 1/a+b ü.mp4"),
    ],
)
def test_a_created_object_is_published(operator: NotificationOperator, document: dict[str, Any]) -> None:
    (out,) = told(operator, document)
    assert isinstance(out.data, AssetPublished)
    assert out.data.uri == "s3://footage/umbrella/cam 1/a+b ü.mp4"
    assert out.data.size_bytes in {7, 12}
    assert out.data.etag in {"e1", "e2"}
    assert (out.tenant, out.project, out.subject) == ("umbrella", "cam 1", out.data.uri)
    assert out.event_time_ms // 1000 == 1_795_514_400


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"])
def test_a_removed_object_is_the_asset_that_was_published(operator: NotificationOperator, name: str) -> None:
    key = "a/b/what?#.mp4"
    (created,) = told(operator, {"Records": [s3("ObjectCreated:Put", key)]})
    (removed,) = told(operator, {"Records": [s3(name, key)]})
    assert isinstance(removed.data, AssetDeleted)
    assert removed.data.asset_id == created.subject == default_asset_id(f"s3://footage/{key}")


def test_the_first_rule_that_applies_decides(operator: NotificationOperator) -> None:
    (out,) = told(operator, {"Records": [s3("ObjectCreated:Put", "top.mp4")]})
    assert isinstance(out.data, AssetPublished)
    assert (out.tenant, out.project, out.data.priority) == ("acme", "news", "batch")


def test_an_object_without_a_rule_is_nobodys(operator: NotificationOperator) -> None:
    records = [s3("ObjectCreated:Put", "a.mp4"), s3("ObjectCreated:Put", "b.mp4", bucket="other")]
    found: list[str] = []
    with pytest.raises(BadEvent, match="no bucket rule"):
        found.extend(out.subject for out in operator.process([event({"Records": records})]))
    assert found == ["s3://footage/a.mp4"]


BAD = {
    "nobody's": s3("ObjectCreated:Put", "b.mp4", bucket="other"),
    "a tenant that is none": s3("ObjectCreated:Put", f"{'t' * 201}/p/b.mp4"),
    "control characters": s3("ObjectCreated:Put", "b\n.mp4"),
    "too long": s3("ObjectCreated:Put", f"{'b' * 4000}.mp4"),
    "half a character": s3("ObjectRemoved:Delete", "b.mp4")
    | {"s3": {"bucket": {"name": "footage"}, "object": {"key": "\ud800"}}},
    "no UTF-8": s3("ObjectCreated:Put", "b.mp4") | {"s3": {"bucket": {"name": "footage"}, "object": {"key": "%ff"}}},
    "no key": s3("ObjectCreated:Put", ""),
    "no time": s3("ObjectCreated:Put", "b.mp4") | {"eventTime": "yesterday"},
    "no record": 7,
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_each_record_of_a_notification_stands_alone(operator: NotificationOperator, bad: Any) -> None:
    records = [s3("ObjectCreated:Put", "a.mp4", sequencer="01"), bad, s3("ObjectCreated:Put", "c.mp4", sequencer="01")]
    whole = event({"Records": records})
    found: list[str] = []
    with pytest.raises(BadEvent, match="1 of 3 records cannot be used: ") as refused:
        found.extend(out.subject for out in operator.process([whole]))
    assert found == ["s3://footage/a.mp4", "s3://footage/c.mp4"]
    assert len(refused.value.message) < 500
    kept = replay_record(operator, whole, {NOTIFICATIONS.name: NOTIFICATIONS})
    assert kept is not None
    assert (kept[0], json.loads(kept[1].value)) == (NOTIFICATIONS.name, {"Records": [bad]})


def test_a_replay_publishes_what_could_not_be_used_and_nothing_twice() -> None:
    """The worker of before is gone, with all that it remembered: a removal that comes again would delete."""
    records = [
        s3("ObjectRemoved:Delete", "a.mp4"),
        *(s3("ObjectCreated:Put", f"{n}.mp4", bucket="new") for n in range(9)),
    ]
    whole = event({"Records": records})
    first = NotificationOperator([BucketRule("footage/")])
    with pytest.raises(
        BadEvent, match=r"9 of 10 records cannot be used: s3://new/0\.mp4 is under no bucket rule.*4 more"
    ):
        list(first.process([whole]))
    _, kept = replay_record(first, whole, {NOTIFICATIONS.name: NOTIFICATIONS}) or pytest.fail("nothing is kept")
    mended = NotificationOperator([BucketRule("footage/"), BucketRule("new/")])
    again = list(mended.process([event(kept.value, offset=1)]))
    assert [out.subject for out in again] == [f"s3://new/{n}.mp4" for n in range(9)]


def test_a_notification_without_faults_is_kept_as_it_came(operator: NotificationOperator) -> None:
    whole = event({"Records": [s3("ObjectCreated:Put", "a.mp4")]})
    assert operator.replayable(whole) == whole


@pytest.mark.parametrize(
    "document",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-24T10:00:00Z", "Bucket": "footage"},
        {"Records": [s3("ObjectTagging:Put", "a.mp4")]},
        {"Records": [s3("s3:ObjectAccessed:Get", "a.mp4")]},
        {"Records": [s3("ObjectCreated:Put", "folder/")]},
        {"Records": []},
        bridged("Object Tags Added", "a.mp4"),
    ],
)
def test_what_concerns_no_content_says_nothing(operator: NotificationOperator, document: dict[str, Any]) -> None:
    assert told(operator, document) == []


def test_duplicates_and_latecomers_say_nothing(operator: NotificationOperator) -> None:
    first = {"Records": [s3("ObjectCreated:Put", "a.mp4", sequencer="0055AED6DCD90281E5")]}
    second = {"Records": [s3("ObjectCreated:Put", "a.mp4", sequencer="0055AED6DCD90281E6")]}
    late = {"Records": [s3("ObjectRemoved:Delete", "a.mp4", sequencer="0055AED6DCD90281E5FF")]}
    assert len(told(operator, first)) == 1
    assert told(operator, first, offset=1) == []
    assert len(told(operator, second, offset=2)) == 1
    assert told(operator, late, offset=3) == []
    assert len(told(operator, {"Records": [s3("ObjectRemoved:Delete", "b.mp4", sequencer="01")]}, offset=4)) == 1


def test_a_record_that_is_processed_again_says_the_same_again(operator: NotificationOperator) -> None:
    """Its outputs were not delivered. What was seen since is newer and says enough."""
    document = {"Records": [s3("ObjectCreated:Put", "a.mp4", sequencer=number) for number in ("02", "01")]}
    first = told(operator, document)
    assert [it.id for it in told(operator, document)] == [it.id for it in first]
    assert len(told(operator, {"Records": [s3("ObjectRemoved:Delete", "a.mp4", sequencer="03")]}, offset=1)) == 1
    assert told(operator, document) == []


def test_ids_are_the_same_on_redelivery() -> None:
    document = {"Records": [s3("ObjectCreated:Put", "a.mp4", sequencer="01")]}
    ids = {told(NotificationOperator([BucketRule("footage/")]), document)[0].id for _ in range(2)}
    assert len(ids) == 1


hexes = st.text("0123456789ABCDEF", min_size=1, max_size=12)


@given(hexes, hexes)
def test_sequencers_are_ordered(one: str, two: str) -> None:
    first, second = (ObjectChange("created", "b", "k", sequencer=text) for text in (one, two))
    assert not (first.follows(two) and second.follows(one))
    assert first.follows(two) or second.follows(one) or one.rstrip("0") == two.rstrip("0")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"Records": 3}',
        json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]}).encode(),
        json.dumps({"Records": [s3("ObjectCreated:Put", "")]}).encode(),
        json.dumps({"Records": [s3("ObjectCreated:Put", "a") | {"eventTime": "yesterday"}]}).encode(),
        b'{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "%ff"}}}]}',
    ],
)
def test_what_is_no_notification_is_a_bad_event(value: bytes) -> None:
    with pytest.raises(BadEvent) as refused:
        event(value)
    assert refused.value.code == "invalid_payload"


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda it: json.dumps(it).encode())
)
def test_no_bytes_raise_anything_else(value: bytes) -> None:
    with contextlib.suppress(BadEvent):
        event(value)


def test_a_key_that_no_uri_holds_is_a_bad_event(operator: NotificationOperator) -> None:
    with pytest.raises(BadEvent):
        told(operator, {"Records": [s3("ObjectCreated:Put", "a\nb.mp4")]})


@pytest.mark.parametrize("text", ["", "=acme", "b/{where}/=x", "b/{tenant}/{tenant}/", "b/=a\x00"])
def test_rules_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(Fatal, match="bucket rule"):
        BucketRule.parse(text)
