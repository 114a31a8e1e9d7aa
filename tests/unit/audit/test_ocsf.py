"""Every audit event is one that OCSF's own schema accepts, and says who did what."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from stream.audit.checkpoint import SigningKey
from stream.audit.files import event_files
from stream.audit.journal import Journal
from stream.audit.ocsf import VERSION, AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import Recorder, query_digest
from stream.audit.rights import ChangedRights
from stream.audit.verification import verify
from stream.audit.wanted import named_in
from stream.clock import ManualClock
from stream.errors import BadRequest

KEY = SigningKey("example.com/audit", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ACTOR = Actor("ana", ActorKind.PERSON, session="s-1")
ORIGIN = Origin(ip="192.0.2.7")
RIGHTS = ChangedRights("service:acme/cutter", ("editor",), "pilot", "cutters", ("oidc:https://idp#ana",), "k0123")
SUBJECT = AccessSubject("search", "acme", ("asset-1", "asset-2"), "0f" * 32, RIGHTS)


Valid = Callable[[dict[str, Any]], bool]


@pytest.fixture(scope="module")
def valid() -> Valid:
    whole = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))

    @cache
    def of_class(class_uid: int, *profiles: str) -> Any:
        schema = whole.get_class_schema(whole.lookup_class_name_from_uid(class_uid), list(profiles))
        return jsonschema.validators.validator_for(schema)(schema)

    return lambda event: of_class(event["class_uid"], *event["metadata"].get("profiles", [])).is_valid(event)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, KEY)
    made.open()
    yield made
    made.close()


@pytest.fixture
def recorder(journal: Journal) -> Recorder:
    return Recorder(journal, ManualClock(1_700_000_000_000), "0.1.0")


def events(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in event_files(directory) for line in path.read_bytes().splitlines()[1:]]


@pytest.mark.parametrize("activity", list(Activity))
def test_events_are_what_the_schema_of_their_class_says(
    activity: Activity, recorder: Recorder, tmp_path: Path, valid: Valid
) -> None:
    with recorder.access(activity, SUBJECT, ACTOR, ORIGIN) as access:
        access.count = 3
    recorder.denied(activity, AccessSubject("search"), Actor("bot", ActorKind.SERVICE), Origin(), "forbidden")
    found = events(tmp_path)
    assert [event["status"] for event in found] == ["Admitted", "Success", "Denied"]
    for event in found:
        assert valid(event)
        assert not valid({**event, "something": "else"})
    admitted, over, denied = found
    assert over["metadata"]["correlation_uid"] == admitted["metadata"]["uid"] != over["metadata"]["uid"]
    assert (over["count"], over["time"]) == (3, 1_700_000_000_000)
    assert (denied["action"], denied["disposition"], denied["status_code"]) == ("Denied", "Blocked", "forbidden")


def test_what_failed_says_why(recorder: Recorder, tmp_path: Path) -> None:
    with (
        pytest.raises(BadRequest),
        recorder.access(Activity.SEARCHED, SUBJECT, ACTOR, ORIGIN),
    ):
        raise BadRequest("words that nobody may read in the trail", code="bad_query")
    with pytest.raises(KeyboardInterrupt), recorder.access(Activity.SEARCHED, SUBJECT, ACTOR, ORIGIN):
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), recorder.access(Activity.SEARCHED, SUBJECT, ACTOR, ORIGIN):
        raise ZeroDivisionError
    outcomes = events(tmp_path)[1::2]
    assert [event["status"] for event in outcomes] == ["Failure"] * 3
    assert [event["status_code"] for event in outcomes] == ["bad_query", "interrupted", "unexpected_error"]
    assert b"nobody may read" not in b"".join(path.read_bytes() for path in event_files(tmp_path))


def test_the_trail_of_accesses_holds(recorder: Recorder, journal: Journal, tmp_path: Path) -> None:
    for activity in Activity:
        with recorder.access(activity, SUBJECT, ACTOR, ORIGIN):
            pass
    journal.checkpoint()
    found = verify(tmp_path, KEY.verifier)
    assert found.holds
    assert found.events == 2 * len(Activity)


def test_changes_of_rights_say_whose_and_which(recorder: Recorder, tmp_path: Path, valid: Valid) -> None:
    def event(activity: Activity, rights: ChangedRights) -> dict[str, Any]:
        recorder.denied(activity, AccessSubject("access", "acme", rights=rights), ACTOR, ORIGIN, "forbidden")
        found = events(tmp_path)[-1]
        assert valid(found)
        return found

    role = event(Activity.ROLE_GIVEN, ChangedRights("oidc:https://idp#ana", ("editor",), "pilot"))
    assert (role["class_uid"], role["privileges"], role["resources"]) == (
        3005,
        ["editor"],
        [{"uid": "pilot", "type": "project"}],
    )
    assert role["user"] == {"uid": "oidc:https://idp#ana", "type_id": 1}
    assert named_in(role) == ("editor", "oidc:https://idp#ana", "pilot")
    team = event(Activity.TEAM_FILLED, ChangedRights(team="cutters", members=("service:acme/a", "ana")))
    assert (team["group"]["uid"], team["activity_name"]) == ("team:cutters", "filled a team")
    assert named_in(team) == ("team:cutters", "service:acme/a", "ana")
    key = event(Activity.KEY_MADE, ChangedRights("service:acme/a", ("viewer",), "pilot", key_id="k1"))
    assert key["entity"] == {"uid": "k1", "type": "key", "user": {"uid": "service:acme/a", "type_id": 4}}
    assert named_in(key) == ("viewer", "k1", "service:acme/a", "pilot")
    # Of a request without a body that anybody could read.
    for activity in (Activity.ROLE_GIVEN, Activity.ROLE_TAKEN, Activity.TEAM_FILLED, Activity.KEY_MADE):
        assert named_in(event(activity, ChangedRights())) == ()


def test_what_is_denied_after_it_was_let_in_is_a_denial(recorder: Recorder, tmp_path: Path) -> None:
    def told(code: str, *, outside: bool = False) -> tuple[str, str]:
        with (
            pytest.raises(BadRequest),
            recorder.access(Activity.VIEWED, SUBJECT, ACTOR, ORIGIN) as access,
        ):
            access.outside = outside
            raise BadRequest("no", code=code)
        found = events(tmp_path)[-1]
        return found["status"], found["severity"]

    assert told("forbidden") == ("Denied", "Low")
    assert told("no_such_thing", outside=True) == ("Denied", "Low")
    assert told("no_such_thing") == ("Failure", "Informational")
    assert told("bad_query", outside=True) == ("Failure", "Informational")


def test_queries_are_digests_of_a_tenants_own() -> None:
    digest = query_digest(b"secret", "acme", "red car")
    assert digest == query_digest(b"secret", "acme", "  Red   CAR ")
    others = {
        query_digest(b"another", "acme", "red car"),
        query_digest(b"secret", "globex", "red car"),
        query_digest(b"secret", None, "red car"),
        query_digest(b"secret", "acme", "red cat"),
    }
    assert len(others | {digest}) == 5
    assert digest == "af47ff627c9608523c3833abc34a0b946f5a46890e2ab81232fe665554533d49"
