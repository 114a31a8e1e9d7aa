"""How long a tenant's objects are kept: assets, descriptions, manifests and content credentials for ever, finals too
unless somebody says otherwise; results of stages, and parts of them, as long as is said.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pydantic import ValidationError

from sinks.objects.retention import Expired, Written, expire
from stream.clock import Clock
from stream.errors import BadRequest, Unavailable
from stream.events.jobs import JobSpec
from stream.events.objects import Digest, LostObject, digest_of
from stream.jobs.descriptions import MAX_SPEC_BYTES
from stream.jobs.manifest import delivered_of, finals_of, opened
from stream.jobs.removals import REMOVED_WITHIN_MS, tell_removal
from stream.jobs.reports import FOLDER, is_final, tenant_folder, tenant_named
from stream.jobs.states import JobState, VariantState
from stream.pipelines.jobs import JobPipeline

_log = logging.getLogger(__name__)
_DAY_MS = 86_400_000
_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class KeptFor:
    """Days since they were written. `results`: of stages of finished variants, which later jobs may share. `parts`:
    whatever else is no final, such as parts of stages, steps of denoising, and what unfinished variants have left.
    `finals`: days since their job ended; None: for ever.
    """

    results: float
    parts: float
    finals: float | None = None

    def before(self, now_ms: int) -> "Before":
        results, parts = (now_ms - round(days * _DAY_MS) for days in (self.results, self.parts))
        return Before(results, parts, None if self.finals is None else now_ms - round(self.finals * _DAY_MS))


@dataclass(frozen=True, slots=True)
class Before:
    """Times in ms. Results of stages and parts that were written earlier are removed, and finals of jobs that ended
    earlier; None: no finals.
    """

    results_ms: int
    parts_ms: int
    finals_ms: int | None = None


def clean(jobs: JobPipeline, tenant: str, before: Before, going: Callable[[], bool] = lambda: True) -> Expired:
    """Remove what is older, and was written before the oldest job was submitted that has not ended. Of a job with
    blocked variants their finals stay: somebody may release them. It ends early where `going` says so. Raises
    `Unavailable`.
    """
    jobs.store.documents.tidy(tenant_folder(tenant))
    needed = _Needed(jobs, tenant, before, going)
    return expire(jobs.store, tenant, max(before.results_ms, before.parts_ms), needed.free, going)


class JobRetention:
    """Cleans the objects of all tenants, from beside the workers."""

    def __init__(self, jobs: JobPipeline, keep: KeptFor, clock: Clock, *, every_s: float = _EVERY_S) -> None:
        self._jobs = jobs
        self._keep = keep
        self._clock = clock
        self._every_s = every_s

    def run(self, stop: threading.Event) -> None:
        """Again and again until `stop`, but not at once: at its start the coordinator has not read yet what was
        submitted while it was away.
        """
        while not stop.wait(self._every_s):
            self.step(lambda: not stop.is_set())

    def step(self, going: Callable[[], bool] = lambda: True) -> Expired:
        """What is gone. A store that does not answer is asked again the next time."""
        before, gone = self._keep.before(self._clock.now_ms()), Expired()
        try:
            for folder in takewhile(lambda _: going(), self._jobs.store.documents.folders(FOLDER)):
                gone += clean(self._jobs, tenant_named(folder), before, going)
        except Unavailable as error:
            _log.warning("intermediates of jobs are not removed now, %s (%s)", error.message, error.code)
        if gone.objects:
            _log.info("intermediates of jobs: %d objects, %d bytes are gone", gone.objects, gone.bytes)
        return gone


class _Needed:
    """What has to stay of a tenant's objects. Each time that it is asked it reads what has come since."""

    def __init__(self, jobs: JobPipeline, tenant: str, before: Before, going: Callable[[], bool]) -> None:
        self._documents = jobs.store.documents
        self._objects = jobs.store.of(tenant)
        self._folder = tenant_folder(tenant)
        self._before = before
        self._going = going
        self._ended: dict[str, int] = {}
        self._described: set[Digest] = set()
        self._read: set[str] = set()
        self._kept: set[Digest] = set()
        self._results: set[Digest] = set()
        self._tenant = tenant
        self._clock = jobs.clock
        self._looked = False

    def free(self, written: Sequence[Written]) -> Iterable[Written]:
        """Those that may go. None may where reading was cut off. From the second time on it is told of them before it
        is looked, and until the last of them is taken.
        """
        if not self._looked:
            self._looked = True
            return self._free(written)
        return self._told_free(written)

    def _told_free(self, written: Sequence[Written]) -> Iterator[Written]:
        until_s = self._clock.monotonic_s() + REMOVED_WITHIN_MS / 1000
        tell_removal(self._documents, self._tenant, [digest for digest, _, _ in written], self._clock.now_ms())
        try:
            # The next pass takes what there is no time for.
            yield from takewhile(lambda _: self._clock.monotonic_s() < until_s, self._free(written))
        finally:
            tell_removal(self._documents, self._tenant, (), self._clock.now_ms())

    def _free(self, written: Sequence[Written]) -> list[Written]:
        # First the states: a job that has ended by then has all of its manifests.
        running = list(self._running())
        self._look_at_manifests()
        if not self._going():
            return []
        results_ms, parts_ms = min([self._before.results_ms, *running]), min([self._before.parts_ms, *running])
        return [
            (digest, size, written_ms)
            for digest, size, written_ms in written
            if digest not in self._kept and written_ms < (results_ms if digest in self._results else parts_ms)
        ]

    def _running(self) -> Iterator[int]:
        """When the jobs were submitted that have not ended. All are read each time: one that had ended may be begun
        again.
        """
        self._ended.clear()
        for job in self._documents.folders(self._folder):
            if not self._going():
                return
            name = f"{self._folder}/{job}/status.json"
            if (content := self._documents.read(name)) is None:
                continue
            status = json.loads(content)
            self._keep_described(status["spec"])
            if status["state"] == JobState.BLOCKED:
                # One that was taken up again while its table was read has released what it held.
                if not self._keep_held(job) or self._documents.read(name) != content:
                    yield int(status["submitted_ms"])
            elif is_final(status):
                self._ended[job] = int(status["ended_ms"] or 0)
            else:
                yield int(status["submitted_ms"])

    def _keep_held(self, job: str) -> bool:
        """Keep what blocked variants of a job deliver when they are released; they have no manifest. False where the
        table of variants does not tell, as a coordinator of an earlier release has written it.
        """
        content = self._documents.read(f"{self._folder}/{job}/variants.json")
        blocked = [row for row in json.loads(content or b"[]") if row["state"] == VariantState.BLOCKED]
        self._kept.update(digest for row in blocked for digest in row.get("held", ()))
        return bool(blocked) and all("held" in row for row in blocked)

    def _keep_described(self, digest: Digest) -> None:
        if digest in self._described:
            return
        self._described.add(digest)
        self._kept.add(digest)
        try:
            spec = JobSpec.model_validate_json(self._objects.read(digest, MAX_SPEC_BYTES))
        except (LostObject, ValidationError):
            return
        self._kept.update(asset.digest for asset in spec.assets.values())

    def _look_at_manifests(self) -> None:
        names = list(takewhile(lambda _: self._going(), self._documents.names(self._folder)))
        for name in takewhile(lambda _: self._going(), names):
            _, _, job, *rest = name.split("/")
            if rest[:1] == ["manifests"] and name not in self._read:
                self._read.add(name)
                self._keep_made(job, self._documents.read(name))

    def _keep_made(self, job: str, envelope: bytes | None) -> None:
        if envelope is None:
            return
        self._kept.add(digest_of(envelope))
        try:
            statement = opened(envelope)
        except BadRequest:
            return  # it is no manifest
        ended_ms, finals_ms = self._ended.get(job), self._before.finals_ms
        over = ended_ms is not None and finals_ms is not None and ended_ms < finals_ms
        self._kept.update(_given(statement, finals=not over))
        self._results.update(_results(statement))


def _given(statement: Mapping[str, Any], *, finals: bool) -> Iterator[Digest]:
    """What came out: finals, and content credentials, which are made of random numbers: a delivery that is tried again
    would bring others.
    """
    try:
        yield from (final.digest for final in finals_of(statement) if finals)
        yield from (file.digest for file in delivered_of(statement) if file.kind != "final")
    except BadRequest:
        return


def _results(statement: Mapping[str, Any]) -> Iterator[Digest]:
    stages = statement["predicate"]["buildDefinition"].get("internalParameters", {}).get("stages", ())
    for stage in stages:
        yield from stage.get("outputs", {}).values()
