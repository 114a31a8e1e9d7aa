"""Parquet has all that an event has, in the same columns whatever else is in its file."""

import json
from pathlib import Path
from typing import Any

import pytest

from sinks.siem.columns import OTHERS, table_of
from stream.audit.files import event_files
from stream.audit.journal import Journal
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import Recorder
from stream.audit.rights import ChangedRights
from stream.clock import ManualClock
from tests.support.audit_trails import KEY

RIGHTS = ChangedRights("team:cutters", ("editor",), "pilot", "cutters", ("service:acme/a",), "k0123")
SUBJECT = AccessSubject("search", "acme", ("asset-1", "asset-2"), "0f" * 32, RIGHTS)


@pytest.fixture
def events(tmp_path: Path) -> list[dict[str, Any]]:
    """Of each activity one that was admitted, one that ended and one that was denied."""
    journal = Journal(tmp_path, KEY)
    journal.open()
    recorder = Recorder(journal, ManualClock(1_700_000_000_000), "0.1.0")
    for activity in Activity:
        with recorder.access(activity, SUBJECT, Actor("ana", ActorKind.PERSON, "s-1"), Origin("host")) as access:
            access.count = 1 << 40
        recorder.denied(activity, AccessSubject("x"), Actor("bot", ActorKind.SERVICE), Origin(), "forbidden")
    journal.close()
    return [json.loads(line) for path in event_files(tmp_path) for line in path.read_bytes().splitlines()[1:]]


def without_nothing(value: Any) -> Any:
    """As JSON has it: what is not there is not named."""
    if isinstance(value, dict):
        return {key: without_nothing(item) for key, item in value.items() if item is not None}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


def test_every_event_comes_back_whole_beside_others(events: list[dict[str, Any]]) -> None:
    table = table_of(events)
    assert {table_of([event]).schema for event in events} == {table.schema}
    rows = [without_nothing(row) for row in table.to_pylist()]
    # No attribute that we write ourselves is left to the JSON of `unmapped`.
    assert [{**row, "unmapped": json.loads(row["unmapped"])} for row in rows] == events


@pytest.mark.parametrize(
    "odd",
    [
        {"more": {"deep": [1, {"x": None}]}},
        {"count": "many"},
        {"count": 1 << 70},
        {"time": True},
        {"actor": {"user": {"uid": "ana", "email": "ana@example.com"}}},
        {"actor": "ana"},
        {"resources": [{"uid": "asset-1", "data": {"a": 1}}, "asset-2"]},
    ],
)
def test_what_no_column_holds_is_kept_beside_them(events: list[dict[str, Any]], odd: dict[str, Any]) -> None:
    event = next(event for event in events if event["class_uid"] == 6003) | odd
    (row,) = table_of([event]).to_pylist()
    row, unmapped = without_nothing(row), json.loads(row["unmapped"])
    rest = unmapped.pop(OTHERS)
    assert joined({**row, "unmapped": unmapped}, rest) == event
    assert set(rest) == set(odd)


def joined(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: joined(one[key], item) if key in one else item for key, item in other.items()}
    return other
