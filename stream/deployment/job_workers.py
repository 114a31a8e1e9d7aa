"""How the stages of jobs are started on a cluster: beside those of understanding, with the same image."""

from collections.abc import Sequence
from dataclasses import dataclass

from stream.deployment.webhook import Webhook
from stream.topology.stage import Stage

GRACE_S = 85
"""Renderers finish the parts in work, which takes longer than a cell of footage."""


def of_jobs(stage: Stage) -> bool:
    return stage.launch.command[:1] == ("jobs",)


def posts(stage: Stage) -> bool:
    """Whether a stage of jobs tells others and writes no topic: it needs no store, and none of its secrets."""
    return of_jobs(stage) and not stage.targets


@dataclass(frozen=True, slots=True)
class JobRollout:
    """`objects`: where files, results and states lie, an object store. The keys of the Secret `secret` are the
    environment of both stages: credentials of that store, and what signs manifests. `deliver_roots`: where finals may
    go. `webhook`: is told when jobs have ended. `keep_days`: of results of stages; `keep_parts_days`: of parts.
    """

    objects: str
    secret: str | None = None
    deliver_roots: Sequence[str] = ()
    webhook: Webhook | None = None
    keep_days: float | None = None
    keep_parts_days: float | None = None

    def arguments(self, stage: Stage, image: str, tasks_partitions: int) -> list[str]:
        """Of `rushes`, for a stage of the topology of jobs. `tasks_partitions`: of the topic of tasks."""
        if posts(stage):
            assert self.webhook is not None, "its topology has the stage"
            return [*stage.launch.command, stage.name, "--webhook", self.webhook.url]
        words = [*stage.launch.command, stage.name, "--objects", self.objects]
        if stage.max_replicas == 1:
            # As many again wait as all renderers can do at a time, so that none is ever idle.
            words += ["--slots", str(2 * tasks_partitions)]
            kept = {"--keep-days": self.keep_days, "--keep-parts-days": self.keep_parts_days}
            return words + [word for name, days in kept.items() if days is not None for word in (name, f"{days:g}")]
        words += ["--renderers", str(stage.concurrency)]
        words += [word for root in self.deliver_roots for word in ("--deliver-root", root)]
        _, digest, value = image.partition("@sha256:")
        return [*words, "--image-digest", f"sha256:{value}"] if digest else words
