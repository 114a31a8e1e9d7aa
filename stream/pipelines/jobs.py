"""The job topology: submissions to finals. It composes the coordinator, media operators and the store of objects."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.weights.fetch import WeightsCache, pins
from sinks.location import Location
from sinks.objects.delivery import Extra, ObjectDelivery
from sinks.objects.delivery_roots import DeliveryRoot
from sinks.objects.store import ObjectStore
from stream.audit.keys import make_key, read_key
from stream.clock import Clock
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.events.jobs import TaskAsked
from stream.jobs.manifest import Delivered, RunFacts, signed, statement_of
from stream.jobs.prices import GIB, PriceTable
from stream.jobs.reports import manifest_name
from stream.jobs.watching import CancelWatch
from stream.media import REGISTRY
from stream.media.catalogue import OperatorCatalogue
from stream.media.credentials import ContentCredentials, CredentialSettings
from stream.media.model_files import ModelFiles, PinnedFile
from stream.media.rendering import Renderer, RenderLimits
from stream.operators.coordinate import CoordinateOperator, Desk
from stream.operators.render import AroundTask, RenderOperator, Started, TaskRenderer, unaudited
from stream.pipelines.job_credentials import FinalCredentials
from stream.pipelines.job_verdicts import StoredVerdicts
from stream.pipelines.kept_finals import KeptFinals
from stream.topology.stage import BatchPolicy, Launch, Operator, Resources, RetryPolicy, Role, Scaling, Stage
from stream.topology.topics import ASSETS, ENDINGS, JOB_TOPICS, JOBS, OUTCOMES, TASKS, URGENT_TASKS
from stream.topology.topology import Topology
from stream.topology.unit import Unit

if TYPE_CHECKING:
    from stream.operators.webhook import WebhookSettings

COORDINATE, RENDER, NOTIFY = "coordinate", "render", "notify"
_COMMAND, _OBSERVED_WITH = ("jobs", "run"), "--jobs"
WORK_UNIT = Unit("tasks", "tasks")
MOST_BYTES = 100 * GIB
"""What variants in work may have written before no more are begun."""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """`objects`: where files, results and documents lie. `register`: the coordinator's file. `scratch`: temporary
    folders of renderers, best on the file system of the objects. `renderers`: tasks that this process does at a time;
    `slots`: those that are asked for at a time in the whole deployment. `deliver_roots`: as `DeliveryRoot.parse` takes
    them. `lost_after_s`, `ended_kept_s` and `most_bytes`: see `Desk`. `key`: what signs manifests: a key, a file in
    which it is made where it is missing, or None, and then they are not signed. `image`: the digest of the container
    image of this process, if that is known. `credentials`: what signs content credentials, if any. `webhook`: who is
    told when a job has ended. `index`: the index store, which tells what understanding says of published finals.
    `operators`: name to `module:Class`. `models`: where those find models. `prices`: what the coordinator puts beside
    units. `audited`: makes for each renderer what writes its work into an audit trail.
    """

    objects: Location
    register: Path
    scratch: Path
    key: Ed25519PrivateKey | Path | None = field(repr=False)
    image: str | None = None
    credentials: CredentialSettings | None = None
    webhook: "WebhookSettings | None" = None
    index: Location | None = None
    renderers: int = 2
    slots: int = 4
    lost_after_s: float = 300.0
    ended_kept_s: float = 30 * 86_400.0
    most_bytes: float = MOST_BYTES
    deliver_roots: tuple[str, ...] | None = None
    limits: RenderLimits = field(default_factory=RenderLimits)
    operators: tuple[tuple[str, str], ...] = tuple(sorted(REGISTRY.items()))
    models: ModelFiles = field(default_factory=ModelFiles)
    prices: PriceTable | None = None
    audited: Callable[[], AroundTask] | None = None

    @classmethod
    def under(cls, state: Path, objects: Location | None = None, weights: Path | None = None) -> "JobSettings":
        """Of a state directory; `weights`: the folder of fetched weights."""
        home = state / "jobs"
        place = objects or Location.of(home / "store")
        # Linked inputs need one file system, so the scratch is beside the objects where those are local.
        return cls(
            place, home / "register.sqlite", home / "scratch", home / "manifest.key", models=models_in(state, weights)
        )


def models_in(state: Path, weights: Path | None) -> ModelFiles:
    """The pinned weights of a cache, and the directories that lie below `models` in the state directory."""
    pinned: dict[str, dict[str, PinnedFile]] = {}
    if weights is not None:
        cache = WeightsCache(weights)
        for pin in pins("weights"):
            paths = cache.paths(pin)
            pinned[pin.name] = {each.name: PinnedFile(paths[each.name], each.sha256) for each in pin.members}
    return ModelFiles(pinned, (state / "models",))


class JobPipeline:
    """What one process of the job topology shares."""

    def __init__(
        self,
        settings: JobSettings,
        clock: Clock,
        *,
        afresh: bool,
        renderer: Callable[[Path], TaskRenderer] | None = None,
        publish: Callable[[Event[AssetPublished]], None] | None = None,
    ) -> None:
        """`afresh`: the broker keeps nothing over a start of this process. `renderer`: makes one over a temporary
        folder, by default with a confined child.
        """
        self._renderer = renderer or self._confined
        self._publish = publish
        self.settings = settings
        self.clock = clock
        self._afresh = afresh
        self.store = ObjectStore(settings.objects)
        self.catalogue = OperatorCatalogue(dict(settings.operators), settings.models)
        self._lock = threading.Lock()
        self._made = 0
        self._started: Started = lambda _lane, _waited_s: None

    @cached_property
    def key(self) -> Ed25519PrivateKey | None:
        """What signs manifests. Raises `Fatal` (`invalid_audit_key`)."""
        key = self.settings.key
        return made_key(key) if isinstance(key, Path) else key

    def watch_starts(self, started: Started) -> None:
        """Renderers that are made from now on tell of the first work of jobs."""
        self._started = started

    def renderer(self, folder: Path) -> TaskRenderer:
        """One apart from the topology, over a temporary folder. `close` it."""
        return self._renderer(folder)

    def topology(self) -> Topology:
        """The stages, checked. It opens nothing."""
        stages = [self._coordinate(), self._render()]
        if self.settings.webhook is not None:
            stages.append(self._notify(self.settings.webhook))
        return Topology(stages, topics=JOB_TOPICS, subject="job", terminal=(ASSETS.name,))

    def _coordinate(self) -> Stage:
        return Stage(
            name=COORDINATE,
            sources=(JOBS.name, OUTCOMES.name, ENDINGS.name),
            # A new job, or a command, does not wait behind the reports of a large one.
            urgent_sources=(JOBS.name,),
            targets=(URGENT_TASKS.name, TASKS.name, OUTCOMES.name, ENDINGS.name, ASSETS.name),
            operator=self._coordinate_operator,
            # Records that are there share a transaction; none waits for others. Few, as a new job waits for the end of
            # the batch at hand.
            batch=BatchPolicy(max_records=32),
            max_replicas=1,
            role=Role.CONTROL,
            unit=WORK_UNIT,
            scaling=Scaling(prior_rate=200.0),
            launch=Launch(frozenset({"register"}), command=_COMMAND, observed_with=_OBSERVED_WITH),
        )

    def _render(self) -> Stage:
        count = self.settings.renderers
        return Stage(
            name=RENDER,
            sources=(URGENT_TASKS.name, TASKS.name),
            urgent_sources=(URGENT_TASKS.name,),
            targets=(OUTCOMES.name,),
            operator=self._render_operator,
            retry=RetryPolicy(max_attempts=3),
            concurrency=count,
            resources=Resources(cpus=float(count), memory_bytes=count * (2 << 30)),
            role=Role.WORK,
            unit=WORK_UNIT,
            scaling=Scaling(prior_rate=0.5),
            launch=Launch(frozenset({"scratch", "cache"}), command=_COMMAND, observed_with=_OBSERVED_WITH),
        )

    def _notify(self, webhook: "WebhookSettings") -> Stage:
        # Only who posts needs what speaks HTTP.
        from stream.operators.webhook import webhook_stage

        return replace(
            webhook_stage(webhook, self.clock, name=NOTIFY, source=ENDINGS.name),
            # Few messages, in their order.
            max_replicas=1,
            role=Role.CONTROL,
            unit=WORK_UNIT,
            launch=Launch(frozenset({"scratch"}), command=_COMMAND, observed_with="--notify"),
        )

    def _coordinate_operator(self) -> Operator[Any]:
        settings = self.settings
        desk = Desk(
            settings.register,
            self.store.of,
            self.store.documents,
            self.catalogue,
            slots=settings.slots,
            afresh=self._afresh,
            verdicts=None if settings.index is None else StoredVerdicts(settings.index),
            publish=self._publish,
            lost_after_s=settings.lost_after_s,
            ended_kept_s=settings.ended_kept_s,
            most_bytes=settings.most_bytes,
            prices=settings.prices,
        )
        return CoordinateOperator(desk, self.clock)

    def _render_operator(self) -> Operator[Any]:
        with self._lock:
            number, self._made = self._made, self._made + 1
        renderer = self._renderer(self.settings.scratch / str(number))
        watch, audited = CancelWatch(self.store.documents, self.clock), self.settings.audited
        return RenderOperator(
            self.store.of,
            renderer,
            self.catalogue,
            self._delivery,
            canceled=watch,
            clock=self.clock,
            started=self._started,
            audited=unaudited if audited is None else audited(),
        )

    def _confined(self, folder: Path) -> Renderer:
        settings = self.settings
        return Renderer(
            folder,
            operators=dict(settings.operators),
            models=settings.models,
            limits=settings.limits,
            clock=self.clock,
        )

    @cached_property
    def _delivery(self) -> KeptFinals:
        roots = self.settings.deliver_roots
        allowed = None if roots is None else [DeliveryRoot.parse(root) for root in roots]
        delivery = ObjectDelivery(self.store, self._manifest, _document, allowed, self.credentials)
        return KeptFinals(delivery, self.store, self.clock)

    @cached_property
    def credentials(self) -> FinalCredentials | None:
        """Raises `Fatal` (`credentials_unusable`)."""
        settings = self.settings.credentials
        return None if settings is None else FinalCredentials(ContentCredentials(settings))

    def _manifest(self, task: TaskAsked, extras: Sequence[Extra]) -> bytes:
        told = {} if self.credentials is None else {"credentials": f"C2PA, certificate {self.credentials.fingerprint}"}
        run = RunFacts(
            release=version("rushes"),
            made_ms=self.clock.now_ms(),
            image=self.settings.image,
            key=self.key,
            extra=[Delivered(each.name, each.digest, each.media_type, each.of, each.kind) for each in extras],
            **told,
        )
        return signed(statement_of(task, run), self.key)


def made_key(path: Path) -> Ed25519PrivateKey:
    """The key of a file, which is made where it is missing. Raises `Fatal` (`invalid_audit_key`)."""
    if not path.exists():
        try:
            return make_key(path, "manifests").key
        except FileExistsError:
            pass  # another process was first
    return read_key(path).key


def _document(tenant: str, task: TaskAsked) -> str:
    return manifest_name(tenant, task.job, task.variant)
