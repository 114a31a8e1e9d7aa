"""What renderers make and deliver, in the audit trail: where that cannot be written, nothing is made or leaves."""

from collections.abc import Iterator
from contextlib import contextmanager

from stream.audit.ocsf import AccessSubject, Activity, Actor, Origin
from stream.audit.recorder import Recorder, Trail, code_of
from stream.clock import Clock
from stream.events.jobs import TaskAsked
from stream.events.objects import LostObject
from stream.media.rendering import Stopped

_ACTIVITIES = {"begin": Activity.JOB_RENDERED, "deliver": Activity.JOB_DELIVERED}
"""Parts and their joining belong to the stage that was begun. What is known already is not made, and not told."""


class AuditedWork:
    """`actor` and `origin`: as which the process works."""

    def __init__(self, trail: Trail, clock: Clock, version: str, *, actor: Actor, origin: Origin) -> None:
        self._recorder = Recorder(trail, clock, version, code_of=_code_of)
        self._actor = actor
        self._origin = origin

    @contextmanager
    def on(self, tenant: str, task: TaskAsked) -> Iterator[None]:
        """The block works on a task. Raises `Unavailable` (`audit_unavailable`)."""
        activity = _ACTIVITIES.get(task.kind)
        if activity is None:
            yield
            return
        subject = AccessSubject(f"jobs {task.stage}", tenant, (task.job, task.variant))
        with self._recorder.access(activity, subject, self._actor, self._origin):
            yield


def _code_of(error: BaseException) -> str:
    match error:
        case LostObject():
            return "objects_lost"
        case Stopped():
            return "canceled"
        case _:
            return code_of(error)
