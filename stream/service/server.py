"""A service at work: its parts, its socket, and its end."""

import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from sinks.location import Location
from stream.access.register_file import RegisterFile
from stream.access.store import AccessStore
from stream.audit.journal import Journal
from stream.audit.keys import make_key, read_key, secret_of
from stream.audit.recorder import Recorder
from stream.clock import Clock
from stream.errors import Fatal, Unavailable
from stream.identity.browser_origins import BrowserOrigin
from stream.identity.browser_sessions import FILE, BrowserSessions
from stream.identity.oidc_provider import OidcProvider, OidcSettings
from stream.pipelines.settings import Settings
from stream.pipelines.source_policies import KnownTenants, SourcePolicies
from stream.search.application import Search
from stream.service.answer_tags import AnswerTags
from stream.service.app import application
from stream.service.bounded_requests import BoundedHeads
from stream.service.browsers import Browsers
from stream.service.caller import Callers, is_loopback
from stream.service.events_before import PublishedBefore
from stream.service.exporter_client import ExporterClient
from stream.service.footages import Footages
from stream.service.freshness_history import SAMPLE_S, FreshnessHistory
from stream.service.job_store import JobStore
from stream.service.kept_answers import FILE as WRITES_FILE
from stream.service.kept_answers import KeptAnswers
from stream.service.limits import RequestLimits
from stream.service.places import Places
from stream.service.problems import code_of
from stream.service.publications.outbox import FILE as PUBLICATIONS_FILE
from stream.service.publications.outbox import Outbox
from stream.service.publications.publications import Publications
from stream.service.readiness import Readiness
from stream.service.repeatable_writes import WriteClaims
from stream.service.result_lists import ResultLists
from stream.service.saved_searches import SavedSearches
from stream.service.searchers import Searchers
from stream.service.service import Service
from stream.service.sprites import Sprites
from stream.service.uploads.register import FILE as UPLOADS_FILE
from stream.service.uploads.register import UploadRegister
from stream.service.uploads.spool import Spool
from stream.service.uploads.uploads import UploadLimits, Uploads
from stream.sessions.background import BackgroundWork
from stream.sessions.tenant_register import TenantsFile

KEY = "rushes/service"
MOST_CONNECTIONS = 512
_CHECKPOINT_S, _LOOK_S = 60.0, 0.5
# Of 20 MiB each.
_PICTURES, _PICTURES_OF_ONE = 32, 8
_SENDING, _SENDING_OF_ONE = 64, 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """`audit`: the directory of the service's own trail; `searchers`: searches at one time; `public_url`: the origin
    at which browsers find the service, where that is another than its own; `oidc`: who signs people in; `contact`: whom
    they ask for a role; `agents`: with tools for agents at `/mcp`; `rate`: requests a second of one caller; `exporter`:
    the address of an exporter's `/metrics`; `sample_s`: how often freshness is sampled; `uploads`: limits of uploads,
    where any are taken; they need `background`; `objects`: where jobs lie, in the state directory by default; `load`:
    models are loaded before the first search, and not with it.
    """

    audit: Path
    host: str = "127.0.0.1"
    port: int = 8080
    searchers: int = 2
    public_url: str | None = None
    oidc: OidcSettings | None = None
    contact: str | None = None
    agents: bool = False
    rate: float = 100.0
    exporter: str | None = None
    sample_s: float = SAMPLE_S
    uploads: UploadLimits | None = None
    objects: Location | None = None
    load: bool = False


@contextmanager
def composed(
    settings: Settings,
    options: ServiceOptions,
    clock: Clock,
    version: str,
    registers: AccessStore | None = None,
    tenants: KnownTenants | None = None,
    background: BackgroundWork | None = None,
) -> Iterator[FastAPI]:
    """The application with its trail open. `registers`: who may do what; `tenants`: where their footage lies; both are
    files of the state directory by default. `background`: who processes records, or nobody. Raises `Unavailable`
    (`audit_unavailable`) where the trail cannot be written.
    """
    # Beside the directory (ADR 0045): a copy of the trail is no copy of its key.
    key_file = options.audit.with_name(f"{options.audit.name}.key")
    key = read_key(key_file) if key_file.exists() else make_key(key_file, KEY)
    journal = Journal(options.audit, key)
    searchers = Searchers(lambda: Search(settings, clock), options.searchers)
    # Behind a proxy others reach the loopback too.
    local = is_loopback(options.host) and options.public_url is None
    hosts = frozenset({options.host.strip("[]"), "localhost", "127.0.0.1", "::1"})
    sessions = BrowserSessions(settings.state_dir / FILE, clock)
    provider = None if options.oidc is None else OidcProvider(options.oidc, clock)
    browsers = Browsers(BrowserOrigin(options.public_url, hosts), sessions, provider, options.contact)
    callers = Callers(registers or RegisterFile(settings.state_dir), clock, browsers, open_to_local=local)
    with ExitStack() as ends:
        ends.callback(sessions.close)
        if provider is not None:
            ends.callback(provider.close)
        # Ended in reverse: searches, then the last checkpoint, then the lock of the trail.
        journal.open()
        ends.callback(journal.close)
        ends.enter_context(_checkpoints(journal))
        ends.callback(searchers.close)
        if options.load:
            searchers.load()
        recorder = Recorder(journal, clock, version, code_of=code_of)
        known = tenants or TenantsFile(settings.state_dir)
        uploads = _uploads(settings, options, background, known, clock, recorder, secret_of(key))
        if uploads is not None:
            uploads.start()
            ends.callback(uploads.close)
        # Under the lock of the trail: no other service is at work with the same file.
        answers = KeptAnswers(settings.state_dir / WRITES_FILE, clock)
        ends.callback(answers.close)
        answers.end_begun()
        # A link that took a file's place since must lead nobody into another tenant's footage.
        sources = SourcePolicies(settings, known)
        footages = Footages(sources)
        publications = None
        if background is not None:
            outbox = Outbox(settings.state_dir / PUBLICATIONS_FILE)
            publications = Publications(outbox, background, sources, clock)
            publications.start()
            ends.callback(publications.close)
        before = PublishedBefore(publications, uploads, background, clock)
        ends.callback(before.close)
        exporter = None if options.exporter is None else _exporter(options.exporter, ends)
        history = FreshnessHistory(searchers, before.look, exporter.snapshot if exporter else None)
        service = Service(
            searchers,
            callers,
            browsers,
            recorder,
            secret_of(key),
            footages,
            Sprites(),
            ResultLists(),
            RequestLimits(clock, options.rate),
            Readiness(settings.index_dir, options.audit, callers.registers, searchers, clock),
            AnswerTags(),
            SavedSearches(settings.state_dir),
            Places(_PICTURES, _PICTURES_OF_ONE),
            Places(_SENDING, _SENDING_OF_ONE),
            options.audit,
            history,
            WriteClaims(answers, secret_of(key)),
            _job_store(settings, options, ends),
            before,
            known,
            background,
            uploads,
            publications,
        )
        ends.enter_context(history.sampled(options.sample_s))
        yield application(service, clock, version, agents=options.agents)


