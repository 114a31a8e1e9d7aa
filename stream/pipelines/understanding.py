"""The understanding topology: from assets to searchable moments. It composes decoders, models and sinks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream.clock import Clock, SystemClock
from stream.events.aim import Aim
from stream.events.annotations import Annotations
from stream.events.asset import Media, Outcome
from stream.events.grid import CONTEXT_NS, SECOND_NS
from stream.operators.caption import CaptionOperator
from stream.operators.decode import DecodeOperator
from stream.operators.notifications import BucketRule, NotificationOperator
from stream.operators.plan import PlanOperator
from stream.operators.understand import UnderstandOperator, held_device_usage, process_usage
from stream.pipelines.gate import gate_stage
from stream.pipelines.settings import NONE, ModelChoice, Settings
from stream.pipelines.stages import CAPTION, DECODE, INDEX, PARQUET, PLAN, UNDERSTAND
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.stage import BatchPolicy, Launch, Operator, Resources, Role, Scaling, Stage, Volume
from stream.topology.tenants import ANY_TENANT, Tenants
from stream.topology.topics import (
    ANNOTATIONS,
    ASSETS,
    DEAD_LETTERS,
    FRAMES,
    NOTIFICATIONS,
    PROGRESS,
    RETIREMENTS,
    SPANS,
    TOPICS,
)
from stream.topology.topology import Topology

if TYPE_CHECKING:
    from decoders.sandbox.pool import DecodePool
    from models.bundle import Bundle
    from models.registry import ModelContext
    from sinks.location import Location
    from sinks.protocol import Sink
    from sinks.query.ledger import DeltaLedger, LanceLedger
    from sinks.store_size import StoreSize

MIB = 1024 * 1024
TENANTS_AT_ONCE = 4
"""The number of tenants that may use all of their credit at the same time."""
# A cell has about ten samples, so 16 cells fill batches of 64 pictures.
CUDA_BATCH = BatchPolicy(max_records=16, max_bytes=64 * MIB, max_wait_s=0.05)
# An accelerator waits for the host, which resizes pictures for it: it needs more threads than a CPU run.
CPU_THREADS, CUDA_THREADS = 2, 8


class Understanding:
    """Everything that one process of this pipeline shares. Heavy parts are made when a stage that needs them opens."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        epoch_ms: int,
        watch: Callable[[Annotations], None] | None = None,
        alone: bool = False,
        tenants: Tenants | None = None,
    ) -> None:
        """`watch` gets the annotations of each cell. `alone`: no other process works for this deployment. `tenants`:
        those with a topic of their own, as they are at any time.
        """
        self._alone = alone
        self.tenants = Tenants() if tenants is None else tenants
        self._watch = watch
        self.settings = settings
        self._clock = clock
        self._epoch_ms = epoch_ms

    @cached_property
    def pool(self) -> "DecodePool":
        """The pool of decode children, started on first use."""
        from decoders.sandbox.pool import ChildLimits, DecodePool
        from stream.pipelines.source_policies import SourcePolicies

        limit_s = self.settings.decode_limit_s
        limits = ChildLimits(self.settings.decode_memory_bytes, wall_s=limit_s, cpu_s=limit_s)
        return DecodePool(
            children=self.settings.decode_children,
            policy_of=SourcePolicies(self.settings, self.tenants),
            limits=limits,
            require_sandbox=self.settings.require_sandbox,
        )

    def start_decoders(self) -> None:
        """Begins the start of the decode children, and waits for none."""
        _ = self.pool

    def _with_pool(self, cpus: float, memory_bytes: int) -> Resources:
        """Resources of a stage with the pool. The spare memory lets every child reach its own limit: a child that does
        so ends alone, and the process stays below the container's limit.
        """
        most_bytes = self.settings.decode_children * self.settings.decode_memory_bytes
        return Resources(cpus=cpus, memory_bytes=memory_bytes, spare_bytes=most_bytes)

    @cached_property
    def bundle(self) -> "Bundle":
        """The models, not opened. Space and digest are known without weights."""
        from models.bundle import Bundle
        from models.registry import load

        chosen, context = self.settings.models, self._model_context()
        names = (chosen.shots, chosen.tagger, chosen.moderator, chosen.embedder)
        families = ("shots", "tagger", "moderator", "embedder")
        models = [
            None if name == NONE else load(family, name, context) for family, name in zip(families, names, strict=True)
        ]
        return Bundle(*models, device=context.device)

    @cached_property
    def aim(self) -> Aim:
        """What this process plans for and produces."""
        return Aim(space=self.bundle.space.key, understand=self.bundle.digest, epoch_ms=self._epoch_ms)

    @property
    def stores(self) -> "dict[str, StoreSize]":
        """The stores by the stage that writes them."""
        from sinks.store_size import StoreSize

        index, parquet = self.settings.stores
        return {INDEX: StoreSize(index, "the index"), PARQUET: StoreSize(parquet, "the Delta table")}

    def close(self) -> None:
        """Stops the decode children."""
        if "pool" in self.__dict__:
            self.pool.close()

    def topology(self, *, gated: bool = False) -> Topology:
        """The stages, checked. It loads nothing. `gated`: with the gate, if a tenant has a topic now."""
        topics = self.tenants.topics() if gated else {}
        gate = (gate_stage(topics, self.settings),) if topics else ()
        notified = (self._notifications(),) if self.settings.bucket_rules else ()
        caption = (self._caption(),) if self.settings.models.captioned else ()
        work = (self._plan(), self._decode(), self._understand(), *caption, *self._sinks())
        return Topology((*notified, *gate, *work), topics={**TOPICS, **topics})

    def _model_context(self) -> "ModelContext":
        from models.registry import ModelContext

        return ModelContext.of(self.settings.cache_dir, threads=self._model_threads, device=self._device)

    @property
    def _model_threads(self) -> int:
        return self.settings.model_threads or (CUDA_THREADS if self._device == "cuda" else CPU_THREADS)

    @cached_property
    def _device(self) -> str:
        from models.device.device import device_for

        return device_for(self.settings.model_device)

    def _notifications(self) -> Stage:
        rules = [BucketRule.parse(text) for text in self.settings.bucket_rules]
        return Stage(
            name=NOTIFICATIONS.name,
            sources=(NOTIFICATIONS.name,),
            targets=(ASSETS.name,),
            operator=lambda: NotificationOperator(rules),
            max_replicas=1,  # it remembers the order of changes (ADR 0022)
            role=Role.CONTROL,
            scaling=Scaling(prior_rate=1000.0),
            launch=Launch(
                arguments=tuple(word for rule in self.settings.bucket_rules for word in ("--bucket", rule)),
                observed_with="--notifications",
            ),
        )

    def _plan(self) -> Stage:
        return Stage(
            name=PLAN,
            sources=(ASSETS.name,),
            targets=(SPANS.name, ANNOTATIONS.name, PROGRESS.name),
            operator=self._plan_operator,
            throttled_by=(SPANS.name,),
            max_unread_bytes=4 * MIB,
            admission=AdmissionPolicy(
                tenant_credit=self.settings.tenant_credit_s,
                asset_credit=self.settings.tenant_credit_s / 2,
                credit=TENANTS_AT_ONCE * self.settings.tenant_credit_s,
                tenant_assets=self.settings.tenant_assets,
                assets=TENANTS_AT_ONCE * self.settings.tenant_assets,
            ),
            resources=self._with_pool(1.0, 1 << 30),
            role=Role.DECODE,
            scaling=Scaling(prior_rate=200.0, share=0.15),
            # It reads both ledgers, so it needs the stores' volume.
            launch=Launch(frozenset({"state", "cache", "media"}), same_models=True),
        )

    def _plan_operator(self) -> Operator[Any]:
        from decoders.plan import plan_spans, split_of
        from sinks.query.ledger import DeltaLedger, LanceLedger

        settings = self.settings
        dense = settings.models.shots != NONE

        def spans(media: Media, keyframes_ns: Sequence[int], wanted: Sequence[int], profile: str) -> Sequence[range]:
            return plan_spans(
                media,
                keyframes_ns,
                wanted,
                max_span_ns=round(settings.max_span_s * SECOND_NS),
                max_cost_cpu_s=settings.max_span_cost_cpu_s,
                profile=profile,
                # Elsewhere the children that will decode are other processes'.
                children=settings.decode_children if self._alone else 1,
                context_ns=CONTEXT_NS if dense else 0,
            )

        ledger = CurrentLedger(
            LanceLedger(settings.index_dir),
            DeltaLedger(settings.parquet_dir),
            self.bundle,
            captioned=settings.models.captioned,
        )
        return PlanOperator(self.pool, ledger, spans, self.pool.warm, aim=self.aim, dense=dense, split=split_of)

    def _decode(self) -> Stage:
        children = self.settings.decode_children
        return Stage(
            name=DECODE,
            sources=(SPANS.name,),
            targets=(FRAMES.name, ANNOTATIONS.name, PROGRESS.name),
            operator=lambda: DecodeOperator(self.pool, self.pool.warm),
            concurrency=children,
            # A film has all its spans here at once. A clip that comes later must not wait for them.
            in_turn=True,
            throttled_by=(FRAMES.name,),
            max_unread_bytes=48 * MIB,
            resources=self._with_pool(float(children), 2 << 30),
            role=Role.DECODE,
            scaling=Scaling(prior_rate=16.0, share=0.3),
            launch=Launch(frozenset({"media"})),
        )

    def _understand(self) -> Stage:
        on_cuda = self._device == "cuda"
        return Stage(
            name=UNDERSTAND,
            sources=(FRAMES.name,),
            targets=(ANNOTATIONS.name, PROGRESS.name),
            operator=lambda: UnderstandOperator(
                self.bundle,
                epoch_ms=self._epoch_ms,
                usage=held_device_usage if on_cuda else process_usage,
                watch=self._watch,
                alone=self._alone,
            ),
            # On a CPU larger batches gain nothing and delay the first cell.
            batch=CUDA_BATCH if on_cuda else BatchPolicy(),
            # Nor for the frames of a film, which is decoded faster than it is understood.
            in_turn=True,
            throttled_by=(ANNOTATIONS.name,),
            resources=Resources(cpus=float(self._model_threads), memory_bytes=4 << 30, gpus=1 if on_cuda else 0),
            role=Role.MODEL,
            scaling=Scaling(prior_rate=4.0),
            launch=Launch(frozenset({"cache"}), same_models=True),
        )

    def _caption(self) -> Stage:
        return Stage(
            name=CAPTION,
            sources=(ANNOTATIONS.name,),
            targets=(ANNOTATIONS.name,),
            operator=self._caption_operator,
            resources=Resources(cpus=float(self._model_threads), memory_bytes=4 << 30),
            role=Role.MODEL,
            scaling=Scaling(prior_rate=10.0),
            launch=Launch(frozenset({"cache"}), observed_with="--captions"),
        )

    def _caption_operator(self) -> Operator[Any]:
        from models.captions.recaption import ThumbnailCaptions
        from models.registry import load

        return CaptionOperator(
            ThumbnailCaptions(load("captioner", self.settings.models.captioner, self._model_context()))
        )

    def _sinks(self) -> Iterator[Stage]:
        # A commit costs as much as several cells (ADR 0015): a short asset is searchable at once, many cells share
        # commits.
        batch = BatchPolicy(max_records=64, max_bytes=32 * MIB, max_wait_s=0.05, min_interval_s=0.5, burst=4)
        store = Launch(frozenset({"state"}))
        index, parquet = self.settings.index_shards, self.settings.parquet_shards
        yield Stage(
            name=INDEX,
            sources=(ANNOTATIONS.name,),
            targets=(PROGRESS.name, RETIREMENTS.name, ASSETS.name),
            operator=self._index_operator,
            batch=batch,
            max_replicas=index,
            role=Role.SINK,
            settles=True,
            scaling=Scaling(prior_rate=200.0),
            launch=_divided(store, INDEX, index),
        )
        yield Stage(
            name=PARQUET,
            sources=(ANNOTATIONS.name, RETIREMENTS.name),
            targets=(PROGRESS.name,),
            operator=self._parquet_operator,
            batch=replace(batch, max_wait_s=0.5, min_interval_s=1.0),  # search does not read this store
            max_replicas=parquet,
            role=Role.SINK,
            scaling=Scaling(prior_rate=200.0),
            launch=_divided(store, PARQUET, parquet),
        )
        yield Stage(
            name=DEAD_LETTERS.name,
            sources=(DEAD_LETTERS.name, RETIREMENTS.name),
            targets=(),
            operator=self._dead_letter_operator,
            batch=batch,
            max_replicas=1,
            role=Role.SINK,
            scaling=Scaling(prior_rate=1000.0),
            launch=store,
        )

    def _index_operator(self) -> Operator[Any]:
        from sinks.lance.sink import LanceSink

        shards = self.settings.index_shards
        make = partial(LanceSink, clock=self._clock, min_free_bytes=self.settings.min_free_bytes, shards=shards)
        return self._sink(self.settings.index_dir, make, shards, "the index")

    def _parquet_operator(self) -> Operator[Any]:
        from sinks.delta.sink import DeltaSink

        make = partial(DeltaSink, clock=self._clock, min_free_bytes=self.settings.min_free_bytes)
        return self._sink(self.settings.parquet_dir, make, self.settings.parquet_shards, "the Delta table")

    def _sink(self, place: "Location", make: "Callable[[Location], Sink]", shards: int, name: str) -> Operator[Any]:
        from sinks.sharded.sink import sink_at

        return sink_at(place, make, shards=shards, name=name, clock=self._clock, alone=self._alone)

    def _dead_letter_operator(self) -> Operator[Any]:
        from sinks.dead_letters import DeadLetterSink

        return DeadLetterSink(self.settings.index_dir, self._clock)


