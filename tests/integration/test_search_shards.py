"""A store in four shards answers what the same rows in one store answer: search, assets, pages, spaces, freshness."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from sinks.lance.sink import LanceSink
from sinks.layout import Layout
from sinks.location import Location, Place
from sinks.query.catalogue import Catalogue
from sinks.query.filters import Filters, Scope
from sinks.query.holdings import holdings
from sinks.query.moments import MomentIndex, Span
from sinks.storage.files import files_at
from stream.clock import ManualClock
from stream.events.base import Event, Payload
from stream.search.retrieval import Matches, Probe, matches_from
from tests.support.annotations import (
    OTHER_SPACE,
    SPACE,
    annotations,
    asset_deleted,
    event,
    events,
    planned,
    ref,
    unit,
)

T = TypeVar("T")
WORDS = (
    "dog",
    "dogs",
    "cat",
    "a running dog",
    "the Café",
    "cafe and cat",
    "skiing",
    "",
    "of the",
    "generous businesses",
)
PROBES = {
    "vector": Probe(unit(SPACE.dimensions, "question")),
    "image": Probe(unit(SPACE.image_dimensions or 0, "picture"), "image_vector"),
    "words": Probe(text="dogs running in a café"),
    "hybrid": Probe(unit(SPACE.dimensions, "question"), text="cat skiing"),
}
FILTERS = {
    "none": Filters(),
    "tenant": Filters(tenant="b"),
    "project": Filters(project="p1"),
    "labels": Filters(labels={"team": "2"}),
    "assets": Filters(asset_ids=("clip-003", "clip-010", "clip-011")),
    "scopes": Filters(scopes=(Scope("a"), Scope("c", "p0"))),
    "time": Filters(start_ns=4_000_000_000, end_ns=6_000_000_000),
    "nothing": Filters(tenant="nobody"),
}


class Shards:
    """A store of so many shards, each of which has a sink."""

    def __init__(self, root: Place, shards: int) -> None:
        self.root = Location.of(root)
        self._layout = Layout(self.root, shards)
        if shards > 1:
            # As a layout writes it, and on an object store too.
            files_at(self.root).write("shards.json", json.dumps({"shards": shards, "hash": "murmur2"}))
        self._sinks = [LanceSink(place, ManualClock()) for place in self._layout.places]
        for sink in self._sinks:
            sink.open()

    def put(self, batch: list[Event]) -> None:
        parts: dict[int, list[Event]] = {}
        for item in batch:
            parts.setdefault(self._layout.shard_of(item.tenant or "", item.subject or ""), []).append(item)
        for shard, part in parts.items():
            list(self._sinks[shard].process(part))

    def maintain(self) -> None:
        for sink in self._sinks:
            sink.maintain()

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()


@dataclass(frozen=True, slots=True)
class Pair:
    """The same rows in one shard and in four."""

    one: Shards
    four: Shards

    def both(self, work: Callable[[Shards], T]) -> tuple[T, T]:
        return work(self.one), work(self.four)

    def same(self, ask: Callable[[Place], T]) -> T:
        """What both answer, which is the same."""
        one, four = self.both(lambda store: ask(store.root))
        assert one == four
        return four


def footage() -> Iterator[list[Event]]:
    """Batches of 36 assets of three tenants; some in another space, replaced, deleted, or live nowhere."""
    chance = np.random.default_rng(3)
    for number in range(36):
        asset = ref(f"clip-{number // 3:03d}", tenant="abc"[number % 3], project=f"p{number % 2}")
        words = [str(word) for word in chance.choice(WORDS, size=4)]
        items: list[Payload] = [annotations(asset, of=1, count=4, words=words)]
        if number % 9 == 0:
            items += [annotations(asset, of=1, count=2, words=words, space=OTHER_SPACE, epoch_ms=9)]
        # Without a plan its rows are there and show nowhere.
        if number % 7:
            items = [planned(asset, of=1, labels={"team": str(number % 4)}), *items]
        yield events(*items)
        if number % 11 == 0:
            yield [asset_deleted(ref(asset.asset_id, 2, tenant=asset.tenant))]
        if number == 13:
            pending = ref("pending", tenant="b")
            yield [event(planned(pending, of=2), pending)]


@pytest.fixture(scope="module", params=["as written", "indexed", "some newer than the index"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("stores")
    stores = Pair(Shards(root / "one", 1), Shards(root / "four", 4))
    told = [item for batch in footage() for item in batch]
    written = {"as written": 0, "indexed": 4, "some newer than the index": 2}[request.param]
    for number in range(4):
        batch = told[number * len(told) // 4 : (number + 1) * len(told) // 4]
        stores.both(partial(Shards.put, batch=batch))
        if number + 1 == written:
            stores.both(Shards.maintain)
    yield stores
    stores.both(Shards.close)


def values(found: Matches) -> list[tuple[object, ...]]:
    return [(match.moment, match.reason.vector_place, match.reason.text_place) for match in found.items]


def assert_same(one: Matches, four: Matches) -> None:
    assert values(four) == values(one)
    assert four.end == one.end
    for mine, other in zip(four.items, one.items, strict=True):
        assert mine.score == pytest.approx(other.score, rel=1e-6)
        assert mine.reason.similarity == pytest.approx(other.reason.similarity, abs=1e-6)


@pytest.mark.parametrize("kind", PROBES)
@pytest.mark.parametrize("name", FILTERS)
def test_search_answers_the_same(pair: Pair, kind: str, name: str) -> None:
    def ask(store: Shards) -> Matches:
        return matches_from(MomentIndex(store.root), SPACE.key, PROBES[kind], FILTERS[name], limit=20)

    one, four = pair.both(ask)
    assert_same(one, four)
    assert bool(four.items) == (name != "nothing")


@pytest.mark.parametrize("kind", PROBES)
def test_deep_pages_are_the_same(pair: Pair, kind: str) -> None:
    indexes = pair.both(lambda store: MomentIndex(store.root))
    for offset in range(0, 130, 7):
        one, four = (matches_from(index, SPACE.key, PROBES[kind], offset=offset, limit=7) for index in indexes)
        assert_same(one, four)


def test_a_moment_finds_its_like(pair: Pair) -> None:
    (moment,) = pair.same(lambda root: MomentIndex(root).moments(SPACE.key, Filters(tenant="c"), 1))
    vector = pair.same(lambda root: MomentIndex(root).vector_of(SPACE.key, moment.moment_id, "vector", Filters()))
    assert vector is not None
    probe = Probe(vector, without=moment.moment_id)
    assert_same(*pair.both(lambda store: matches_from(MomentIndex(store.root), SPACE.key, probe)))
    hidden = pair.same(
        lambda root: MomentIndex(root).vector_of(SPACE.key, moment.moment_id, "vector", FILTERS["tenant"])
    )
    assert hidden is None


def test_moments_and_what_belongs_to_them(pair: Pair) -> None:
    moments = pair.same(lambda root: MomentIndex(root).moments(SPACE.key))
    assert len(moments) > 80
    ids = [moment.moment_id for moment in moments]
    assert len(pair.same(lambda root: MomentIndex(root).thumbnails(SPACE.key, ids))) == len(ids)

    def spans(root: Place) -> list[Span]:
        found = MomentIndex(root).neighbours(SPACE.key, moments[:30])
        return sorted(found, key=lambda span: (span.content_key, span.start_ns))

    assert pair.same(spans)


def test_assets_are_listed_in_order(pair: Pair) -> None:
    views = pair.same(lambda root: [replace(view, updated_at_ms=0) for view in Catalogue(root).assets()])
    assert [(view.tenant, view.asset_id) for view in views] == sorted((view.tenant, view.asset_id) for view in views)
    assert pair.same(lambda root: len(Catalogue(root).assets("a", ["clip-000", "clip-003"]))) == 2


@pytest.mark.parametrize("first", [1, 5, 1000])
@pytest.mark.parametrize("name", ["none", "tenant", "labels"])
def test_pages_of_assets_follow_one_another(pair: Pair, first: int, name: str) -> None:
    def listed(root: Place) -> list[object]:
        return [item for page in Catalogue(root).pages(FILTERS[name], first) for item in page.items()]

    assert len(pair.same(listed)) >= 7


def test_spaces_freshness_and_holdings(pair: Pair) -> None:
    assert len(pair.same(lambda root: MomentIndex(root).spaces())) == 2
    assert pair.same(lambda root: MomentIndex(root).epochs()) == {SPACE.key: 5, OTHER_SPACE.key: 9}
    assert pair.same(lambda root: Catalogue(root).freshness()).pending_assets == 1
    assert pair.same(lambda root: dict(holdings(root)))[OTHER_SPACE.key].lacking > 0


def test_a_store_that_is_divided_later_is_followed(tmp_path: Path) -> None:
    index = MomentIndex(tmp_path / "store")
    assert index.spaces() == []
    store = Shards(tmp_path / "store", 4)
    assert index.spaces() == []
    store.put(next(footage()))
    assert len(index.spaces()) == 2
    store.close()


def test_shards_on_an_object_store_answer_the_same(tmp_path: Path, s3_prefix: str) -> None:
    pair = Pair(Shards(tmp_path / "one", 1), Shards(f"{s3_prefix}/three", 3))
    told = [item for batch in list(footage())[:6] for item in batch]
    for batch in (told[: len(told) // 2], told[len(told) // 2 :]):
        pair.both(partial(Shards.put, batch=batch))
        for probe in PROBES.values():
            one, three = pair.both(lambda store, probe=probe: matches_from(MomentIndex(store.root), SPACE.key, probe))  # type: ignore[misc]
            assert_same(one, three)
            assert one.items
        pair.both(Shards.maintain)
    pair.both(Shards.close)
