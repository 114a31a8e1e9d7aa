"""What of a tenant's objects is kept whatever its age: what jobs were made of, and what came out of them."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from sinks.objects.retention import Expired, expire
from stream.errors import BadRequest
from stream.events.jobs import JobSpec
from stream.events.objects import Digest, LostObject, digest_of
from stream.jobs.descriptions import MAX_SPEC_BYTES
from stream.jobs.manifest import delivered_of, finals_of, opened
from stream.jobs.reports import is_final, job_folder, tenant_folder
from stream.pipelines.jobs import JobPipeline


def clean(jobs: JobPipeline, tenant: str, before_ms: int) -> Expired:
    """Remove intermediates that were written before a time, and before the oldest job began that has not ended. Raises
    `Unavailable`.
    """
    jobs.store.documents.tidy(tenant_folder(tenant))
    statuses = list(_statuses(jobs, tenant))
    running = [int(status["submitted_ms"]) for status in statuses if not is_final(status)]
    kept = {digest for status in statuses for digest in _kept(jobs, tenant, status)}
    return expire(jobs.store, tenant, kept, min([before_ms, *running]))


def _statuses(jobs: JobPipeline, tenant: str) -> Iterator[dict[str, Any]]:
    documents = jobs.store.documents
    for name in list(documents.names(tenant_folder(tenant))):
        content = documents.read(name) if name.endswith("/status.json") else None
        if content is not None:
            yield json.loads(content)


def _kept(jobs: JobPipeline, tenant: str, status: dict[str, Any]) -> Iterator[Digest]:
    yield status["spec"]
    try:
        spec = JobSpec.model_validate_json(jobs.store.of(tenant).read(status["spec"], MAX_SPEC_BYTES))
        yield from (asset.digest for asset in spec.assets.values())
    except (LostObject, ValidationError):
        pass
    documents = jobs.store.documents
    for name in list(documents.names(f"{job_folder(tenant, status['job'])}/manifests")):
        if (envelope := documents.read(name)) is None:
            continue
        yield digest_of(envelope)
        try:
            statement = opened(envelope)
            yield from (final.digest for final in finals_of(statement))
            # Credentials are made of random numbers, too: lost ones could not be made again.
            yield from (file.digest for file in delivered_of(statement))
        except BadRequest:
            continue
