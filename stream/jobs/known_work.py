"""Variants of which the ledger knows results: taken as they are, many together, without a task on any topic."""

from collections.abc import Mapping, Sequence

from stream.clock import Clock
from stream.events.jobs import TaskAsked
from stream.events.objects import Known
from stream.jobs.descriptions import Descriptions
from stream.jobs.objects import Documents
from stream.jobs.ready_stages import ReadyStage
from stream.jobs.register import JobRegister, JobRow
from stream.jobs.reports import job_folder, manifest_name
from stream.jobs.variant_progress import VariantProgress

SLICE = 50
"""Variants that are looked up together: what is urgent waits for one slice."""


class KnownWork:
    """Works within the transaction of its caller. A look that finds nothing costs a request to the store, so it is
    made for jobs alone of which something was found to be known, by a worker or by the look before.
    """

    def __init__(
        self,
        register: JobRegister,
        progress: VariantProgress,
        descriptions: Descriptions,
        documents: Documents | None,
        clock: Clock,
    ) -> None:
        """Without `documents`, workers see to every delivery."""
        self._register = register
        self._progress = progress
        self._objects = descriptions.objects
        self._documents = documents
        self._clock = clock
        self._manifests: dict[int, frozenset[str]] = {}

    def found(self, job: JobRow) -> None:
        """Some work of it was known."""
        if job.id not in self._manifests:
            folder = f"{job_folder(job.tenant, job.name)}/manifests"
            names = () if self._documents is None else self._documents.names(folder)
            self._manifests[job.id] = frozenset(names)

    def expects(self, job: int) -> bool:
        """Whether more of it may be known."""
        return job in self._manifests

    def open(self, job_id: int) -> None:
        """Begin the next variants of a job, and take each as far as it is known; what is not is asked for as usual."""
        numbers = self._begun(job_id)
        job, taken = self._register.job_by_id(job_id), 0
        while numbers:
            works = [(number, work) for number in numbers if (work := self._progress.next_work(job, number))]
            known = self._known(job, [work for _, work in works])
            numbers = []
            for number, work in works:
                if (found := known.get(work.key)) is None:
                    self._progress.advance(job.id, number)
                    continue
                self._progress.take(job, number, work, found.outputs)
                taken += 1
                if isinstance(work, ReadyStage):
                    numbers.append(number)
        if not taken or not self._register.job_by_id(job_id).waiting:
            del self._manifests[job_id]

    def _begun(self, job: int) -> list[int]:
        rows = self._register.all(
            "SELECT number FROM variant WHERE job = ? AND state = 'waiting' ORDER BY number LIMIT ?", job, SLICE
        )
        numbers = [int(row["number"]) for row in rows]
        for number in numbers:
            self._register.change("UPDATE variant SET state = 'running' WHERE job = ? AND number = ?", job, number)
        self._register.change(
            "UPDATE job SET waiting = ?, started_ms = COALESCE(started_ms, ?) WHERE id = ?",
            self._register.waiting(job),
            self._clock.now_ms(),
            job,
        )
        return numbers

    def _known(self, job: JobRow, works: Sequence[ReadyStage | TaskAsked]) -> Mapping[str, Known]:
        # A delivery is known by its manifest too, and what lies outside of the store is for workers to look at.
        keys = [
            work.key
            for work in works
            if isinstance(work, ReadyStage)
            or (
                not work.settings["to"] and manifest_name(job.tenant, job.name, work.variant) in self._manifests[job.id]
            )
        ]
        return self._objects(job.tenant).known_of(keys)
