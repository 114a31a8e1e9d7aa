"""How long a tenant's objects are kept: what jobs were made of and what came out of them for ever, unless somebody says
otherwise; results of stages, and parts of them, as long as is said.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sinks.objects.retention import Expired, expire
from stream.clock import Clock
from stream.errors import BadRequest, Unavailable
from stream.events.jobs import JobSpec
from stream.events.objects import Digest, LostObject, digest_of
from stream.jobs.descriptions import MAX_SPEC_BYTES
from stream.jobs.manifest import delivered_of, finals_of, opened
from stream.jobs.reports import FOLDER, is_final, job_folder, tenant_folder, tenant_named
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
    """Remove what is older, and was written before the oldest job began that has not ended. It ends early where
    `going` says so. Raises `Unavailable`.
    """
    jobs.store.documents.tidy(tenant_folder(tenant))
    statuses = list(_statuses(jobs, tenant))
    running = [int(status["submitted_ms"]) for status in statuses if not is_final(status)]
    results_ms, parts_ms = min([before.results_ms, *running]), min([before.parts_ms, *running])
    kept: set[Digest] = set()
    results: dict[Digest, int] = {}
    for status in statuses:
        kept.update(_described(jobs, tenant, status))
        over = before.finals_ms is not None and is_final(status) and (status["ended_ms"] or 0) < before.finals_ms
        for envelope, statement in _manifests(jobs, tenant, status):
            kept.add(digest_of(envelope))
            if statement is not None:
                kept.update(() if over else _given(statement))
                results.update(dict.fromkeys(_results(statement), results_ms))
    return expire(jobs.store, tenant, kept, parts_ms, results, going)


class JobRetention:
    """Cleans the objects of all tenants, from beside the workers."""

    def __init__(self, jobs: JobPipeline, keep: KeptFor, clock: Clock, *, every_s: float = _EVERY_S) -> None:
        self._jobs = jobs
        self._keep = keep
        self._clock = clock
        self._every_s = every_s

    def run(self, stop: threading.Event) -> None:
        """At once, and again until `stop`."""
        while not stop.is_set():
            self.step(lambda: not stop.is_set())
            stop.wait(self._every_s)

    def step(self, going: Callable[[], bool] = lambda: True) -> Expired:
        """What is gone. A store that does not answer is asked again the next time."""
        before, gone = self._keep.before(self._clock.now_ms()), Expired()
        try:
            for folder in self._jobs.store.documents.folders(FOLDER):
                gone += clean(self._jobs, tenant_named(folder), before, going)
        except Unavailable as error:
            _log.warning("intermediates of jobs are not removed now, %s (%s)", error.message, error.code)
        if gone.objects:
            _log.info("intermediates of jobs: %d objects, %d bytes are gone", gone.objects, gone.bytes)
        return gone


def _statuses(jobs: JobPipeline, tenant: str) -> Iterator[dict[str, Any]]:
    documents = jobs.store.documents
    for name in list(documents.names(tenant_folder(tenant))):
        content = documents.read(name) if name.endswith("/status.json") else None
        if content is not None:
            yield json.loads(content)


def _described(jobs: JobPipeline, tenant: str, status: dict[str, Any]) -> Iterator[Digest]:
    yield status["spec"]
    try:
        spec = JobSpec.model_validate_json(jobs.store.of(tenant).read(status["spec"], MAX_SPEC_BYTES))
        yield from (asset.digest for asset in spec.assets.values())
    except (LostObject, ValidationError):
        pass


def _manifests(jobs: JobPipeline, tenant: str, status: dict[str, Any]) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Each with its statement; None where it is no manifest."""
    documents = jobs.store.documents
    for name in list(documents.names(f"{job_folder(tenant, status['job'])}/manifests")):
        if (envelope := documents.read(name)) is not None:
            try:
                yield envelope, opened(envelope)
            except BadRequest:
                yield envelope, None


def _given(statement: Mapping[str, Any]) -> Iterator[Digest]:
    """What came out: finals, and what was delivered in their place."""
    try:
        yield from (final.digest for final in finals_of(statement))
        # Credentials are made of random numbers, too: lost ones could not be made again.
        yield from (file.digest for file in delivered_of(statement))
    except BadRequest:
        return


def _results(statement: Mapping[str, Any]) -> Iterator[Digest]:
    stages = statement["predicate"]["buildDefinition"].get("internalParameters", {}).get("stages", ())
    for stage in stages:
        yield from stage.get("outputs", {}).values()
