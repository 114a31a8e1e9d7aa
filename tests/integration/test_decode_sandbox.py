"""What a child that a hostile file took over may do: nothing but compute. Each attempt is made, and refused."""

import json
import os
import platform
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import psutil
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.footage import span_of
from decoders.protocol import Inspection
from decoders.sandbox.pool import DecodePool
from decoders.sandbox.process import anonymous_memory
from decoders.sources.policy import SourcePolicy
from stream.children import process
from stream.children.confinement import MEASURES
from stream.errors import BadMedia, Fatal
from tests.support import hostile_decoders

SECRET = "RUSHES_TEST_SECRET"
ATTEMPTS = sorted(hostile_decoders.attempts({"folder": "/", "parent": "1"}))
BEFORE = {name: resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_NOFILE", "RLIMIT_CPU")}

pytestmark = pytest.mark.skipif(
    sys.platform != "linux"
    or platform.machine() not in hostile_decoders.CALLS
    or not Path("/proc/sys/kernel/seccomp").exists(),
    reason="the kernel has no seccomp filters: `rushes doctor` says what holds here",
)


def pool_of(
    folder: Path, decoder: str = "decoders.ffmpeg.decoder:PyAVDecoder", *, required: bool = False
) -> DecodePool:
    policy = SourcePolicy(schemes=("file", "memory"), roots=(str(folder),), prefixes=("memory://bucket",))
    return DecodePool(children=1, policy=policy, decoder=decoder, require_sandbox=required)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sandbox") / "clip.mp4"
    write_clip(path, seconds=12, size=(64, 36))
    return path


@pytest.fixture(scope="module")
def pool(clip: Path) -> Iterator[DecodePool]:
    """A machine with seccomp holds all that may be required."""
    with pool_of(clip.parent, required=True) as pool:
        yield pool


@pytest.fixture(scope="module")
def found(pool: DecodePool, clip: Path) -> Inspection:
    return pool.inspect(str(clip))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> Iterator[dict[str, str]]:
    """One hostile child tries everything. A daemon listens that it could talk to."""
    (folder / "secret.txt").write_text("a secret")
    source = folder / "targets.json"
    source.write_text(json.dumps({"folder": str(folder), "parent": os.getpid()}))
    source.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch, socket.socket(socket.AF_UNIX) as daemon:
        patch.setenv(SECRET, "a secret")
        daemon.bind(str(folder / "daemon.sock"))
        daemon.listen()
        with pool_of(folder, "tests.support.hostile_decoders:Hostile") as pool, pytest.raises(BadMedia) as caught:
            pool.inspect(str(source))
    assert caught.value.code == "tried", caught.value.message
    yield json.loads(caught.value.message.partition(": ")[2])


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_a_hostile_child_tries_is_refused(outcomes: dict[str, str], attempt: str) -> None:
    assert outcomes[attempt] == {"env": "nothing"}.get(attempt, "PermissionError")


def test_nothing_happened(outcomes: dict[str, str], folder: Path) -> None:
    assert set(outcomes) == set(ATTEMPTS)
    assert sorted(path.name for path in folder.iterdir()) == ["daemon.sock", "secret.txt", "targets.json"]
    assert (folder / "secret.txt").read_text() == "a secret"
    assert (folder / "targets.json").stat().st_mode & 0o777 == 0o600
    assert {name: resource.getrlimit(getattr(resource, name)) for name in BEFORE} == BEFORE
    for left in (Path("/tmp"), Path("/root"), Path("/")):
        assert not (left / "rushes-hostile").exists()


def test_a_child_says_what_holds(pool: DecodePool) -> None:
    pool.warm()
    assert pool.held == dict.fromkeys(MEASURES, True)


def test_limits_are_hard_and_the_parent_sets_the_time(pool: DecodePool, clip: Path, found: Inspection) -> None:
    assert list(pool.decode(span_of(found, clip)))
    child = psutil.Process(*pool.pids)
    for limit in (psutil.RLIMIT_AS, psutil.RLIMIT_NOFILE, psutil.RLIMIT_FSIZE, psutil.RLIMIT_CORE):
        soft, hard = child.rlimit(limit)
        assert soft == hard != psutil.RLIM_INFINITY
    soft, hard = child.rlimit(psutil.RLIMIT_CPU)
    assert 90 <= soft <= 300
    assert hard != psutil.RLIM_INFINITY


def test_a_child_has_no_more_environment_than_it_needs(pool: DecodePool) -> None:
    pool.warm()
    assert set(psutil.Process(*pool.pids).environ()) <= {
        *("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LD_PRELOAD"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "PYTHONUTF8"),
        *("JE_ARROW_MALLOC_CONF", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    }


def test_without_landlock_nothing_is_opened_and_decoding_is_the_same(
    pool: DecodePool, clip: Path, found: Inspection
) -> None:
    """A child with a thread is one that Landlock cannot bound. All it needs is imported by then."""
    with pool_of(clip.parent, "tests.support.hostile_decoders:Threaded") as threaded:
        span = span_of(found, clip)
        expected = [frames.value for frames in pool.decode(span)]
        assert threaded.inspect(str(clip)) == found
        assert [frames.value for frames in threaded.decode(span)] == expected
        assert threaded.held["file system"]


def test_an_object_is_read_by_the_parent_alone(pool: DecodePool, clip: Path, found: Inspection) -> None:
    """The store lies in this process's memory: no child could reach it."""
    store = fsspec.filesystem("memory")
    store.pipe_file("/bucket/clip.mp4", clip.read_bytes())
    uri = "memory://bucket/clip.mp4"
    there = pool.inspect(uri)
    assert (there.content_digest, there.media) == (found.content_digest, found.media)
    cells = list(pool.decode(span_of(there, clip).model_copy(update={"uri": uri})))
    assert [frames.segment for frames in cells] == [0, 1]
    assert sum(frames.read_bytes for frames in cells) > 0
    assert all(frames.cpu_us > 0 for frames in cells)


def test_a_sandbox_that_is_required_and_does_not_hold_ends_the_stage(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET, "a secret")
    monkeypatch.setattr(process, "environment", dict)  # all of it
    with pool_of(clip.parent) as pool:
        pool.warm()
        assert not pool.held["environment"]
    with pool_of(clip.parent, required=True) as pool, pytest.raises(Fatal, match="environment") as caught:
        pool.warm()
    assert caught.value.code == "sandbox_required"


def test_what_a_child_started_ends_with_it(clip: Path) -> None:
    with pool_of(clip.parent, "tests.support.hostile_decoders:Parental") as pool:
        pool.warm()
        left = psutil.Process(*pool.pids).children()
        assert len(left) == 1
    assert not psutil.wait_procs(left, timeout=30)[1]


def test_pixels_cannot_be_pulled_away_from_under_the_parent() -> None:
    memory = anonymous_memory(1 << 20)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(memory, 0)
    finally:
        os.close(memory)
