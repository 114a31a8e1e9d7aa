"""Whose a record is: what the topic of a tenant says, and never what the record says."""

import json
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from stream.broker.contract import Record
from stream.broker.names import Names
from stream.errors import BadEvent, Fatal
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.dead_letter import REPLAY_HEADER
from stream.events.tenants import TenantRegistered, TenantRemoved
from stream.operators.gate import GateOperator
from stream.topology.codec import EventDecoder, encode, enveloped
from stream.topology.first_append import APPENDED_HEADER
from stream.topology.tenants import Tenants, tenant_topic
from stream.topology.topics import ASSETS
from stream.worker.dead_letters import identity

ACME = tenant_topic(TenantRegistered(tenant="acme", projects=("news", "sport"), regions=("eu",)))
FREE = tenant_topic(TenantRegistered(tenant="free"))
DECODER = EventDecoder([ACME, FREE, ASSETS])
VALUE = b'{"uri": "/a.mp4"}'


def binary(topic: str, **claims: str) -> Record:
    headers = {"ce_type": AssetPublished.type.encode()} | {f"ce_{name}": it.encode() for name, it in claims.items()}
    return Record(topic, 0, 7, b"k", VALUE, headers, 1_700_000_000_999)


def structured(topic: str, **claims: str) -> Record:
    data = json.loads(VALUE)
    envelope = {"specversion": "1.0", "id": "1", "type": AssetPublished.type, "source": "mam", "data": data}
    return Record(topic, 0, 7, b"k", json.dumps(envelope | claims).encode(), {}, 1_700_000_000_999)


@pytest.mark.parametrize("made", [binary, structured])
@pytest.mark.parametrize(
    ("topic", "claims", "owner"),
    [
        (ACME, {}, ("acme", "news", "eu")),
        (ACME, {"tenant": "acme", "project": "sport", "region": "eu"}, ("acme", "sport", "eu")),
        (FREE, {}, ("free", "default", "local")),
        (FREE, {"project": "any", "region": "us"}, ("free", "any", "us")),
        (ASSETS, {"tenant": "acme", "project": "other"}, ("acme", "other", "local")),
    ],
)
def test_a_record_belongs_to_the_owner_of_its_topic(made, topic, claims, owner) -> None:  # type: ignore[no-untyped-def]
    event = DECODER.decode(made(topic.name, **claims))
    assert (event.tenant, event.project, event.region) == owner


@pytest.mark.parametrize("made", [binary, structured])
@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"tenant": "umbrella"}, "tenant_not_yours"),
        ({"tenant": "default"}, "tenant_not_yours"),
        ({"tenant": "Acme"}, "tenant_not_yours"),
        ({"project": "drama"}, "project_not_allowed"),
        ({"project": "default"}, "project_not_allowed"),
        ({"region": "us"}, "region_not_allowed"),
    ],
)
def test_another_claim_is_refused_and_the_letter_is_the_owners(made, claims, code) -> None:  # type: ignore[no-untyped-def]
    record = made(ACME.name, **claims)
    with pytest.raises(BadEvent) as refused:
        DECODER.decode(record)
    assert refused.value.code == code
    assert not set(claims.values()) & {"umbrella", "drama"} & set(refused.value.message.replace("'", " ").split())
    assert identity(record, None).tenant == "acme"
    assert (said := enveloped(record)) is not None
    assert said.tenant == "acme"


def test_the_register_keeps_the_newest_word_of_each_tenant() -> None:
    tenants = Tenants()
    tenants.received(TenantRegistered(tenant="a", projects=("old",)))
    before = tenants.topics()
    tenants.received(TenantRegistered(tenant="a", projects=("new",)))
    assert tenants.now["a"].projects == ("new",)
    assert before != tenants.topics()
    tenants.received(AssetDeleted(asset_id="a"))
    tenants.received(TenantRemoved(tenant="b"))
    assert list(tenants.topics()) == ["assets.a"]
    tenants.received(TenantRemoved(tenant="a"))
    assert not tenants.topics()


def test_no_deployment_has_topics_of_that_name() -> None:
    with pytest.raises(Fatal, match="cannot be named 'assets'"):
        Names("assets")
    names = {Names(deployment).of(topic) for deployment, topic in product(["rushes", "a"], ["assets.a", "assets"])}
    assert len(names) == 4


TAKEN_MS = 1_700_000_000_000
PASSED_MS = TAKEN_MS + 60_000


def test_the_gate_tells_when_an_event_was_first_taken_and_no_producer_does() -> None:
    said = {APPENDED_HEADER: b"%d" % (TAKEN_MS - 1000)}
    taken = replace(binary(ACME.name), append_time_ms=TAKEN_MS)
    forged = replace(taken, headers={**taken.headers, **said})
    for sent in (taken, forged):
        event: Any = DECODER.decode(sent)
        (passed,) = GateOperator().process([event])
        encoded = encode(passed)
        read = DECODER.decode(Record(ASSETS.name, 0, 1, b"k", encoded.value, encoded.headers, PASSED_MS))
        assert (read.published_ms, read.version.append_ms) == (TAKEN_MS, PASSED_MS)
        assert APPENDED_HEADER not in encode(read.derive(read.data, id="2")).headers
    # A replay begins anew.
    again = Record(ASSETS.name, 0, 1, b"k", encoded.value, {**encoded.headers, REPLAY_HEADER: b"8ab2"}, PASSED_MS)
    assert DECODER.decode(again).published_ms == PASSED_MS


@pytest.mark.parametrize("raw", [b"%d" % (PASSED_MS + 1), b"-5", b"946684799999", b"", b"1e12", b"9" * 40, b"\xb2"])
def test_a_first_time_that_cannot_be_counts_for_nothing(raw: bytes) -> None:
    open_topic = binary(ASSETS.name)
    read = DECODER.decode(replace(open_topic, headers={**open_topic.headers, APPENDED_HEADER: raw}))
    assert read.published_ms == open_topic.append_time_ms
