"""The AsyncAPI document obeys the official schema, and what is really sent obeys the document."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from benchmarks.testbed.cells import GREY, cell, span
from deploy.asyncapi_schema import fetch, find
from deploy.promtool import default_cache
from stream.broker.kafka.topic_config import topic_config
from stream.cli.app import app
from stream.deployment.asyncapi import document
from stream.deployment.payloads import payload_schemas
from stream.events.arrow import from_ipc
from stream.events.asset import AssetDeleted, AssetPublished, AssetStatus, Outcome
from stream.events.base import Event, Payload
from stream.events.dead_letter import DeadLetter
from stream.events.jobs import (
    JobContinued,
    JobControlled,
    JobEnded,
    JobSubmitted,
    TaskAsked,
    TaskContinued,
    TaskEnded,
    TenantBudgeted,
    UrgentTaskAsked,
)
from stream.events.notifications import BucketNotification
from stream.events.objects import StoredFile, TaskCost
from stream.events.progress import PartProgressed, Subject
from stream.pipelines.reference import whole_topology
from stream.topology.codec import encode
from stream.topology.topics import ASSETS, COMPLETIONS, TOPICS
from tests.support.annotations import (
    OTHER_SPACE,
    annotations,
    asset_deleted,
    asset_failed,
    planned,
    ref,
    retired,
    segment_failed,
)
from tests.support.control import change, report
from tests.support.foreign_producers import strangers

TOPOLOGY = whole_topology()
DOCUMENT = json.loads(json.dumps(document(TOPOLOGY, version="1", partitions=8)))
PUBLISHED = AssetPublished(
    uri="s3://b/ä.mp4", asset_id="a", size_bytes=1, etag="e", labels={"show": "Ä"}, priority="batch", retention_days=9
)
LETTER = DeadLetter("1", "plan", "assets", 0, 7, 1, 2, 3, "code", "words", "t", "a", "type", b"k", b"v", {"h": b"\xff"})
S3 = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}
BRIDGED = {"detail-type": "Object Created", "detail": {"bucket": {"name": "b"}, "object": {"key": "k"}}}
ASSET = ref()
KEY, DIGEST = "ab" * 32, f"sha256:{'5d' * 32}"
TASK: dict[str, Any] = {"job": "spring", "variant": "8f4e5f0b6f3f2f11", "kind": "part", "key": KEY}
SENT: list[Payload] = [
    PUBLISHED,
    AssetPublished(uri="/a.mp4"),
    asset_deleted().data,
    *(BucketNotification.from_bytes(json.dumps(it).encode()) for it in (S3, BRIDGED, {"Event": "s3:TestEvent"})),
    span(3, 60_000_000_000),
    cell([(0, GREY)]),
    cell([(0, GREY)], profile="fast"),
    annotations(),
    annotations(space=OTHER_SPACE),
    planned(),
    asset_failed(),
    segment_failed(),
    retired(4, None),
    retired(4, "key"),
    report(ASSET, "decode", 1, 9, outcome=Outcome.SUPERSEDED),
    PartProgressed(
        subject=Subject(kind="job", tenant="t", project="p", id="j", version=ASSET.version),
        stage="draw",
        part=1,
        parts=9,
        quantity=250,
        unit="frames",
        priority="batch",
        cpu_us=7,
    ),
    change(ASSET, AssetStatus.PARTIAL, done=4).model_copy(update={"missing_ns": ((0, 5),), "reason": "because"}),
    LETTER,
    JobSubmitted(job="spring", spec=DIGEST),
    JobControlled(job="spring", action="budget", cpu_s=7200.0),
    TenantBudgeted(limited=True, cpu_s=36000.0, restart_ms=1),
    TaskAsked(
        **TASK,
        stage_key=KEY,
        stage="compose",
        operator="composite",
        settings={"width": 640, "layers": [{"kind": "text", "text": "Ä"}], "poster": None},
        inputs={"logo": DIGEST},
        seed=7,
        toolchain={"av": "17.0.1"},
        part={"kind": "frames", "start": 0, "count": 100},
        parts=({"picture.mkv": DIGEST},),
    ),
    UrgentTaskAsked(**TASK, stage_key=KEY, stage="compose", operator="composite"),
    TaskContinued(job="spring", key=KEY),
    JobContinued(job="spring"),
    JobEnded(job="spring", state="done", spec=DIGEST, variants=4, done=3, failed=1, canceled=0, outcome=DIGEST),
    TaskEnded(
        **TASK,
        outcome="done",
        outputs=(StoredFile(name="picture.mkv", digest=DIGEST, size=9, media_type="video/x-matroska"),),
        cost=TaskCost(cpu_s=1.5, wall_s=2.0, read_bytes=3, written_bytes=9),
    ),
    TaskEnded(**TASK, outcome="lost", missing=(DIGEST,)),
]


@pytest.fixture(scope="module")
def official() -> dict[str, Any]:
    found = find(default_cache())
    if found is None and os.environ.get("CI") == "true":
        found = fetch(default_cache())
    if found is None:
        pytest.skip("the schema of AsyncAPI is missing; `make assets` provides it")
    schema = json.loads(found.read_text())
    assert isinstance(schema, dict)
    return schema


def checker(schema: object) -> jsonschema.Draft7Validator:
    """Of a schema inside the document, whose references begin at its root."""
    return jsonschema.Draft7Validator(
        {**DOCUMENT, "allOf": [schema]}, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
    )


def message(kind: str) -> dict[str, Any]:
    found = DOCUMENT["components"]["messages"][kind]
    assert isinstance(found, dict)
    return found


def content(payload: Payload) -> tuple[object, dict[str, Any]]:
    """What a schema can say of a payload, and that schema: JSON as it is, of Arrow the header beside the columns."""
    schema = DOCUMENT["components"]["schemas"][type(payload).__name__]
    if payload.content_type == "application/json":
        return json.loads(payload.to_bytes()), schema
    rows, metadata = from_ipc(payload.to_bytes(), None, "test")
    told = {it["name"]: it for it in schema["x-arrow-columns"]}
    for column in rows.schema:
        assert _stem(str(column.type)) == _stem(told[column.name]["type"]), column
        assert column.nullable == told[column.name]["nullable"]
    assert [it for it in told if it in rows.schema.names or "when" not in told[it]] == rows.schema.names
    headers = schema.get("x-arrow-metadata", {"header": True})
    return json.loads(metadata.get(b"header", b"{}")), headers["header"]


def _stem(arrow_type: str) -> str:
    return arrow_type.rpartition("[")[0] or arrow_type


def references(part: object) -> Iterator[str]:
    if isinstance(part, list):
        for item in part:
            yield from references(item)
    elif isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for item in part.values():
            yield from references(item)


def test_the_document_of_the_command_obeys_the_official_schema(official: Mapping[str, Any], tmp_path: Path) -> None:
    written = tmp_path / "asyncapi.json"
    done = CliRunner().invoke(app, ["topology", "--asyncapi", "--partitions", "3", "--output", str(written)])
    assert done.exit_code == 0, done.output
    told = json.loads(written.read_text())
    validator = jsonschema.Draft7Validator(official)
    assert not list(validator.iter_errors(told))
    assert told["channels"]["assets"]["bindings"]["kafka"]["partitions"] == 3
    del told["channels"]["assets"]["address"]
    told["operations"]["plan-receive-assets"]["action"] = "devour"
    assert {tuple(error.absolute_path)[:1] for error in validator.iter_errors(told)} == {("operations",)}


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > len(TOPOLOGY.topics)
    for reference in found:
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert place


def test_a_channel_tells_the_keys_of_its_own_records() -> None:
    keys = {topic: key_of(topic, AssetDeleted.type) for topic in ("assets", "annotations")}
    assert keys == {"assets": "asset id", "annotations": "asset key: tenant and asset id as one digest"}
    assert {key_of("annotations", payload.type) for payload in TOPICS["annotations"].payloads} == {keys["annotations"]}


def key_of(topic: str, kind: str) -> str:
    name = DOCUMENT["channels"][topic]["messages"][kind]["$ref"].rpartition("/")[2]
    return str(message(name)["bindings"]["kafka"]["key"]["description"])


def test_each_topic_is_a_channel_as_the_broker_makes_it() -> None:
    assert set(DOCUMENT["channels"]) == {topic.name for topic in TOPOLOGY.topics}
    for topic in TOPOLOGY.topics:
        channel = DOCUMENT["channels"][topic.name]
        told = channel["bindings"]["kafka"]["topicConfiguration"]
        assert {k: v[0] if isinstance(v, list) else str(v) for k, v in told.items()} == topic_config(topic.spec(8))
        assert {payload.type for payload in topic.payloads} <= channel["messages"].keys()
    assert (
        DOCUMENT["channels"][ASSETS.name]["description"]
        == "Written by notifications, gate, index, coordinate, producers; read by plan."
    )


def test_each_stage_has_its_operations() -> None:
    operations = DOCUMENT["operations"]
    for stage in TOPOLOGY.stages:
        for topic in stage.sources:
            operation = operations[f"{stage.name}-receive-{topic}"]
            assert operation["bindings"]["kafka"]["groupId"]["const"] == stage.name
        for topic in (*stage.targets, "dead-letters"):
            assert operations[f"{stage.name}-send-{topic}"]["channel"]["$ref"] == f"#/channels/{topic}"
    assert f"rushes-control-send-{COMPLETIONS.name}" in operations


def test_what_is_sent_obeys_the_document() -> None:
    assert {type(it) for it in SENT} == {payload for topic in TOPOLOGY.topics for payload in topic.payloads}
    for payload in SENT:
        value, schema = content(payload)
        checker(schema).validate(value)
        dead_letter = "0123456789abcdef" * 2
        sent = encode(Event(payload, "t", "p", "a", event_time_ms=1_700_000_000_123, replay_of=dead_letter))
        if headers := message(payload.type).get("headers"):
            checker(headers).validate({name: raw.decode() for name, raw in sent.headers.items()})


@pytest.mark.parametrize("payload", [it for it in SENT if type(it) is not DeadLetter], ids=lambda it: it.type)
def test_what_lacks_a_part_or_has_a_wrong_one_does_not(payload: Payload) -> None:
    value, schema = content(payload)
    assert isinstance(value, dict)
    resolved = DOCUMENT["components"]["schemas"][type(payload).__name__]
    header = resolved.get("x-arrow-metadata", {}).get("header")
    required = (DOCUMENT["components"]["schemas"][header["$ref"].rpartition("/")[2]] if header else resolved).get(
        "required", [next(iter(value))]
    )
    for name in required:
        assert not checker(schema).is_valid({key: it for key, it in value.items() if key != name}), name
        assert not checker(schema).is_valid({**value, name: [[]]}), name


@pytest.mark.parametrize(
    "changed",
    [
        {"uri": ""},
        {"uri": "/a\nb"},
        {"asset_id": "x" * 1001},
        {"profile": "slow"},
        {"priority": "now"},
        {"size_bytes": -1},
        {"retention_days": 0},
        {"labels": {f"{at}": "v" for at in range(65)}},
        {"labels": {"a": "x" * 2001}},
    ],
)
def test_a_producer_is_told_what_is_refused(changed: dict[str, object]) -> None:
    value, schema = content(PUBLISHED)
    assert isinstance(value, dict)
    assert not checker(schema).is_valid({**value, **changed})
    with pytest.raises(Exception, match="invalid AssetPublished payload"):
        AssetPublished.from_bytes(json.dumps({**value, **changed}).encode())


def test_records_of_strangers_are_judged_like_the_decoder_does() -> None:
    structured, binary, bare, none, deleted = strangers()
    envelope = json.loads(structured[1])
    envelope.pop("time")  # null, which the decoder forgives
    checker(message(f"{AssetPublished.type}.structured")["payload"]).validate(envelope)
    assert not checker(message(f"{AssetPublished.type}.structured")["payload"]).is_valid({**envelope, "data": {}})
    for _, value, headers in (binary, bare, deleted):
        kind = dict(headers)["ce_type"].decode()
        checker(message(kind)["payload"]).validate(json.loads(value))
    told = {name: raw.decode(errors="replace") for name, raw in binary[2]}
    headers_of = checker(message(AssetPublished.type)["headers"])
    headers_of.validate(told | {"content-type": "application/json"})
    assert not headers_of.is_valid(dict(none[2]))
    assert not headers_of.is_valid(told | {"ce_type": "rushes.asset.exploded.v1"})


def test_a_payload_that_nothing_describes_is_an_error() -> None:
    class Unknown:
        type, content_type = "rushes.un.known.v1", "application/json"

    with pytest.raises(KeyError):
        payload_schemas([Unknown])  # type: ignore[list-item]


def test_columns_are_arrows_own_words() -> None:
    columns = DOCUMENT["components"]["schemas"]["Annotations"]["x-arrow-columns"]
    told = {it["name"]: it["type"] for it in columns}
    assert told["vector"] == f"{pa.list_(pa.float32(), 1)}".replace("[1]", "[header.space.dimensions]")
    assert told["start_ns"] == "int64"