class CurrentLedger:
    """The plan stage's view of the ledgers (ADR 0007). A cell is done if both stores hold it from the same write, in
    the present space, by the present models, and captioned where a captioner runs. A kill between the two writes leaves
    a cell in only one store, and an in-process broker does not deliver it again, so the cell is made again.
    """

    def __init__(self, index: "LanceLedger", delta: "DeltaLedger", bundle: "Bundle", *, captioned: bool) -> None:
        self._index = index
        self._delta = delta
        self._min_revision = 1 if captioned else 0
        self._space_key = bundle.space.key
        self._digest = bundle.digest

    def outcomes(self, segment_ids: Sequence[str]) -> dict[str, Outcome]:
        found = dict.fromkeys(self._index.failed(segment_ids), Outcome.FAILED)
        index, delta = (
            ledger.writes(segment_ids, self._space_key, self._digest, min_revision=self._min_revision)
            for ledger in (self._index, self._delta)
        )
        return found | {name: Outcome.DONE for name, order in index.items() if delta.get(name) == order}


def _divided(launch: Launch, stage: str, shards: int) -> Launch:
    return launch if shards == 1 else replace(launch, observed_with=f"--shards={stage}={shards}")


def needing(volume: Volume) -> frozenset[str]:
    """The stages that need this volume, including optional ones."""
    return frozenset(stage.name for stage in reference_topology().stages if volume in stage.launch.volumes)


def reference_topology(*, gated: bool = False) -> Topology:
    """The topology for documents, with every optional stage. It cannot be run: its settings name no folder.
    `gated`: with the gate too, which reads the topic of any one tenant."""
    settings = Settings(
        state_dir=Path(),
        cache_dir=Path(),
        models=ModelChoice(captioner="hf"),
        model_device="cpu",
        bucket_rules=("bucket/",),
    )
    return Understanding(settings, SystemClock(), epoch_ms=0, tenants=ANY_TENANT).topology(gated=gated)
