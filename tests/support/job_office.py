"""A coordinator on a broker that keeps what it sends, with workers that finish whatever is asked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sinks.objects.store import ObjectStore
from stream.clock import ManualClock
from stream.events.base import Event
from stream.events.jobs import JobControlled, JobEnded, JobSpec, JobSubmitted, TaskAsked, TaskEnded
from stream.events.objects import StoredFile, digest_of
from stream.jobs.reading import read_values
from stream.jobs.reviews import Verdict
from stream.media.catalogue import OperatorCatalogue
from stream.operators.coordinate import CoordinateOperator, Desk
from stream.pipelines.jobs import JobSettings
from stream.sessions.jobs_embedded import command
from tests.support.media_operators import OPERATORS

TEMPLATE = """
version: 1
name: job
parameters: {mode: product, axes: {word: [one, two]}}
stages: [{name: write, operator: write, settings: {text: "${word}"}}]
finals: [write]
MORE
"""


class GivenVerdicts:
    """Understanding that says what it is told to."""

    def __init__(self) -> None:
        self.given: dict[str, Verdict] = {}

    def of(self, tenant: str, asset_id: str) -> Verdict | None:
        return self.given.get(asset_id)


class Office:
    """`content`: what all outputs are; without, each has its own; `media_type`: what they say they are. `left`: all
    that the coordinator has sent.
    """

    def __init__(self, folder: Path, more: str = "") -> None:
        self.clock = ManualClock()
        self.content = b""
        self.media_type = "video/mp4"
        self.settings = JobSettings.under(folder)
        self.store = store = ObjectStore(self.settings.objects)
        self.verdicts = GivenVerdicts()
        self.left: list[Event[Any]] = []
        self._register = self.settings.register
        desk = Desk(self._register, store.of, store.documents, OperatorCatalogue(OPERATORS), slots=1)
        desk = replace(desk, verdicts=self.verdicts)
        self.operator = CoordinateOperator(desk, self.clock)
        self.operator.open()
        values = read_values(TEMPLATE.replace("MORE", more).encode(), "t")
        assert isinstance(values, dict)
        spec = JobSpec(tenant="acme", project="ads", job="job", template=values)
        self.submitted = JobSubmitted(job="job", spec=store.of("acme").put_bytes(spec.model_dump_json().encode()))

    def work(self, *events: Event[Any], outcome: str = "done") -> list[Event[JobEnded]]:
        """What was told until nothing was left to do."""
        told: list[Event[JobEnded]] = []
        waiting: Sequence[Event[Any]] = events
        while waiting:
            left: list[Event[Any]] = list(self.operator.process(waiting))
            self.left += left
            told += [event for event in left if isinstance(event.data, JobEnded)]
            waiting = [self._ended(event, outcome) for event in left if isinstance(event.data, TaskAsked)]
        return told

    def submit(self, **options: Any) -> list[Event[JobEnded]]:
        return self.work(command("acme", "ads", self.submitted, 1), **options)

    def control(self, action: str, **values: Any) -> list[Event[JobEnded]]:
        data = JobControlled.model_validate({"job": "job", "action": action, **values})
        return self.work(command("acme", "ads", data, 1))

    def look(self) -> list[Event[JobEnded]]:
        """Time passes, and whatever follows is done."""
        self.clock.advance(10)
        due: list[Event[Any]] = list(self.operator.due())
        self.left += due
        ended = [self._ended(event, "done") for event in due if isinstance(event.data, TaskAsked)]
        told = [event for event in due if isinstance(event.data, JobEnded)] + self.work(*ended)
        self.clock.advance(10)
        self.left += self.operator.due()
        return told

    def _ended(self, event: Event[TaskAsked], outcome: str) -> Event[TaskEnded]:
        self.clock.advance(1)
        task = event.data
        made = StoredFile(
            name="text.txt", digest=digest_of(self.content or task.key.encode()), size=1, media_type=self.media_type
        )
        facts = {"job": task.job, "variant": task.variant, "kind": task.kind, "key": task.key, "outcome": outcome}
        cost = {"cpu_s": 2.0}
        ended = TaskEnded.model_validate(facts | {"attempt": task.attempt, "outputs": (made,), "cost": cost})
        return event.derive(ended, id=f"{task.key} {self.clock.monotonic_s()}")
