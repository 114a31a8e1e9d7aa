"""Shards on an object store: divided once, asked for by marks, and handed over with their leases."""

import pytest

from sinks.layout import Layout, claim
from sinks.location import Location
from sinks.protocol import Sink
from sinks.sharded.requests import EXPIRY_S, Requests
from sinks.sharded.sink import ShardedSink
from stream.clock import ManualClock, SystemClock
from stream.errors import Fatal
from tests.integration.test_sinks_sharded import ASSETS, FAMILIES, batch_of, ledgers, opened


@pytest.fixture
def root(s3_prefix: str) -> Location:
    return Location.of(s3_prefix).child("store")


def test_the_first_process_says_how_many_shards_there_are(root: Location) -> None:
    assert Layout.of(root).shards == 1
    layout = claim(root, 3)
    assert layout == Layout.of(root) == claim(root, 3)
    assert [place.uri for place in layout.places] == [f"{root.uri}/shard-000{number}" for number in range(3)]
    with pytest.raises(Fatal, match="has 3 shards"):
        claim(root, 2)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_tables_at_the_root_are_one_shard(name: str, root: Location) -> None:
    with opened(FAMILIES[name](root, ManualClock())) as sink:
        list(sink.process(batch_of("clip")))
    with pytest.raises(Fatal, match="has 1 shard, "):
        claim(root, 4)


def test_requests_are_seen_by_others_until_they_are_withdrawn_or_void(root: Location) -> None:
    clock = ManualClock()
    one, other = Requests(root, clock), Requests(root, clock)
    one.ask(2)
    clock.advance(3)
    assert not other.first(2)
    assert set(other.others()) == {2}
    one.withdraw(2)
    clock.advance(3)
    assert other.others() == {}
    one.ask(2)
    clock.advance(EXPIRY_S + 1)
    assert other.others() == {}
    assert other.first(2)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_shard_goes_to_the_process_whose_batch_needs_it(
    name: str, root: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinks.sharded.sink.PATIENCE_S", 60.0)
    clock = SystemClock()

    def shared() -> Sink:
        return ShardedSink(root, lambda place: FAMILIES[name](place, clock), shards=2, name="the store", clock=clock)

    with opened(shared()) as one, opened(shared()) as other:
        list(one.process(batch_of(*ASSETS)))
        list(other.process(batch_of(*ASSETS, segment=1)))
        list(one.process(batch_of(*ASSETS, revision=1)))
    found = {entry for held in ledgers(FAMILIES[name], root) for entry in held}
    assert found == {(asset, 0, 1) for asset in ASSETS} | {(asset, 1, 0) for asset in ASSETS}
