"""Jobs in one process on the memory broker, over a state directory."""

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from prometheus_client import CollectorRegistry

from stream.broker.memory.broker import MemoryBroker
from stream.clock import Clock
from stream.errors import BadRequest, StageError
from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.events.jobs import JobControlled, JobSubmitted, TenantBudgeted
from stream.files import make_folder, replace_file
from stream.jobs.coordination import closed
from stream.jobs.register import JobRegister
from stream.observability.metrics import Metrics
from stream.pipelines.jobs import COORDINATE, NOTIFY, JobPipeline, JobSettings
from stream.runtime.temporary_folders import folder_below
from stream.runtime.threads import StageThreads
from stream.sessions.job_notices import post_notices
from stream.sessions.state_lock import state_lock
from stream.topology.codec import encode
from stream.topology.topics import JOBS
from stream.worker.pace import Pace

if TYPE_CHECKING:
    from stream.sessions.background import BackgroundWork

_LOOK_S = 0.2
_LOOKED_AT_S = 0.1
"""So long another process may hold the folder to look whether anybody does: see `is_left`."""
_log = logging.getLogger(__name__)


class EmbeddedJobs:
    """Runs the job topology over a folder that it holds alone. Raises `Unavailable` (`state_locked`) when another
    process holds it. `rendering`: without, only commands are carried out, and nothing is computed. `background`:
    understands finals that jobs publish.
    """

    def __init__(
        self, settings: JobSettings, clock: Clock, *, rendering: bool = True, background: "BackgroundWork | None" = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._rendering = rendering
        self._held = ExitStack()
        self._background = background
        self._handed: set[str] = set()
        self.jobs = JobPipeline(settings, clock, afresh=True, publish=None if background is None else self._hand_on)

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(state_lock(home_of(self._settings), wait_s=_LOOKED_AT_S))
            topology = self.jobs.topology()
            self._broker = MemoryBroker(self._clock, partitions=4, keep_unclaimed=False)
            held.callback(self._broker.close)
            self._broker.ensure(topic.spec(1) for topic in topology.topics)
            self._producer = self._broker.producer()
            # Notices are posted when the work rests: a broker that keeps nothing would forget those in between.
            stages = [
                stage
                for stage in topology.stages
                if stage.name == COORDINATE or (self._rendering and stage.name != NOTIFY)
            ]
            self._threads = StageThreads(
                stages,
                self._broker,
                clock=self._clock,
                metrics=Metrics(CollectorRegistry()),
                readers=topology.groups(),
                topics=topology.known,
                pace=Pace(poll_timeout_s=0.05, drain_s=20.0),
            )
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def _hand_on(self, event: Event[AssetPublished]) -> None:
        from stream.sessions.background import NewFootage

        assert self._background is not None, "else nothing is handed on"
        self._handed.add(event.id)

        def done(code: str | None) -> None:
            if code is not None:
                _log.warning(
                    "a final was not taken as footage (%s): what waits for it goes on when it is released", code
                )
            self._handed.discard(event.id)

        self._background.publish(NewFootage.of(event), done)

    def publish(self, events: Iterable[Event]) -> None:
        for event in events:
            record = encode(event, JOBS)
            self._producer.send(JOBS.name, record.key, record.value, record.headers)
        self._producer.flush(10.0)

    def run(
        self,
        stop: threading.Event,
        ended: Callable[[], bool],
        on_look: Callable[[], None],
        *,
        until_quiet: bool = False,
    ) -> bool:
        """Until `ended` says so (True), or `stop` is set (False); `on_look` is called several times a second. Commands
        of other processes are carried out on the way. `until_quiet`: also where nothing is left to do. Raises what
        ended the work.
        """
        try:
            with self._threads as threads:
                while not stop.is_set():
                    self.publish(taken_commands(self._settings))
                    quiet = self._broker.wait_quiescent(_LOOK_S)
                    threads.check()
                    on_look()
                    # What an earlier run told of a job is no word of this one, until its submission was taken.
                    taken = self._broker.backlog(JOBS.name, COORDINATE).records == 0
                    # A job may end before its finals are understood, where it has no policy that waits for that.
                    if taken and not self._handed and (ended() or (quiet and until_quiet)):
                        return True
            return False
        finally:
            if self._rendering:
                post_notices(self._settings, self._clock)


def home_of(settings: JobSettings) -> Path:
    return settings.register.parent


def is_left(settings: JobSettings) -> bool:
    """Whether there are jobs of this folder and no process holds it. Workers of a cluster hold none."""
    if not settings.register.exists():
        return False
    try:
        with state_lock(home_of(settings)):
            return True
    except StageError:
        return False


def require_open(settings: JobSettings, tenant: str, job: str) -> None:
    """Raises `BadRequest` (`job_closed`) where no command about a job is carried out any more."""
    register = JobRegister(settings.register, readonly=True)
    try:
        found = register.job(tenant, job)
    finally:
        register.close()
    if found is not None and found.closed:
        raise BadRequest(closed(job), code="job_closed")


def leave_command(
    settings: JobSettings, tenant: str, project: str, data: JobControlled | TenantBudgeted, now_ms: int
) -> None:
    """For the process that holds the folder, or the next one that does. It outlives a power cut."""
    folder = home_of(settings) / "commands"
    make_folder(folder)
    said = {"tenant": tenant, "project": project, "type": data.type, "data": data.model_dump(exclude_none=True)}
    # The time first: commands are carried out in their order.
    name = f"{now_ms:015d}-{secrets.token_hex(4)}"
    replace_file(folder / f"{name}.json", json.dumps(said))


def taken_commands(settings: JobSettings) -> list[Event]:
    """Commands that were left, each given once."""
    folder = home_of(settings) / "commands"
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        with suppress(ValueError, KeyError, TypeError, StageError, OSError):
            said = json.loads(path.read_text())
            # A command that an earlier release left has no type.
            kind = TenantBudgeted if said.get("type") == TenantBudgeted.type else JobControlled
            data = kind.from_bytes(json.dumps(said["data"]).encode())
            found.append(command(said["tenant"], said["project"], data, int(path.name.partition("-")[0])))
        path.unlink(missing_ok=True)
    return found


def command(tenant: str, project: str, data: JobControlled | JobSubmitted | TenantBudgeted, now_ms: int) -> Event:
    """An event about a job, or about all of a tenant's."""
    subject = tenant if isinstance(data, TenantBudgeted) else data.job
    return Event(data=data, tenant=tenant, project=project, subject=subject, event_time_ms=now_ms)


@contextmanager
def scratch_within(settings: JobSettings) -> Iterator[JobSettings]:
    """The settings with a scratch folder of this process, which goes with it; what killed ones left goes too."""
    with folder_below(settings.scratch, hint="the folder is that of the state directory") as folder:
        yield replace(settings, scratch=folder)
