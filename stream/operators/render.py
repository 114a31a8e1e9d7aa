"""The render operator: one task of a job in, its outputs among the objects, and word of how it ended."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stream.clock import Clock
from stream.errors import BadMedia, StageError, Unavailable
from stream.events.base import Event
from stream.events.ids import typed_digest
from stream.events.jobs import TaskAsked, TaskContinued, TaskEnded
from stream.events.objects import Digest, Known, LostObject, StoredFile, TaskCost
from stream.jobs.descriptions import Operators
from stream.jobs.objects import ContentObjects
from stream.jobs.watching import CancelWatch
from stream.media.rendering import Rendered, RenderWork, Stopped
from stream.operators.long_transfers import LongTransfers

if TYPE_CHECKING:
    from stream.worker.beside_records import AtWork

MAX_KEPT = 1000
MAX_PARTS = 10_000
TOLD_EVERY_S = 60.0
"""How often a worker tells that a long piece of work goes on; well below the time after which it counts as lost."""
_PART_TYPE = "application/octet-stream"
Started = Callable[[str, float], object]
"""Told of the lane of a job and of how many seconds it waited for its first piece of work, which begins."""
AroundTask = Callable[[str, TaskAsked], AbstractContextManager[None]]
"""Around the work on a task of a tenant (`stream.operators.audited_work`)."""


def unaudited(_tenant: str, _task: TaskAsked) -> AbstractContextManager[None]:
    """For a process without an audit trail."""
    return nullcontext()


class TaskRenderer(Protocol):
    """Does one task after another (`stream.media.rendering.Renderer`)."""

    @property
    def spent(self) -> tuple[float, float]: ...
    @property
    def scratch(self) -> Path: ...
    def prepare(self) -> None: ...
    def run(self, work: RenderWork, *, stop: Callable[[], bool], progress: Callable[[float], None]) -> Rendered: ...
    def close(self) -> None: ...


class FinalsDelivery(Protocol):
    """Brings finals to where a job wants them (`sinks.objects.delivery`)."""

    def deliver(self, tenant: str, task: TaskAsked, scratch: Path) -> tuple[StoredFile, ...]:
        """What was delivered, the manifest last. Raises `LostObject`, `BadMedia` and `Unavailable`."""

    def lies_there(self, tenant: str, task: TaskAsked) -> bool:
        """Whether all of a delivery that was made lies where it should. Raises `BadMedia` and `Unavailable`."""


class RenderOperator:
    """A result that the ledger knows is not made again. An object is there before the ledger says so, and the ledger
    before `TaskEnded`: so a worker that is killed leaves nothing that claims more than is there.
    """

    def __init__(
        self,
        objects: Callable[[str], ContentObjects],
        renderer: TaskRenderer,
        operators: Operators,
        delivery: FinalsDelivery,
        *,
        canceled: CancelWatch,
        clock: Clock,
        started: Started = lambda _lane, _waited_s: None,
        audited: AroundTask = unaudited,
    ) -> None:
        self._objects = objects
        self._renderer = renderer
        self._operators = operators
        self._delivery = delivery
        self._canceled = canceled
        self._clock = clock
        self._started = started
        self._audited = audited
        self._spent: dict[tuple[str, str], TaskCost] = {}
        self._at_work: AtWork | None = None
        self._transfers = LongTransfers(self._alive)

    def work_with(self, at_work: "AtWork") -> None:
        self._at_work = at_work

    def open(self) -> None:
        self._renderer.prepare()
        self._transfers.begin()

    def close(self) -> None:
        self._transfers.end()
        self._renderer.close()

    def process(self, events: Sequence[Event[TaskAsked]]) -> Iterable[Event]:
        for event in events:
            yield self._ended(event, self._done(event))

    def failed(self, event: Event[TaskAsked], error: StageError) -> Iterable[Event]:
        task = event.data
        cost = self._spent.pop((event.tenant, task.key), TaskCost())
        ended = _end(task, "failed", cost).model_copy(update={"code": error.code, "message": error.message[:2000]})
        yield self._ended(event, ended)

    def _done(self, event: Event[TaskAsked]) -> TaskEnded:
        tenant, task = event.tenant, event.data
        if self._canceled.canceled(tenant, task.job, fresh=True):
            return _end(task, "canceled", TaskCost())
        objects = self._objects(tenant)
        known = objects.known(task.key) or (objects.known(task.stage_key) if task.kind == "begin" else None)
        # What lies outside of the store is looked at again: others may remove it.
        if known is not None and (task.kind != "deliver" or self._delivery.lies_there(tenant, task)):
            # An earlier attempt of this process may have made it, and not have told so.
            cost = self._spent.pop((tenant, task.key), TaskCost())
            return _end(task, "done", cost, known).model_copy(update={"reused": True})
        try:
            self._renderer.prepare()
            with self._audited(tenant, task):
                made = self._delivered(tenant, task) if task.kind == "deliver" else self._made(event, objects)
                # Within, so that it is not made again where the trail cannot take what came of it.
                self._learned(objects, task, made)
        except LostObject as lost:
            missing = lost.digests
            return _end(task, "lost", self._spent.pop((tenant, task.key), TaskCost())).model_copy(
                update={"missing": missing}
            )
        except Stopped:
            return _end(task, "canceled", self._charge(tenant, task))
        except OSError as error:
            raise Unavailable(f"the folder for temporary files: {error.strerror}", code="disk_full") from error
        return _end(task, "done", self._spent.pop((tenant, task.key), TaskCost()), made)

    @staticmethod
    def _learned(objects: ContentObjects, task: TaskAsked, made: Known) -> None:
        objects.learn(task.key, made)
        if task.kind == "join" or (task.kind == "begin" and made.outputs):
            # Another job finds the whole stage by this, without asking for its parts.
            objects.learn(task.stage_key, made)

    def _made(self, event: Event[TaskAsked], objects: ContentObjects) -> Known:
        tenant, task = event.tenant, event.data
        ours = self._operators.toolchain(task.operator, task.settings)
        if ours != task.toolchain:
            names = sorted(ours | task.toolchain)
            differing = ", ".join(name for name in names if ours.get(name) != task.toolchain.get(name))
            raise Unavailable(
                f"{task.operator}: this worker has another toolchain than the coordinator ({differing}), and would make"
                " other bytes: run both from one image, on machines of one kind",
                code="other_toolchain",
            )
        with self._transfers.one():
            (inputs, *parts) = self._fetched(objects, [task.inputs, *task.parts])
        do = task.kind
        assert do != "deliver", "done elsewhere"
        # An earlier attempt has begun it already.
        if task.begins and task.attempt == 1 and (tenant, task.key) not in self._spent:
            self._started(task.begins, max(0, self._clock.now_ms() - event.event_time_ms) / 1000)
        work = RenderWork(do, task.operator, task.settings, inputs, task.seed, task.part, parts)
        rendered = self._rendered(event, work)
        if len(rendered.parts) > MAX_PARTS:
            raise BadMedia(
                f"{task.operator}: {len(rendered.parts)} parts; a stage has at most {MAX_PARTS}: make them longer",
                code="too_many_parts",
            )
        read = sum(path.stat().st_size for path in inputs.values())
        with self._transfers.one():
            outputs = self._stored(objects, task, rendered) if not rendered.parts else ()
        cost = self._charge(tenant, task, read, sum(file.size for file in outputs))
        return Known(outputs=outputs, parts=rendered.parts, cost=cost, made_ms=self._clock.now_ms())

    def _rendered(self, event: Event[TaskAsked], work: RenderWork) -> Rendered:
        """Meanwhile the broker and the coordinator hear that it goes on."""
        tenant, task = event.tenant, event.data
        share, told_s, wanted = 0.0, self._clock.monotonic_s(), True

        def stop() -> bool:
            nonlocal told_s, wanted
            wanted = self._alive()
            if self._clock.monotonic_s() - told_s >= TOLD_EVERY_S:
                told_s = self._clock.monotonic_s()
                self._tell(event, share)
            return not wanted or self._canceled.canceled(tenant, task.job)

        def progress(found: float) -> None:
            nonlocal share
            share = min(1.0, max(share, found))

        try:
            return self._renderer.run(work, stop=stop, progress=progress)
        except Stopped:
            if wanted:
                raise
            self._charge(tenant, task)
            raise Unavailable(
                f"{task.operator}: given up, as this process ends; another one begins it again", code="work_given_up"
            ) from None
        except StageError:
            self._charge(tenant, task)
            raise

    def _alive(self) -> bool:
        return self._at_work is None or self._at_work.alive()

    def _tell(self, event: Event[TaskAsked], share: float) -> None:
        if self._at_work is not None:
            task, now_ms = event.data, self._clock.now_ms()
            goes_on = TaskContinued(job=task.job, key=task.key, attempt=task.attempt, share=share)
            named = typed_digest("task continued", event.tenant, task.key, task.attempt, now_ms)
            self._at_work.send(event.derive(goes_on, id=named))

    def _fetched(self, objects: ContentObjects, wanted: Sequence[Mapping[str, Digest]]) -> list[dict[str, Path]]:
        """Local files. Raises `LostObject` with all that are gone: they are made again together."""
        found: list[dict[str, Path]] = []
        lost: list[Digest] = []
        for files in wanted:
            found.append({})
            for name, digest in files.items():
                try:
                    found[-1][name] = objects.fetch(digest, self._renderer.scratch)
                except LostObject as error:
                    lost += error.digests
        if lost:
            raise LostObject(*lost)
        return found

    def _stored(self, objects: ContentObjects, task: TaskAsked, rendered: Rendered) -> tuple[StoredFile, ...]:
        expected = self._operators.outputs(task.operator, task.settings)
        # What a part holds is between the operator and its own joining.
        if task.kind == "part":
            expected = {name: expected.get(name, _PART_TYPE) for name in rendered.files}
        _compare(task.operator, expected, rendered.files)
        stored = []
        for name, media_type in expected.items():
            digest, size = objects.put(rendered.files[name])
            stored.append(StoredFile(name=name, digest=digest, size=size, media_type=media_type))
        return tuple(stored)

    def _delivered(self, tenant: str, task: TaskAsked) -> Known:
        begun_s = self._clock.monotonic_s()
        with self._transfers.one():
            outputs = self._delivery.deliver(tenant, task, self._renderer.scratch)
        # Without a place they stay where they are: nothing was brought anywhere.
        written = sum(file.size for file in outputs) if task.settings["to"] else 0
        cost = self._add(tenant, task, TaskCost(wall_s=self._clock.monotonic_s() - begun_s, written_bytes=written))
        return Known(outputs=outputs, cost=cost, made_ms=self._clock.now_ms())

    def _charge(self, tenant: str, task: TaskAsked, read_bytes: int = 0, written_bytes: int = 0) -> TaskCost:
        """What the child has used for it, earlier attempts included."""
        cpu_s, wall_s = self._renderer.spent
        return self._add(
            tenant, task, TaskCost(cpu_s=cpu_s, wall_s=wall_s, read_bytes=read_bytes, written_bytes=written_bytes)
        )

    def _add(self, tenant: str, task: TaskAsked, cost: TaskCost) -> TaskCost:
        key = tenant, task.key
        self._spent[key] = self._spent.pop(key, TaskCost()) + cost
        while len(self._spent) > MAX_KEPT:
            del self._spent[next(iter(self._spent))]
        return self._spent[key]

    @staticmethod
    def _ended(event: Event[TaskAsked], ended: TaskEnded) -> Event:
        return event.derive(ended, id=typed_digest("task ended", event.tenant, ended.key, ended.attempt))


def _compare(operator: str, expected: Mapping[str, str], files: Mapping[str, Path]) -> None:
    if set(expected) != set(files) or not files:
        wanted, found = ", ".join(sorted(expected)), ", ".join(sorted(files)) or "nothing"
        raise BadMedia(f"a defect of {operator}: it wrote {found} instead of {wanted}", code="operator_defect")


def _end(task: TaskAsked, outcome: str, cost: TaskCost, known: Known | None = None) -> TaskEnded:
    return TaskEnded.model_validate(
        {
            "job": task.job,
            "variant": task.variant,
            "kind": task.kind,
            "key": task.key,
            "attempt": task.attempt,
            "outcome": outcome,
            "cost": cost,
            "outputs": known.outputs if known else (),
            "parts": known.parts if known else (),
        }
    )
