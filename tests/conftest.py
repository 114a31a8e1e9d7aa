"""What tests of several rooms share: fetched weights and the conformance corpus, where there are any."""

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs
import pytest
from hypothesis import settings

from benchmarks.testbed.footage import corpus
from models.registry import ModelContext
from models.weights.fetch import WeightsCache, pin_named
from stream.children.scheduling import schedule_as_others_do
from tests.support.azure_server import AzureServer, azure_server
from tests.support.markers import needs_marker, running_test_bears
from tests.support.s3_server import S3Server, s3_server

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """What a shell starts in the background ignores interrupts, and so would each program that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests measured on the way: `record_property("figure", …)`."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    figures = [value for report in reports for name, value in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.write_sep("=", "figures")
    for figure in figures:
        terminalreporter.write_line(str(figure))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test asks for by fixture, and the folder of whole runs, mark it. The rest is marked where it stands."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "require_weights" in fixtures:
            item.add_marker(pytest.mark.weights)
        if "corpus_dir" in fixtures:
            item.add_marker(pytest.mark.corpus)
        if "integration" in item.path.parts:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    running_test_bears(mark.name for mark in item.iter_markers())


@pytest.fixture(autouse=True)
def scheduled_as_others() -> Iterator[None]:
    """A real-time process starves the tests beside it, and whatever it starts is one too."""
    yield
    assert not schedule_as_others_do(), "a library gave threads of this process real-time priority"


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Where `rushes weights fetch` puts files: `RUSHES_CACHE`, or the user's cache directory."""
    return Path(os.environ.get("RUSHES_CACHE") or platformdirs.user_cache_dir("rushes"))


@pytest.fixture(scope="session")
def running_s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(running_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """An object store, which the environment names."""
    for name, value in running_s3.environment.items():
        monkeypatch.setenv(name, value)
    return running_s3


@pytest.fixture
def s3_prefix(s3: S3Server) -> str:
    """A URI in a bucket of its own."""
    bucket = f"stores-{secrets.token_hex(6)}"
    s3.make_bucket(bucket)
    return f"s3://{bucket}/tests"


@pytest.fixture(scope="session")
def running_azure(cache_dir: Path) -> Iterator[AzureServer]:
    with azure_server(cache_dir) as server:
        yield server


@pytest.fixture
def azure(running_azure: AzureServer, monkeypatch: pytest.MonkeyPatch) -> AzureServer:
    """As `s3`, of Azure Blob storage."""
    for name, value in running_azure.environment.items():
        monkeypatch.setenv(name, value)
    return running_azure


@pytest.fixture
def azure_prefix(azure: AzureServer) -> str:
    """A URI in a container of its own."""
    container = f"stores-{secrets.token_hex(6)}"
    azure.make_container(container)
    return f"az://{container}/tests"


@pytest.fixture(scope="session")
def weights_cache(cache_dir: Path) -> WeightsCache:
    return WeightsCache(cache_dir)


@pytest.fixture(scope="session")
def model_context(weights_cache: WeightsCache) -> ModelContext:
    return ModelContext(weights_cache)


@pytest.fixture(scope="session")
def require_weights(weights_cache: WeightsCache) -> Callable[..., None]:
    """`require_weights(*names)`: skips on a laptop, fails where `CI=true`, when a pin is not fetched."""

    def require(*names: str) -> None:
        if names:
            needs_marker("weights")
        for name in names:
            pin = pin_named(name)
            if weights_cache.present(pin):
                continue
            what = "samples" if pin.kind == "samples" else "weights"
            reason = f"{name} is not fetched: run `make assets` or `rushes {what} fetch`"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)

    return require


@pytest.fixture(scope="session")
def corpus_dir() -> Path:
    """The conformance corpus; skips where there is none."""
    root = corpus()
    if root is None:
        pytest.skip("no corpus: set RUSHES_CORPUS")
    return root
