"""What a person asks of the stores while no run is on: forgetting assets, leaving no byte of them, dropping a space."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

from sinks.dead_letters import DeadLetterSink
from sinks.delta.sink import DeltaSink
from sinks.lance.sink import LanceSink
from sinks.layout import Layout, clear
from sinks.location import Location, Place
from sinks.maintenance import drop_space as dropping
from sinks.maintenance import reshard as resharding
from sinks.maintenance.reconcile import missing_retirements, newest_version_ms
from sinks.maintenance.reshard import Told
from sinks.protocol import Sink
from sinks.sharded.sink import sink_at
from stream.clock import Clock
from stream.events.asset import AssetDeleted
from stream.events.base import Event
from stream.events.ids import AssetVersion
from stream.pipelines.settings import Settings
from stream.pipelines.stages import INDEX
from stream.sessions.state_lock import state_lock

_EVENTS_AT_ONCE = 1_000


def compact(settings: Settings, clock: Clock, *, deletions: Iterable[tuple[str, str]] = ()) -> None:
    """Delete assets, named by (tenant, asset id), end retentions, then rewrite both stores and the dead letters without
    a byte of what is gone. May be repeated, also after a kill.

    Raises `Unavailable` while another process works on the directory or a store cannot be written.
    """
    with state_lock(settings.state_dir):
        # Without a reserve: who deletes may be making room.
        shards = Layout.of(settings.index_dir).shards
        make = partial(LanceSink, clock=clock, min_free_bytes=0, shards=shards)
        index = _whole(settings.index_dir, make, "the index")
        delta = _whole(settings.parquet_dir, partial(DeltaSink, clock=clock, min_free_bytes=0), "the Delta table")
        dead_letters = DeadLetterSink(settings.index_dir, clock)
        sinks: tuple[Sink | DeadLetterSink, ...] = (index, delta, dead_letters)
        try:
            for sink in sinks:
                sink.open()
            for place in settings.stores:
                clear(Layout.of(place))  # what a division that was cut off has left is of no store
            # Above everything stored, even where the clock has been set back: otherwise the deletion would count as
            # old.
            version = AssetVersion(newest_version_ms(settings.index_dir, clock.now_ms() - 1) + 1, 0)
            index.process([_deletion(tenant, asset_id, version) for tenant, asset_id in deletions])
            index.maintain()
            # After the index: it decides what is retired, and the other stores follow.
            for retired in _parts(missing_retirements(settings.index_dir, settings.parquet_dir)):
                for sink in (delta, dead_letters):
                    sink.process(retired)
            for sink in sinks:
                # Purged at the end: a kill before leaves bytes that nothing shows, and a repeat goes on.
                sink.maintain(purge=True)
        finally:
            for sink in sinks:
                sink.close()


def drop_space(settings: Settings, key: str) -> None:
    """Remove a space and its rows from both stores; the footage and other spaces stay. May be repeated, also after a
    kill.

    Raises `Unavailable` while another process works on the directory or a store cannot be written.
    """
    with state_lock(settings.state_dir):
        dropping.drop_space(settings.index_dir, settings.parquet_dir, key)


def reshard(settings: Settings, name: str, shards: int, told: Told) -> bool:
    """Divide the store that the stage `name` writes; returns whether it had another number of shards. A repeat goes on
    after a kill.

    Raises `Unavailable` while another process works on the directory or writes a shard.
    """
    with state_lock(settings.state_dir):
        if name == INDEX:
            return resharding.reshard(settings.index_dir, shards, resharding.INDEX, told)
        return resharding.reshard(settings.parquet_dir, shards, resharding.PARQUET, told)


def _whole(place: Place, make: Callable[[Location], Sink], name: str) -> Sink:
    """The sink over all shards that are there."""
    return sink_at(place, make, shards=Layout.of(place).shards, name=name, alone=True)


def _parts(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Some events at a time."""
    rest = iter(events)
    while part := list(islice(rest, _EVENTS_AT_ONCE)):
        yield part


def _deletion(tenant: str, asset_id: str, version: AssetVersion) -> Event:
    return Event(
        # As the store has it: an id of before may hold what none may hold now, and must go all the same.
        data=AssetDeleted.model_construct(asset_id=asset_id, version=version),
        tenant=tenant,
        project="default",
        subject=asset_id,
        event_time_ms=version.append_ms,
        source="cli",
    )
