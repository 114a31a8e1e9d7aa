"""Stores are purged while somebody searches: versions go when their readers have gone; a reader begins anew once."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sinks.lance.sink import LanceSink
from sinks.location import Location
from sinks.protocol import Sink
from sinks.query.catalogue import Catalogue
from sinks.query.filters import Filters
from sinks.query.moments import MomentIndex
from sinks.sharded.sink import sink_at
from sinks.tables.version_lease import LEASE_S, VersionLease, await_readers
from stream.clock import ManualClock, SystemClock
from stream.search.retrieval import Probe, best_matches
from tests.support.annotations import SPACE, annotations, asset_deleted, events, planned, ref

PROBE = Probe([1.0, *[0.0] * 7], text="dog")
KEPT = [f"kept-{number}" for number in range(8)]


def put(sink: Sink, *names: str) -> None:
    for name in names:
        asset = ref(name)
        list(sink.process(events(planned(asset, of=1), annotations(asset, of=1, count=3, words=["dog", "cat"]))))


def opened(root: Path, clock: ManualClock | None = None, shards: int = 1) -> Sink:
    make = partial(LanceSink, clock=clock or SystemClock(), shards=shards)
    sink = sink_at(root, make, shards=shards, name="the index", alone=True)
    sink.open()
    return sink


def forget(sink: Sink, name: str) -> None:
    list(sink.process([asset_deleted(ref(name, 2))]))
    sink.maintain(purge=True)


class Reader(threading.Thread):
    """Asks in turn until it is stopped. `wrong`: answers that lack something which was always there, and errors."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.answers = 0
        self.wrong: list[object] = []
        self.stop = threading.Event()
        self._index, self._catalogue = MomentIndex(root), Catalogue(root)

    def run(self) -> None:
        asks: list[Callable[[], set[str]]] = [
            lambda: {hit.moment.asset_id for hit in best_matches(self._index, SPACE.key, PROBE, limit=100)},
            lambda: {hit.asset_id for hit in self._index.moments(SPACE.key)},
            lambda: {asset.asset_id for page in self._catalogue.pages(Filters(), 3) for asset in page.values()},
        ]
        while not self.stop.is_set():
            for ask in asks:
                try:
                    if not (found := ask()).issuperset(KEPT):
                        self.wrong.append(found)
                # Whatever it is, the test has to show it.
                except Exception as error:  # noqa: BLE001
                    self.wrong.append(error)
                self.answers += 1


@pytest.mark.parametrize("shards", [1, 3])
def test_readers_go_on_while_the_store_is_purged_again_and_again(tmp_path: Path, shards: int) -> None:
    sink = opened(tmp_path, shards=shards)
    put(sink, *KEPT)
    readers = [Reader(tmp_path) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(4):
        put(sink, f"gone-{number}")
        forget(sink, f"gone-{number}")
    for reader in readers:
        reader.stop.set()
        reader.join()
    sink.close()
    assert [reader.wrong for reader in readers] == [[], []]
    assert all(reader.answers >= 3 for reader in readers)


def test_a_purge_waits_for_a_reader_and_the_reader_keeps_its_version(tmp_path: Path) -> None:
    begun, may_end, calls = threading.Event(), threading.Event(), list[int]()
    found: list[int] = []

    class Waiting(ManualClock):
        """The reader ends when the purge has begun to wait for it."""

        def sleep(self, seconds: float) -> None:
            may_end.set()
            reader.join(60)
            self.advance(seconds)

    sink = opened(tmp_path, Waiting())
    put(sink, *KEPT, "gone")
    index = MomentIndex(tmp_path)

    def work() -> int:
        calls.append(1)
        version = index.version(SPACE.key)
        assert version is not None
        rows = version.near(PROBE.vector or (), "vector", ["true"], 100)
        begun.set()
        assert may_end.wait(60)
        return len(version.take([item.row for item in rows], ["thumbnail"]))

    reader = threading.Thread(target=lambda: found.append(index.reading(work)))
    reader.start()
    assert begun.wait(60)
    forget(sink, "gone")
    assert (found, len(calls)) == ([3 * len(KEPT) + 3], 1)
    assert len(index.moments(SPACE.key)) == 3 * len(KEPT)
    sink.close()


def test_a_reader_that_stays_too_long_opens_the_tables_anew_once(tmp_path: Path) -> None:
    clock, seen = ManualClock(), list[int]()
    sink = opened(tmp_path, clock)
    put(sink, *KEPT, "gone")
    index = MomentIndex(tmp_path)

    def work() -> int:
        version = index.version(SPACE.key)
        assert version is not None
        seen.append(version.rows)
        if len(seen) == 1:
            began_s = clock.monotonic_s()
            forget(sink, "gone")
            assert clock.monotonic_s() - began_s >= LEASE_S
        return sum(batch.num_rows for batch in version.batches("true", ["thumbnail"], 1_000))

    assert index.reading(work) == 3 * len(KEPT)
    assert seen == [3 * len(KEPT) + 3, 3 * len(KEPT)]
    sink.close()


def test_nobody_is_waited_for_where_nobody_reads(tmp_path: Path) -> None:
    clock, location = ManualClock(), Location.of(tmp_path)
    assert await_readers(location, clock)
    with VersionLease(location).held():
        assert not await_readers(location, clock)
        # Who began before the last wait is waited for no longer.
        assert await_readers(location, clock)
    before_s = clock.monotonic_s()
    assert await_readers(location, clock)
    assert clock.monotonic_s() == before_s


@pytest.mark.parametrize("there", [True, False])
def test_a_store_whose_writer_admits_no_readers_is_read_without_a_lease(tmp_path: Path, there: bool) -> None:
    location = Location.of(tmp_path / "store")
    if there:
        location.directory.mkdir()
    with VersionLease(location).held():
        assert sorted(tmp_path.rglob("*")) == ([location.directory] if there else [])
    assert MomentIndex(location).spaces() == []
