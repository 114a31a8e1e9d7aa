"""Sinks of the registry as tests build them: alone, over shards, and on an object store; and what they hold."""

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sinks import REGISTRY
from sinks.location import Place
from sinks.protocol import Sink, Store
from sinks.sharded.sink import ShardedSink
from sinks.sharded.store import ShardedStore
from stream.clock import ManualClock
from stream.events.annotations import Space
from stream.events.base import Event
from stream.events.ids import asset_key
from tests.support.annotations import SPACE

Row = dict[str, Any]


SHARDED = "sharded "
ON_S3, ON_AZURE = "s3 ", "azure "
SHARDS = 3


def made(name: str, place: Place, **options: Any) -> Sink:
    """A sink of the registry, or with `sharded` before its name one over several of them. `s3` and `azure` say where it
    lies.
    """
    name = name.removeprefix(ON_S3).removeprefix(ON_AZURE)
    module, _, attribute = REGISTRY[name.removeprefix(SHARDED)].partition(":")
    plain: Callable[..., Sink] = getattr(importlib.import_module(module), attribute)
    clock = ManualClock()
    if not name.startswith(SHARDED):
        return plain(place, clock, **options)
    make = partial(plain, clock=clock, **options)
    return ShardedSink(place, make, shards=SHARDS, name="the store", clock=clock, alone=True)


def build(name: str, place: Place) -> Sink:
    sink = made(name, place)
    sink.open()
    return sink


def stores_of(sink: Sink) -> Sequence[Store]:
    """Those that lie in one place each."""
    return sink.store.shards if isinstance(sink.store, ShardedStore) else [sink.store]


def rows_of(sink: Sink, asset_id: str = "clip", tenant: str = "acme", space: Space = SPACE) -> list[Row]:
    found: list[Row] = []
    for store in stores_of(sink):
        table: Any = store.rows([asset_key(tenant, asset_id)], space.key)  # type: ignore[attr-defined]  # for tests
        found += [] if table is None else table.to_pylist()
    return sorted(found, key=lambda row: str(row["moment_id"]))


def feed(sink: Sink, batch: Sequence[Event]) -> list[Event]:
    return list(sink.process(batch))
