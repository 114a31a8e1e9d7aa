"""What renderers make and deliver is in the audit trail; where that cannot be written nothing is made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sinks.objects.store import ObjectStore
from stream.audit.ocsf import Actor, ActorKind, Origin
from stream.clock import ManualClock
from stream.errors import Unavailable
from stream.events.base import Event
from stream.events.jobs import TaskEnded
from stream.jobs.watching import CancelWatch
from stream.media.catalogue import OperatorCatalogue
from stream.media.rendering import Renderer
from stream.operators.audited_work import AuditedWork
from stream.operators.render import RenderOperator
from tests.support.media_operators import OPERATORS
from tests.unit.jobs.test_long_work import ASKED, NoDelivery

BEGIN = ASKED.model_copy(update={"kind": "begin"})


class ListedTrail:
    """`room`: for so many events."""

    def __init__(self, *, room: float = float("inf")) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.room = room

    def append(self, event: Mapping[str, Any]) -> None:
        if len(self.events) >= self.room:
            raise Unavailable("the trail cannot be written", code="audit_unavailable")
        self.events.append(event)


def rendering(folder: Path, trail: ListedTrail) -> tuple[RenderOperator, ObjectStore]:
    clock, store = ManualClock(), ObjectStore(folder / "store")
    work = AuditedWork(trail, clock, "1", actor=Actor("os:renderer", ActorKind.SERVICE), origin=Origin("here"))
    operator = RenderOperator(
        store.of,
        Renderer(folder / "work", operators=OPERATORS),
        OperatorCatalogue(OPERATORS),
        NoDelivery(),
        canceled=CancelWatch(store.documents, clock),
        clock=clock,
        audited=work.on,
    )
    return operator, store


def test_a_stage_that_is_rendered_is_told_with_its_job_and_variant(tmp_path: Path) -> None:
    trail = ListedTrail()
    operator, _ = rendering(tmp_path, trail)
    part = ASKED.model_copy(update={"key": "5" * 64})
    # The second time it is known, and parts belong to the stage that was begun.
    for task in (BEGIN, BEGIN, part):
        list(operator.process([Event(task, "acme", "ads", "job", 1)]))
    operator.close()
    assert [(event["message"], event["status"]) for event in trail.events] == [
        ("jobs write: rendered", "Admitted"),
        ("jobs write: rendered", "Success"),
    ]
    assert {each["uid"] for each in trail.events[0]["resources"]} == {"job", "0" * 16}
    assert trail.events[0]["metadata"]["tenant_uid"] == "acme"
    assert trail.events[0]["actor"]["user"]["uid"] == "os:renderer"


def test_what_is_lost_is_told_by_its_code(tmp_path: Path) -> None:
    trail = ListedTrail()
    operator, _ = rendering(tmp_path, trail)
    gone = BEGIN.model_copy(update={"inputs": {"text": f"sha256:{'1' * 64}"}})
    (ended,) = operator.process([Event(gone, "acme", "ads", "job", 1)])
    operator.close()
    assert isinstance(ended.data, TaskEnded) and ended.data.outcome == "lost"
    assert [event.get("status_code") for event in trail.events] == [None, "objects_lost"]


def test_without_a_trail_nothing_is_made(tmp_path: Path) -> None:
    operator, store = rendering(tmp_path, ListedTrail(room=0))
    with pytest.raises(Unavailable, match="cannot be written"):
        list(operator.process([Event(BEGIN, "acme", "ads", "job", 1)]))
    operator.close()
    assert list(store.of("acme").listed()) == []


def test_what_came_of_it_cannot_be_written_and_it_is_not_made_again(tmp_path: Path) -> None:
    trail = ListedTrail(room=1)
    operator, _ = rendering(tmp_path, trail)
    with pytest.raises(Unavailable, match="cannot be written"):
        list(operator.process([Event(BEGIN, "acme", "ads", "job", 1)]))
    trail.room = 10
    (ended,) = operator.process([Event(BEGIN, "acme", "ads", "job", 1)])
    operator.close()
    assert isinstance(ended.data, TaskEnded)
    assert (ended.data.outcome, ended.data.reused) == ("done", True)
    assert ended.data.cost.wall_s > 0, "what the first attempt has used is told"
