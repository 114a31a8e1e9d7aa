"""A coordinator over a register, with objects in memory, operators that are asked and never run, and no worker."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from stream.clock import ManualClock
from stream.errors import BadRequest
from stream.events.jobs import JobControlled, JobSpec, JobSubmitted, TaskAsked, TaskEnded
from stream.events.objects import Digest, Known, LostObject, StoredFile, TaskCost, digest_of
from stream.jobs.coordination import Coordinator
from stream.jobs.descriptions import Descriptions
from stream.jobs.reading import read_values
from stream.jobs.register import JobRegister, JobRow
from stream.jobs.turns import Turns

TEMPLATE = """
version: 1
name: {name}
lane: {lane}
parameters: {{mode: product, axes: {{word: [{words}]}}}}
stages:
  - {{name: first, operator: write, settings: {{text: "${{word}}"}}}}
  - {{name: second, operator: join, inputs: {{text: "stage:first"}}}}
finals: [second]
budget: {{{budget}}}
"""


class KeptObjects:
    def __init__(self) -> None:
        self.content: dict[Digest, bytes] = {}
        self.ledger: dict[str, Known] = {}
        self.asked: list[str] = []
        """Keys that were looked up together with others."""

    def put(self, path: Path) -> tuple[Digest, int]:
        return self.put_bytes(path.read_bytes()), path.stat().st_size

    def put_bytes(self, content: bytes) -> Digest:
        self.content[digest_of(content)] = content
        return digest_of(content)

    def has(self, digest: Digest, size: int) -> bool:
        return len(self.content.get(digest, b"")) == size

    def fetch(self, digest: Digest, scratch: Path) -> Path:
        raise LostObject(digest)

    def read(self, digest: Digest, most_bytes: int) -> bytes:
        if digest not in self.content:
            raise LostObject(digest)
        return self.content[digest]

    def uri(self, digest: Digest) -> str:
        return f"file:///objects/{digest}"

    def known(self, key: str) -> Known | None:
        return self.ledger.get(key)

    def known_of(self, keys: Sequence[str]) -> dict[str, Known]:
        self.asked += keys
        return {key: self.ledger[key] for key in keys if key in self.ledger}

    def learn(self, key: str, known: Known) -> None:
        self.ledger[key] = known


class AskedOperators:
    def version(self, operator: str) -> int:
        return 1

    def checked(
        self, operator: str, settings: Mapping[str, JsonValue], inputs: tuple[str, ...]
    ) -> dict[str, JsonValue]:
        if settings.get("text") == "defect":
            raise KeyError("text")
        if settings.get("text") == "bad":
            raise BadRequest("text: this word is not allowed", code="template_invalid")
        return dict(settings)

    def outputs(self, operator: str, settings: Mapping[str, JsonValue]) -> Mapping[str, str]:
        return {"out.txt": "text/plain"}

    def amount(self, operator: str, settings: Mapping[str, JsonValue], inputs: Mapping[str, float]) -> float | None:
        told = settings.get("megapixels")
        return float(told) if isinstance(told, int | float) else max(inputs.values(), default=None)

    def toolchain(self, operator: str, settings: Mapping[str, JsonValue]) -> dict[str, str]:
        return {}


class CoordinatorBench:
    """A coordinator over a register in a folder, and workers that are this object's methods."""

    def __init__(self, folder: Path, slots: int = 100) -> None:
        self.clock = ManualClock()
        self.objects: dict[str, KeptObjects] = {}
        self.register = JobRegister(folder / "register.sqlite")
        self.coordinator = Coordinator(self.register, Descriptions(self.of), AskedOperators(), self.clock)
        self.turns = Turns(self.register, self.coordinator, slots, self.clock)

    def of(self, tenant: str) -> KeptObjects:
        return self.objects.setdefault(tenant, KeptObjects())

    def submit(
        self,
        *words: str,
        name: str = "job",
        tenant: str = "acme",
        lane: str = "batch",
        budget: str = "",
        deadline_ms: int | None = None,
    ) -> None:
        text = TEMPLATE.format(name=name, lane=lane, words=", ".join(words), budget=budget)
        values = read_values(text.encode(), "t")
        assert isinstance(values, dict)
        spec = JobSpec(tenant=tenant, project="ads", job=name, template=values, deadline_ms=deadline_ms)
        digest = self.of(tenant).put_bytes(spec.model_dump_json().encode())
        with self.register.changing():
            self.coordinator.submitted(tenant, "ads", JobSubmitted(job=name, spec=digest), "trace")

    def control(self, action: str, name: str = "job", tenant: str = "acme", **values: Any) -> None:
        with self.register.changing():
            data = JobControlled.model_validate({"job": name, "action": action, **values})
            self.coordinator.controlled(tenant, data)

    def take(self) -> list[tuple[JobRow, TaskAsked]]:
        with self.register.changing():
            return self.turns.take()

    def end(self, tenant: str, task: TaskAsked, outcome: str = "done", **more: Any) -> None:
        made = (stored(f"{task.key} {task.kind}"),) if outcome == "done" and "parts" not in more else ()
        facts = {"job": task.job, "variant": task.variant, "kind": task.kind, "key": task.key, "outcome": outcome}
        ended = TaskEnded.model_validate(facts | {"attempt": task.attempt, "outputs": made} | more)
        with self.register.changing():
            self.coordinator.ended(tenant, ended)

    def work(self) -> list[TaskAsked]:
        """Do all there is, whole stages at a time; what was done."""
        done = []
        while asked := self.take():
            for job, task in asked:
                self.end(job.tenant, task, cost=TaskCost(cpu_s=1.0))
                done.append(task)
        return done

    def job(self, name: str = "job", tenant: str = "acme") -> JobRow:
        found = self.register.job(tenant, name)
        assert found is not None
        return found


def stored(content: str) -> StoredFile:
    return StoredFile(name="out.txt", digest=digest_of(content.encode()), size=1, media_type="text/plain")
