"""How one variant comes from stage to stage: what it waits for, and what follows when that is there."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from stream.errors import BadRequest, Fatal, StageError, Unavailable
from stream.events.jobs import TaskAsked, TaskKind
from stream.events.objects import Digest, StoredFile
from stream.jobs.budgets import VARIANT_STOPPED
from stream.jobs.delivering import delivery_task
from stream.jobs.descriptions import Description, Descriptions, Operators
from stream.jobs.keys import divide_key, join_key, part_key
from stream.jobs.objects import by_name
from stream.jobs.ready_stages import ReadyStage, ReadyStages
from stream.jobs.register import JobRegister, JobRow, Need, VariantRow, files_json
from stream.jobs.reviews import Reviews
from stream.jobs.spending import VariantCosts
from stream.jobs.template import LANES
from stream.media.protocol import FOLLOWS

MAX_LOSSES = 5
MAX_TASK_BYTES = 4 << 20
"""Well below what the topic of tasks takes, which a coordinator could not send at all."""


class VariantProgress:
    """Works within the transaction of its caller."""

    def __init__(
        self,
        register: JobRegister,
        descriptions: Descriptions,
        operators: Operators,
        costs: VariantCosts,
        reviews: Reviews,
    ) -> None:
        self._register = register
        self._descriptions = descriptions
        self._operators = operators
        self._costs = costs
        self._reviews = reviews
        self._stages = ReadyStages(register, operators)

    def advance(self, job_id: int, number: int) -> None:
        """Take a variant as far as what is known allows, and enter what it waits for then."""
        job, variant = self._register.job_by_id(job_id), self._register.variant(job_id, number)
        if variant.state != "running":
            return
        with self._judging(job_id, number):
            described = self._descriptions.of(job.tenant, job.spec)
            while self._step(job, self._register.variant(job_id, number), described):
                pass

    def next_work(self, job: JobRow, number: int) -> ReadyStage | TaskAsked | None:
        """What comes next of a running variant that waits for nothing: a stage, or its delivery. None where it waits,
        now that it has been looked at, or has ended by it.
        """
        variant = self._register.variant(job.id, number)
        with self._judging(job.id, number):
            described = self._descriptions.of(job.tenant, job.spec)
            if variant.stage < len(described.template.stages):
                return self._stages.of(job, variant, described)
            if (told := self._reviewed(job, variant, described)) is not None:
                return self._delivery(job, variant, described, told)
        return None

    def take(self, job: JobRow, number: int, work: ReadyStage | TaskAsked, outputs: Sequence[StoredFile]) -> None:
        """`next_work` is known: go on as if it had been done."""
        variant = self._register.variant(job.id, number)
        self._register.change("UPDATE job SET reused = reused + 1 WHERE id = ?", job.id)
        if isinstance(work, ReadyStage):
            self._finish(variant, work.key, outputs, work.amount)
        else:
            self._deliver(variant, outputs)

    @contextmanager
    def _judging(self, job: int, number: int) -> Iterator[None]:
        """What is wrong with a variant fails that one alone."""
        try:
            yield
        except (Unavailable, Fatal):
            raise  # the store or the disk: nothing that is wrong with the variant
        except StageError as error:
            self.fail_variant(job, number, error.code, error.message)
        except Exception as error:  # noqa: BLE001 - of an operator; what one job does wrong must not end another's work
            where = traceback.extract_tb(error.__traceback__)[-1]
            message = f"a defect: {type(error).__name__} in {PurePath(where.filename).name}:{where.lineno}"
            self.fail_variant(job, number, "operator_defect", message)

    def lost(self, need: Need, missing: set[Digest]) -> None:
        """Objects are gone: make what they were made of again."""
        variant = self._register.variant(need.job, need.number)
        if variant.losses >= MAX_LOSSES:
            message = f"objects of it were lost {MAX_LOSSES} times: look at the disk of the object store, then retry"
            self.fail_variant(need.job, need.number, "objects_lost", message)
            return
        finished = self._register.finished(need.job, need.number)
        stages = [index for index, files in finished.items() if missing & {file.digest for file in files}]
        own = self._register.needs(need.job, need.number, need.stage)
        parts = any(missing & {file.digest for file in each.outputs or ()} for each in own)
        if not stages and not parts:
            message = "an asset of the job is gone from the object store: submit the job again under another name"
            self.fail_variant(need.job, need.number, "objects_lost", message)
            return
        first = min([need.stage, *stages])
        self.drop_needs(need.job, need.number)
        self._register.change(
            "DELETE FROM finished WHERE job = ? AND number = ? AND stage >= ?", need.job, need.number, first
        )
        self._register.change(
            "UPDATE variant SET stage = ?, losses = losses + 1 WHERE job = ? AND number = ?",
            first,
            need.job,
            need.number,
        )
        self.advance(need.job, need.number)

    def fail_variant(self, job: int, number: int, code: str, message: str) -> None:
        self.drop_needs(job, number)
        self._register.change(
            "UPDATE variant SET code = ?, message = ? WHERE job = ? AND number = ?", code, message, job, number
        )
        self._end_variant(job, number, "failed")

    def finals(self, job: JobRow, number: int, described: Description) -> list[tuple[str, StoredFile]]:
        """(stage, file) of a finished variant, in the template's order."""
        finished = self._register.finished(job.id, number)
        found = []
        for text in described.template.finals:
            stage, _, name = text.partition("/")
            files = finished[described.index_of(stage)]
            file = by_name(files).get(name) if name else files[0]
            if file is None:
                raise BadRequest(f"finals: stage {stage} has no output {name!r}", code="template_invalid")
            found.append((stage, file))
        return found

    def drop_needs(self, job: int, number: int) -> None:
        """The variant waits for nothing any more; tasks that nobody else waits for and nobody works on go with it."""
        tasks = self._register.all(
            "SELECT DISTINCT task FROM need WHERE job = ? AND number = ? AND task IS NOT NULL", job, number
        )
        self._register.change("DELETE FROM need WHERE job = ? AND number = ?", job, number)
        for row in tasks:
            self._register.change(
                "DELETE FROM task WHERE id = ? AND asked = 0 AND NOT EXISTS (SELECT 1 FROM need WHERE task = task.id)",
                row["task"],
            )

    def _step(self, job: JobRow, variant: VariantRow, described: Description) -> bool:
        """Whether the variant came to its next stage."""
        if variant.stage >= len(described.template.stages):
            return self._step_out(job, variant, described)
        if self._register.waits(job.id, variant.number, variant.stage):
            _require_budget(job, variant)
            return False
        needs = self._register.needs(job.id, variant.number, variant.stage)
        outputs = self._outputs_of(job, variant, described, needs)
        if outputs is None:
            return False
        begin = next(need for need in needs if need.kind == "begin")
        self._forget_needs(job.id, variant.number, variant.stage)
        self._finish(variant, begin.stage_key, outputs, begin.amount)
        return True

    def _finish(self, variant: VariantRow, key: str, outputs: Sequence[StoredFile], amount: float | None) -> None:
        """The variant comes to its next stage."""
        self._register.change(
            "INSERT OR REPLACE INTO finished (job, number, stage, key, outputs, amount) VALUES (?, ?, ?, ?, ?, ?)",
            variant.job,
            variant.number,
            variant.stage,
            key,
            files_json(outputs),
            amount,
        )
        self._register.change(
            "UPDATE variant SET stage = stage + 1 WHERE job = ? AND number = ?", variant.job, variant.number
        )

    def _outputs_of(
        self, job: JobRow, variant: VariantRow, described: Description, needs: Sequence[Need]
    ) -> tuple[StoredFile, ...] | None:
        """The outputs of a variant's present stage; None where it waits for them, and then what it needs is entered."""
        if not needs:
            ready = self._stages.of(job, variant, described)
            self._enter(job, variant, ready, "begin", 0, divide_key(ready.key))
            return None
        begin = next(need for need in needs if need.kind == "begin")
        if begin.outputs is None:
            return None
        if begin.parts is None:
            return begin.outputs
        parts = [need for need in needs if need.kind == "part"]
        if self._enter_parts(job, variant, described, begin.parts, parts):
            return None
        if any(need.outputs is None for need in parts):
            return None
        join = next((need for need in needs if need.kind == "join"), None)
        if join is None:
            ready = self._stages.of(job, variant, described)
            ordered = sorted(parts, key=lambda need: need.part)
            made = [{file.name: file.digest for file in need.outputs or ()} for need in ordered]
            self._enter(job, variant, ready, "join", 0, join_key(ready.key, made), parts=tuple(made))
            return None
        return join.outputs

    def _enter_parts(
        self,
        job: JobRow,
        variant: VariantRow,
        described: Description,
        parts: Sequence[dict[str, Any]],
        needs: Sequence[Need],
    ) -> bool:
        """Enter the parts that can be worked on now. A part that follows another one waits for what that one wrote."""
        there = {need.part: need.outputs for need in needs}
        ready: ReadyStage | None = None
        for index, part in enumerate(parts):
            before = there.get(index - 1) if index and part.get(FOLLOWS) is True else ()
            if index in there or before is None:
                continue
            ready = ready or self._stages.of(job, variant, described).share(len(parts))
            given = ({file.name: file.digest for file in before},) if before else ()
            self._enter(job, variant, ready, "part", index, part_key(ready.key, part), part=part, parts=given)
        return ready is not None

    def _step_out(self, job: JobRow, variant: VariantRow, described: Description) -> bool:
        """All stages are done: write the manifest and deliver the finals; then the variant is done."""
        needs = self._register.needs(job.id, variant.number, variant.stage)
        if not needs:
            if (told := self._reviewed(job, variant, described)) is not None:
                # What is brought grows with the largest of the pictures.
                amounts = self._register.amounts(job.id, variant.number).values()
                task = self._delivery(job, variant, described, told)
                self._need(job, variant, task, 0, max(amounts, default=None))
            return False
        if needs[0].outputs is None:
            return False
        self._forget_needs(job.id, variant.number, variant.stage)
        self._deliver(variant, needs[0].outputs)
        return False

    def _deliver(self, variant: VariantRow, outputs: Sequence[StoredFile]) -> None:
        """The variant is done; the manifest is the last of its `outputs`."""
        self._register.change(
            "UPDATE variant SET manifest = ? WHERE job = ? AND number = ?",
            outputs[-1].digest if outputs else "",
            variant.job,
            variant.number,
        )
        self._end_variant(variant.job, variant.number, "done")

    def _enter(
        self, job: JobRow, variant: VariantRow, ready: ReadyStage, kind: TaskKind, place: int, key: str, **more: Any
    ) -> None:
        # Here, so that a stage that is done is kept: who raises the budget does not pay for it again.
        _require_budget(job, variant)
        # What is retried later was begun before.
        first = kind == "begin" and variant.number == variant.stage == 0 and not job.computed
        asked = TaskAsked(
            job=job.name,
            variant=variant.id,
            kind=kind,
            key=key,
            stage_key=ready.key,
            stage=ready.stage.name,
            operator=ready.stage.operator,
            settings=ready.settings,
            inputs=ready.inputs,
            seed=ready.stage.seed,
            toolchain=ready.toolchain,
            begins=LANES[job.rank] if first else "",
            **more,
        )
        self._need(job, variant, asked, place, ready.amount)

    def _delivery(self, job: JobRow, variant: VariantRow, described: Description, told: dict[str, Any]) -> TaskAsked:
        finals = self.finals(job, variant.number, described)
        delivered = sum(file.size for _, file in finals) if described.spec.deliver_to else 0
        facts = {
            "stages": self._stages.facts(job, variant, described),
            "cost": self._costs.told(variant, job.submitted_ms, delivered),
        }
        return delivery_task(job, variant, described, finals, facts | told)

    def _reviewed(self, job: JobRow, variant: VariantRow, described: Description) -> dict[str, Any] | None:
        """What the manifest says of moderation; None where nothing may be delivered, or not yet."""
        publishing = described.template.publish
        if publishing is None:
            return {}
        finals = {f"{stage}/{file.name}": file for stage, file in self.finals(job, variant.number, described)}
        told, objections = self._reviews.judge(job, variant, publishing.moderation, finals)
        if objections:
            self._block(job, variant, objections)
        return told

    def _block(self, job: JobRow, variant: VariantRow, objections: Sequence[str]) -> None:
        message = f"{'; '.join(objections)[:1500]}: look at it, then `rushes jobs release` delivers it"
        self._register.tell_variant(job.id, variant.number, code="moderation_blocked", message=message)
        self._end_variant(job.id, variant.number, "blocked")

    def _need(self, job: JobRow, variant: VariantRow, asked: TaskAsked, place: int, amount: float | None) -> None:
        """Wait for a task: for one that is there already, whoever entered it, or for a new one."""
        body = asked.to_bytes()
        if len(body) > MAX_TASK_BYTES:
            raise BadRequest(
                f"stage {asked.stage}: its settings and inputs are {len(body)} bytes, of at most {MAX_TASK_BYTES}",
                code="template_invalid",
            )
        task = self._register.task(job.tenant, asked.key)
        if task is None:
            self._register.change(
                "INSERT INTO task (tenant, key, job, rank, stage, operator, kind, amount, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                job.tenant,
                asked.key,
                job.id,
                job.rank,
                variant.stage,
                asked.operator,
                asked.kind,
                amount,
                body.decode(),
            )
            task = self._register.task(job.tenant, asked.key)
            assert task is not None, "it was just entered"
        elif job.rank < task.rank:
            # Somebody waits for it now who is served earlier.
            self._register.change("UPDATE task SET rank = ? WHERE id = ?", job.rank, task.id)
        self._register.change(
            "INSERT OR REPLACE INTO need (job, number, stage, kind, part, task, stage_key, amount)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            job.id,
            variant.number,
            variant.stage,
            asked.kind,
            place,
            task.id,
            asked.stage_key,
            amount,
        )

    def _end_variant(self, job: int, number: int, state: str) -> None:
        changed = self._register.change(
            "UPDATE variant SET state = ? WHERE job = ? AND number = ? AND state = 'running'", state, job, number
        )
        if changed:
            self._register.change(f"UPDATE job SET {state} = {state} + 1 WHERE id = ?", job)  # noqa: S608 - our words

    def _forget_needs(self, job: int, number: int, stage: int) -> None:
        self._register.change("DELETE FROM need WHERE job = ? AND number = ? AND stage = ?", job, number, stage)


def _require_budget(job: JobRow, variant: VariantRow) -> None:
    """Raises `BadRequest` (`variant_budget`)."""
    if job.variant_cpu_s is not None and variant.cpu_s > job.variant_cpu_s:
        raise BadRequest(
            f"the variant has used {variant.cpu_s:.1f} of its {job.variant_cpu_s:.1f} CPU seconds: raise the limit with"
            " `rushes jobs budget`",
            code=VARIANT_STOPPED,
        )
