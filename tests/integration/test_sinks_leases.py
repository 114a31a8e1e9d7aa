"""Two writers of a store on an object store: one waits, and the other does no harm once its lease has ended."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import obstore.store
import pytest

from sinks.delta.store import DeltaStore
from sinks.lance.store import LanceIndex
from sinks.location import Location
from sinks.storage.lease import Lease
from sinks.storage.objects import Objects
from sinks.writer import Writer, delta_writer, index_writer
from stream.clock import ManualClock, SystemClock
from stream.errors import Fatal, Unavailable
from tests.support.annotations import annotations, events
from tests.support.google_store import google_store
from tests.support.leases import end_lease
from tests.support.programs import ROOT, program
from tests.support.programs.stop_in_sink import PLACES, SECOND
from tests.support.s3_proxy import UNCONDITIONAL, Treatment, s3_proxy
from tests.support.s3_server import S3Server
from tests.support.sinks import build, rows_of


@contextmanager
def stopped(name: str, place: Location, where: str) -> Iterator[subprocess.Popen[str]]:
    """A writer that has stopped there."""
    child = subprocess.Popen(
        program("stop_in_sink", name, place.uri, where), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"it ended: {status}"
        yield child
    finally:
        child.kill()
        child.wait(60)
        assert child.stdout is not None
        child.stdout.close()


@pytest.mark.parametrize("where", list(PLACES))
def test_what_a_stopped_writer_had_begun_fails_when_it_goes_on(where: str, s3_prefix: str) -> None:
    name = "lance" if "index" in where else "delta"
    place = Location.of(s3_prefix).child("store")
    with stopped(name, place, where) as zombie:
        with pytest.raises(Unavailable, match="has another writer"):
            build(name, place)
        end_lease(place, name)
        successor = build(name, place)
        list(successor.process(SECOND))

        zombie.send_signal(signal.SIGCONT)
        assert zombie.stdout is not None
        said = iter(zombie.stdout.readline, "")
        assert next(said).strip() in {"store_locked", "store_unavailable"}
        assert next(said).strip() == "store_locked"
        wanted = [(0, 1)] * 4 + [(1, 0)] * 3
        assert sorted((row["segment"], row["revision"]) for row in rows_of(successor)) == wanted
        list(successor.process(events(annotations(segment=2, count=1, of=4))))
        successor.close()

        assert "written" in {line.strip() for line in said}, "it may write again when its successor has ended"
        assert zombie.wait(60) == 0
    last = build(name, place)
    assert sorted((row["segment"], row["revision"]) for row in rows_of(last)) == [*wanted, (2, 0)]
    last.close()


@pytest.mark.parametrize("name", ["delta", "lance"])
def test_who_has_heard_of_the_loss_of_its_lease_commits_nothing(name: str, s3_prefix: str) -> None:
    """As its renewal may tell it in the middle of a batch."""
    place = Location.of(s3_prefix).child("store")

    def entered() -> tuple[Writer, DeltaStore | LanceIndex]:
        writer = delta_writer(place) if name == "delta" else index_writer(place)
        writer.enter()
        if name == "delta":
            return writer, DeltaStore(place, writer.sync, writer.epoch)
        return writer, LanceIndex(place, SystemClock(), writer.sync, writer.epoch)

    first, store = entered()
    store.replace([annotations(of=4)])
    end_lease(place, name)
    second, successor = entered()
    successor.replace([annotations(segment=1, of=4)])
    with pytest.raises(Unavailable, match="has another writer"):
        first.sync()
    store.close()
    with pytest.raises(Unavailable, match="has another writer"):
        store.replace([annotations(segment=2, of=4)])
    successor.close()
    segments = [rows["segment"] for _, rows in successor.contents() if "start_ns" in rows.schema.names]
    assert {1} <= {number for some in segments for number in some.to_pylist()} <= {0, 1}
    for writer in (first, second):
        writer.leave()


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with google_store(tmp_path / "account.json"):
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
        # Its client takes plain http from no variable.
        plain = partial(obstore.store.from_url, client_options={"allow_http": True})
        monkeypatch.setattr(obstore.store, "from_url", lambda uri, **_: plain(uri))
        yield "gs://stores/tests"


@pytest.mark.parametrize("prefix", ["s3_prefix", "azure_prefix", "google"])
def test_a_lease_is_renewed_given_back_and_taken_when_it_has_ended(prefix: str, request: pytest.FixtureRequest) -> None:
    clock, place = ManualClock(), Location.of(request.getfixturevalue(prefix))
    first, second = (Lease(place, "the index", "index.lease", clock) for _ in range(2))
    first.take()
    first.take()
    first.check()
    assert first.epoch == clock.now_ms()
    with pytest.raises(Unavailable, match="has another writer") as refused:
        second.take()
    assert refused.value.code == "store_locked"

    clock.advance(31)
    second.take()
    assert second.epoch is not None
    with pytest.raises(Unavailable, match="has another writer"):
        first.check()
    assert first.lost
    with pytest.raises(Unavailable, match="has another writer"):
        first.take()
    first.release()
    second.check()

    epoch = second.epoch
    second.release()
    first.take()
    assert first.epoch is not None
    assert first.epoch > epoch
    assert not first.lost
    first.release()


def test_a_store_that_replaces_what_it_was_asked_not_to_is_refused(
    s3: S3Server, s3_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_proxy(s3.endpoint) as proxy:
        proxy.treat(Treatment(UNCONDITIONAL))
        with monkeypatch.context() as patch, pytest.raises(Fatal, match="conditional writes") as refused:
            patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
            build("delta", Location.of(s3_prefix).child("store"))
    assert refused.value.code == "store_not_conditional"
    assert list(Objects(Location.of(s3_prefix)).sizes("")) == [], "the probe leaves nothing"


def test_a_lease_that_cannot_be_read_is_told(s3_prefix: str) -> None:
    Objects(Location.of(s3_prefix)).put("index.lease", b"{")
    with pytest.raises(Fatal, match="cannot be read: remove it"):
        Lease(Location.of(s3_prefix), "the index", "index.lease").take()
