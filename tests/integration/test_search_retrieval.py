"""The best moments of a real index: filters, hybrid ranking, freshness of what was just written, hostile names."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sinks.lance.sink import LanceSink
from sinks.query.filters import Filters
from sinks.query.moments import MomentIndex, StoredMoment
from stream.clock import ManualClock
from stream.events.annotations import Annotations
from stream.events.asset import AssetRef
from stream.search.explanation import Reason
from stream.search.retrieval import Match, Probe, best_matches
from stream.search.shots import group_into_shots
from tests.support.annotations import OTHER_SPACE, SPACE, annotations, asset_deleted, events, planned, ref

HOSTILE = "o'hara\" OR 1=1; --"
S = 1_000_000_000


def put(sink: LanceSink, asset: AssetRef, *words: str, labels: dict[str, str] | None = None) -> Annotations:
    item = annotations(asset, of=1, count=max(1, len(words)), words=words)
    list(sink.process(events(planned(asset, of=1, labels=labels), item)))
    return item


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[LanceSink]:
    built = LanceSink(tmp_path, ManualClock())
    built.open()
    yield built
    built.close()


@pytest.fixture
def index(tmp_path: Path) -> MomentIndex:
    return MomentIndex(tmp_path)


def vector_of(item: Annotations, row: int, column: str = "vector") -> list[float]:
    return list(item.rows[column].to_pylist()[row])


def ids(hits: list[Match]) -> list[str]:
    return [hit.moment.asset_id for hit in hits]


def owners(moments: list[StoredMoment]) -> list[str]:
    return [moment.asset_id for moment in moments]


def test_an_index_that_does_not_exist_finds_nothing(index: MomentIndex) -> None:
    assert index.spaces() == []
    assert best_matches(index, SPACE.key, Probe(vector=[1.0] * 8, text="dog")) == []
    assert (index.moments(SPACE.key), index.thumbnails(SPACE.key, ["x"])) == ([], {})


def test_a_vector_finds_its_moment_with_its_cosine(sink: LanceSink, index: MomentIndex) -> None:
    items = [put(sink, ref(f"clip-{number}"), "", "", labels={"n": str(number)}) for number in range(5)]
    hits = best_matches(index, SPACE.key, Probe(vector=vector_of(items[3], 1)), limit=3)
    best = hits[0]
    assert (best.moment.asset_id, best.moment.moment_id, len(hits)) == (
        "clip-3",
        items[3].rows["moment_id"][1].as_py(),
        3,
    )
    assert best.reason.similarity == pytest.approx(1.0, abs=1e-6)
    assert (best.reason.text_place, best.reason.words, best.moment.labels) == (None, (), ("n=3",))
    assert str(best.reason) == "similarity 1.000, place 1"
    expected = np.dot(vector_of(items[3], 1), np.concatenate([item.rows["vector"].to_pylist() for item in items]).T)
    assert [hit.reason.similarity for hit in hits] == pytest.approx(sorted(expected, reverse=True)[:3], abs=1e-5)
    assert hits == sorted(hits, key=lambda hit: -hit.score)


def test_words_are_found_at_once_and_after_compaction(sink: LanceSink, index: MomentIndex) -> None:
    put(sink, ref("dogs"), "two dogs run")
    put(sink, ref("cats"), "a cat sleeps")
    for _ in range(2):
        (hit,) = best_matches(index, SPACE.key, Probe(text="dog"))
        assert (hit.moment.asset_id, hit.reason) == ("dogs", Reason(text_place=1, words=("dog",)))
        assert str(hit.reason) == "text has dog, place 1"
        sink.maintain()
    put(sink, ref("late"), "a dog barks")
    assert sorted(ids(best_matches(index, SPACE.key, Probe(text="dog")))) == ["dogs", "late"]
    list(sink.process([asset_deleted(ref("dogs", 2))]))
    assert ids(best_matches(index, SPACE.key, Probe(text="dog"))) == ["late"]


def test_both_arms_are_fused_and_every_hit_has_a_cosine(sink: LanceSink, index: MomentIndex) -> None:
    dog = put(sink, ref("dog"), "a dog")
    put(sink, ref("other"), "nothing")
    worded = put(sink, ref("worded"), "a dog and a dog")
    query = vector_of(dog, 0)
    hits = best_matches(index, SPACE.key, Probe(vector=query, text="dog"))
    assert ids(hits)[0] == "dog"
    found = {hit.moment.asset_id: hit.reason for hit in hits}
    assert found["worded"].similarity == pytest.approx(float(np.dot(query, vector_of(worded, 0))), abs=1e-5)
    assert found["other"].text_place is None
    assert all(hit.reason.similarity is not None for hit in hits)


def test_images_are_compared_in_their_own_vectors(sink: LanceSink, index: MomentIndex) -> None:
    items = [put(sink, ref(f"clip-{number}"), "") for number in range(4)]
    probe = Probe(vector_of(items[2], 0, "image_vector"), "image_vector")
    best = best_matches(index, SPACE.key, probe)[0]
    assert best.moment.asset_id == "clip-2"
    assert best.reason.similarity == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(ValueError, match="column"):
        best_matches(index, SPACE.key, Probe(vector=[1.0], column="thumbnail"))


def test_filters_hold_together(sink: LanceSink, index: MomentIndex) -> None:
    put(sink, ref("one", tenant="acme", project="news"), "dog", labels={"team": "red", "year": "2024"})
    put(sink, ref("two", tenant="acme", project="sport"), "dog", labels={"team": "red"})
    put(sink, ref("three", tenant=HOSTILE), "dog", labels={"team": HOSTILE})

    def found(filters: Filters) -> list[str]:
        by_words = sorted(ids(best_matches(index, SPACE.key, Probe(text="dog"), filters)))
        assert by_words == sorted(owners(index.moments(SPACE.key, filters)))
        return by_words

    assert found(Filters()) == ["one", "three", "two"]
    assert found(Filters(tenant="acme")) == ["one", "two"]
    assert found(Filters(tenant=HOSTILE)) == ["three"]
    assert found(Filters(tenant="acme' OR '1'='1")) == []
    assert found(Filters(project="sport")) == ["two"]
    assert found(Filters(labels={"team": "red"})) == ["one", "two"]
    assert found(Filters(labels={"team": "red", "year": "2024"})) == ["one"]
    assert found(Filters(labels={"team": HOSTILE})) == ["three"]
    assert found(Filters(asset_ids=("two", "three"))) == ["three", "two"]
    assert found(Filters(kind="visual")) == ["one", "three", "two"]
    assert found(Filters(kind="speech' OR 'a'='a")) == []


def test_a_time_range_means_overlap(sink: LanceSink, index: MomentIndex) -> None:
    put(sink, ref(), "dog", "dog")  # [0, 2.5 s) and [2.5 s, 5 s)
    starts = {
        (low, high): [hit.start_ns for hit in index.moments(SPACE.key, Filters(start_ns=low, end_ns=high))]
        for low, high in ((0, S), (2 * S, 3 * S), (5 * S // 2, 9 * S), (5 * S, 9 * S), (None, None))
    }
    assert starts == {
        (0, S): [0],
        (2 * S, 3 * S): [0, 5 * S // 2],
        (5 * S // 2, 9 * S): [5 * S // 2],
        (5 * S, 9 * S): [],
        (None, None): [0, 5 * S // 2],
    }


@pytest.mark.parametrize(
    "words", ["", "   ", '"unclosed', "a AND (b", "'; DROP TABLE", "dog*^~[", "the of and", "\x00"]
)
def test_hostile_words_do_no_harm(sink: LanceSink, index: MomentIndex, words: str) -> None:
    put(sink, ref(), "dog")
    assert len(best_matches(index, SPACE.key, Probe(text=words))) <= 1
    assert len(best_matches(index, SPACE.key, Probe(vector=[1.0, *[0.0] * 7], text=words))) == 1


def test_labels_follow_the_live_version(sink: LanceSink, index: MomentIndex) -> None:
    put(sink, ref(), "dog", labels={"team": "red"})
    again = planned(ref(number=2), of=1, assumed=(0,), labels={"team": "blue"})
    list(sink.process(events(again)))
    assert len(index.moments(SPACE.key, Filters(labels={"team": "blue"}))) == 1
    assert index.moments(SPACE.key, Filters(labels={"team": "red"})) == []


def test_many_hidden_rows_do_not_hide_the_visible_ones(sink: LanceSink, index: MomentIndex) -> None:
    items = [annotations(ref(f"hidden-{number}"), of=1, count=60, words=["dog"] * 60) for number in range(10)]
    list(sink.process(events(*items)))
    put(sink, ref("shown"), "dog")
    assert ids(best_matches(index, SPACE.key, Probe(vector=vector_of(items[0], 0), text="dog"))) == ["shown"]
    assert owners(index.moments(SPACE.key)) == ["shown"]


def test_spaces_and_thumbnails(sink: LanceSink, index: MomentIndex) -> None:
    item = put(sink, ref(), "dog")
    list(sink.process(events(annotations(of=1, space=OTHER_SPACE))))
    assert index.spaces() == sorted([SPACE, OTHER_SPACE], key=lambda space: space.key)
    (hit,) = best_matches(index, SPACE.key, Probe(text="dog"))
    found = hit.moment.moment_id
    assert index.thumbnails(SPACE.key, [found, "x' OR 'a'='a"]) == {found: item.rows["thumbnail"][0].as_py()}


def test_hits_of_one_shot_join_over_segments(sink: LanceSink, index: MomentIndex) -> None:
    items = [annotations(segment=segment, count=1) for segment in range(3)]
    list(sink.process(events(planned(), *items)))
    hits = best_matches(index, SPACE.key, Probe(vector=vector_of(items[0], 0)), limit=2)
    (shot,) = group_into_shots(hits, index.neighbours(SPACE.key, [hit.moment for hit in hits]))
    assert (shot.shot.start_ns, shot.shot.end_ns, len(shot.hits)) == (0, 25 * S, 2)