def _uploads(
    settings: Settings,
    options: ServiceOptions,
    background: BackgroundWork | None,
    tenants: KnownTenants,
    clock: Clock,
    recorder: Recorder,
    secret: bytes,
) -> Uploads | None:
    if options.uploads is None or background is None:
        return None
    whole = settings.uploads_dir
    # Beside the whole files, so that one becomes the other by its name.
    parts = (whole.path or settings.state_dir / "uploads") / ".parts"
    spool = Spool(parts, whole, settings.min_free_bytes)
    register = UploadRegister(settings.state_dir / UPLOADS_FILE)
    return Uploads(register, spool, background, tenants, clock, options.uploads, recorder, secret)


def _job_store(settings: Settings, options: ServiceOptions, ends: ExitStack) -> JobStore:
    # Where the command line has them.
    place = options.objects or Location.of(settings.state_dir / "jobs" / "store")
    store = JobStore(place, Path(ends.enter_context(TemporaryDirectory(prefix="rushes-"))))
    ends.callback(store.close)
    return store


def listening(options: ServiceOptions) -> socket.socket:
    """A socket at the address. Raises `Fatal` (`cannot_listen`)."""
    try:
        at = socket.create_server((options.host, options.port), family=_family(options.host), backlog=512)
    except OSError as error:
        raise Fatal(
            f"the service cannot listen at {options.host}:{options.port}: {error.strerror}", code="cannot_listen"
        ) from None
    # Connections inherit it, and asyncio sets it on none of a socket that does not name its protocol. Without it a body
    # waits 40 ms for the client to confirm the head.
    at.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return at


def serve(app: ASGIApp, at: socket.socket, stop: threading.Event, *, proxies: Sequence[str] = ()) -> None:
    """Answer until `stop`, then finish what is under way. `proxies`: addresses and networks of those that say who asked
    them.
    """
    server = server_of(app, proxies=proxies)
    # In a thread: in the main one Uvicorn takes signals for itself, and ends the process by them before our own parts
    # are closed.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [at]}, name="http")
    thread.start()
    try:
        while thread.is_alive() and not stop.wait(_LOOK_S):
            pass
    finally:
        server.should_exit = True
        thread.join()


def server_of(app: ASGIApp, *, proxies: Sequence[str] = ()) -> uvicorn.Server:
    """It answers from when it is run until its `should_exit` is set. `proxies`: as for `serve`."""
    # Uvicorn's own log would show addresses with what was asked, and the texts of defects.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=bool(proxies),
            # A list in any case, as Uvicorn reads the environment where there is none.
            forwarded_allow_ips=list(proxies),
            timeout_keep_alive=15,
            timeout_graceful_shutdown=20,
            limit_concurrency=MOST_CONNECTIONS,
            h11_max_incomplete_event_size=32 << 10,
            http=BoundedHeads,
        )
    )


def _exporter(url: str, ends: ExitStack) -> ExporterClient:
    # The stages of a cluster, which few services have to know.
    from stream.pipelines.understanding import reference_topology

    client = ExporterClient(url, reference_topology(gated=True))
    ends.callback(client.close)
    return client


@contextmanager
def _checkpoints(journal: Journal) -> Iterator[None]:
    """One a minute, and one at the end."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(_CHECKPOINT_S):
            _checkpoint(journal)

    thread = threading.Thread(target=run, name="audit checkpoints", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _checkpoint(journal)


def _checkpoint(journal: Journal) -> None:
    try:
        journal.checkpoint()
    except Unavailable as error:  # requests say so too
        _log.warning("%s (%s)", error.message, error.code)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
