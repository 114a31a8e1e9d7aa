"""The task of a delivery: everything that a manifest says of a variant, and where its finals go."""

from collections.abc import Mapping, Sequence
from typing import Any

from stream.events.jobs import TaskAsked
from stream.events.objects import StoredFile
from stream.jobs.descriptions import Description
from stream.jobs.keys import digest_key
from stream.jobs.register import JobRow, VariantRow

DELIVERY = "deliver"


def delivery_task(
    job: JobRow,
    variant: VariantRow,
    described: Description,
    finals: Sequence[tuple[str, StoredFile]],
    told: Mapping[str, Any],
) -> TaskAsked:
    """`finals`: (stage, file). `told`: what else the manifest says: `stages`, `cost`, `moderation`."""
    settings: dict[str, Any] = {
        "spec": job.spec,
        "to": described.spec.deliver_to or "",
        "name": variant.name,
        "row": dict(described.variants[variant.number].row),
        "finals": [{"stage": stage, **file.model_dump()} for stage, file in finals],
        "assets": {name: asset.model_dump() for name, asset in described.spec.assets.items()},
        "started_ms": job.started_ms,
        **told,
    }
    # Not what it cost: the same finals of the same variant are delivered once.
    facts = {name: settings[name] for name in ("spec", "to", "finals", "stages")} | {"variant": variant.id}
    key = digest_key(DELIVERY, facts)
    return TaskAsked(
        job=job.name,
        variant=variant.id,
        kind="deliver",
        key=key,
        stage_key=key,
        stage=DELIVERY,
        operator=DELIVERY,
        settings=settings,
        inputs={f"{stage}/{file.name}": file.digest for stage, file in finals},
    )
