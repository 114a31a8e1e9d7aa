"""`rushes serve`: search over HTTP, for people and for programs."""

import threading
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from stream.audit.files import OF_SERVICE
from stream.cli.commands.ingest import stop_on_signals
from stream.cli.context import Context, UsageProblem
from stream.cli.options.access_store import AccessBroker, access_store, known_tenants
from stream.cli.options.background import background_of
from stream.cli.options.identity_provider import provider_settings
from stream.cli.options.jobs import ObjectsOption, job_settings
from stream.cli.options.proxies import ProxyOption, proxies_of
from stream.cli.options.roots import remembered_roots, require_buckets
from stream.cli.options.sessions import ClientProperties
from stream.cli.options.stored_settings import file_settings
from stream.cli.options.workers import PrivateNetwork, RootsOption, Schemes, WorkerOptions
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock

_GIB = 1 << 30


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="IP address to listen at, or localhost.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 chooses a free one.")] = 8080,
    searchers: Annotated[int, typer.Option(min=1, max=64, help="Searches at one time; each holds a model.")] = 2,
    public_url: Annotated[
        str | None,
        typer.Option(help="Where browsers find the service, as https://search.example.com; they sign in there alone."),
    ] = None,
    proxy: ProxyOption = None,
    oidc_issuer: Annotated[
        str | None,
        typer.Option(
            envvar="RUSHES_OIDC_ISSUER",
            help="Who signs people in: the issuer of a provider of OpenID Connect. Needs --public-url.",
        ),
    ] = None,
    oidc_client_id: Annotated[
        str | None,
        typer.Option(envvar="RUSHES_OIDC_CLIENT_ID", help="The service's name at the provider."),
    ] = None,
    oidc_client_secret_file: Annotated[
        Path | None,
        typer.Option(help="File with the client's secret. Or RUSHES_OIDC_CLIENT_SECRET; a public client has none."),
    ] = None,
    oidc_groups_claim: Annotated[
        str | None,
        typer.Option(envvar="RUSHES_OIDC_GROUPS_CLAIM", help="The claim with people's groups, which can hold roles."),
    ] = None,
    contact: Annotated[str | None, typer.Option(help="Whom people ask for a role, as they are told.")] = None,
    agents: Annotated[
        bool,
        typer.Option("--agents", help="Answer agents too, by MCP at /mcp; needs the extra `mcp`."),
    ] = False,
    rate: Annotated[
        float,
        typer.Option(
            min=1.0, max=1e6, help="Requests a second of one caller; of a tenant's together, 4 times as many."
        ),
    ] = 100.0,
    upload_gib: Annotated[float, typer.Option(min=0.001, max=1e6, help="Largest upload, in GiB.")] = 64.0,
    upload_tenant_gib: Annotated[
        float, typer.Option(min=0.001, max=1e9, help="What the uploads of a tenant may hold together, in GiB.")
    ] = 1024.0,
    exporter: Annotated[
        str | None,
        typer.Option(help="Address of an exporter's metrics, as http://HOST:9108/metrics: the page shows its stages."),
    ] = None,
    objects: ObjectsOption = None,
    broker: AccessBroker = None,
    rights_age: Annotated[
        float,
        typer.Option(
            min=30.0,
            max=86_400.0,
            help="With --broker: seconds that roles and keys count while the cluster does not answer; then nobody may"
            " do anything until it does.",
        ),
    ] = 300.0,
    client_properties: ClientProperties = None,
    private_network: PrivateNetwork = False,
    scheme: Schemes = None,
    root: RootsOption = None,
) -> None:
    """Answer searches over HTTP: a page for people at `/`, and for programs `/v1/search`, thumbnails and the status of
    assets; `/openapi.json` has all of it. Uploads, and dead letters that are sent again, are processed by a
    process that is started for it, with the models of the last ingest, or by the workers of the cluster. On a cluster
    uploads need --uploads, the same place for the service and for the workers.

    Every request is in the audit trail before it is answered. While nobody has been given a role, whoever is on this
    machine is the administrator; `rushes access` gives roles and makes keys, and from then on every request needs one.
    Footage is played from where it lies: what was ingested with this state directory, and what --root allows.
    With --broker roles, keys and tenants are those of the deployment on the cluster, and not of the state directory.
    TLS is a proxy's work: at another address than the loopback put one before it.
    """
    from stream.identity.browser_origins import public_origin
    from stream.service.caller import is_address, is_loopback
    from stream.service.server import ServiceOptions, composed, listening
    from stream.service.server import serve as answer
    from stream.service.uploads.uploads import UploadLimits

    shared: Context = context.obj
    state = shared.state_dir
    if not is_address(host):
        raise UsageProblem(f"--host {shown(host)!r}: an IP address of this machine, or localhost")
    public = None if public_url is None else public_origin(public_url)
    if public_url is not None and public is None:
        raise UsageProblem(
            f"--public-url {shown(public_url)!r}: https://HOST or https://HOST:PORT, nothing after it; http for this"
            " machine alone"
        )
    if exporter is not None and not _is_http(exporter):
        raise UsageProblem(f"--exporter {shown(exporter)!r}: an address such as http://HOST:9108/metrics")
    proxies = proxies_of(proxy, public)
    oidc = provider_settings(public, oidc_issuer, oidc_client_id, oidc_client_secret_file, oidc_groups_claim)
    if agents and find_spec("mcp") is None:
        raise UsageProblem("--agents: the package `mcp` is not installed; install rushes with the extra `mcp`")
    trail = shared.audit.path() if shared.audit else state / OF_SERVICE
    # On a cluster only where somebody says what the workers read too.
    limits = UploadLimits(round(upload_gib * _GIB), round(upload_tenant_gib * _GIB))
    uploads = limits if broker is None or shared.uploads is not None else None
    store = job_settings(shared, objects).objects
    options = ServiceOptions(
        trail,
        host,
        port,
        searchers,
        public,
        oidc,
        contact,
        agents,
        rate,
        exporter,
        uploads=uploads,
        objects=store,
        load=True,
    )
    reading = WorkerOptions(private_network=private_network, scheme=tuple(scheme or ()), root=tuple(root or ()))
    settings = reading.applied(file_settings(shared), remembered_roots(state))
    require_buckets(reading.scheme, settings.prefixes)
    with access_store(shared, broker, client_properties, oldest_s=rights_age) as registers:
        # Now, and not with the first key: a service that knows no key should not start.
        registers.pepper()
        # With a provider people can sign in before anybody has a role, and read by which name to give them one.
        others = oidc is None and (public is not None or not is_loopback(host))
        if others and not registers.register().records():
            option = "--public-url" if public else f"--host {host}"
            raise UsageProblem(
                f"{option}: others reach this address, and nobody has been given a role: `rushes access give` first"
            )
        with (
            listening(options) as at,
            known_tenants(shared, broker, client_properties) as tenants,
            background_of(shared, settings, reading, tenants, broker, client_properties) as background,
            composed(settings, options, SystemClock(), version("rushes"), registers, tenants, background) as app,
        ):
            stop = threading.Event()
            place = f"http://{host}:{at.getsockname()[1]}/"
            shared.errors.print(f"rushes answers at {place} (programs: {place}v1/search?q=…)", soft_wrap=True)
            if public is not None:
                shared.errors.print(f"People find it at {public}/ and sign in there alone.", soft_wrap=True)
            with stop_on_signals(stop):
                answer(app, at, stop, proxies=proxies)


def _is_http(address: str) -> bool:
    try:
        return urlsplit(address).scheme in {"http", "https"}
    except ValueError:
        return False
