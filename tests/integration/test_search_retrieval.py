"""The best moments of a real index: filters, hybrid ranking, freshness of what was just written, hostile names."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import lance
import lancedb
import numpy as np
import pyarrow as pa
import pytest
from lancedb.index import Bitmap, LabelList

from sinks.lance.hit_column import HIT
from sinks.lance.sink import LanceSink
from sinks.query.filters import LIVE_COLUMNS, Filters, Scope
from sinks.query.moments import MomentIndex, StoredMoment
from sinks.query.rankings import Candidate, SpaceVersion, Vector
from sinks.tables.names import ASSETS, moments_table
from stream.clock import ManualClock
from stream.events.annotations import Annotations
from stream.events.asset import AssetRef
from stream.search.explanation import Reason
from stream.search.retrieval import Match, Probe, best_matches, matches_from
from stream.search.shots import group_into_shots
from tests.support.annotations import OTHER_SPACE, SPACE, annotations, asset_deleted, events, planned, ref, unit

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
        assert (hit.moment.asset_id, hit.reason) == ("dogs", Reason(text_place=1, words=("dog",), coverage=1.0))
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


def test_one_of_many_words_outranks_nothing_that_is_near(sink: LanceSink, index: MomentIndex) -> None:
    items = [put(sink, ref(f"clip-{number}"), word) for number, word in enumerate(["", "", "cat", "a spotted cat"])]
    probe = Probe(vector=vector_of(items[0], 0), text="a spotted big cat sprinting")
    alone = ids(best_matches(index, SPACE.key, replace(probe, text=None)))
    # Four words say something: half of them count, and one of them does not.
    (worded,) = [hit for hit in best_matches(index, SPACE.key, probe) if hit.reason.text_place is not None]
    assert worded.moment.asset_id == "clip-3"
    others = [name for name in ids(best_matches(index, SPACE.key, probe)) if name != "clip-3"]
    assert others == [name for name in alone if name != "clip-3"]
    # Words alone have no better evidence.
    assert set(ids(best_matches(index, SPACE.key, replace(probe, vector=None)))) == {"clip-2", "clip-3"}


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


def told(folder: Path, *, hidden: tuple[str, ...] = (), project: dict[str, str] | None = None) -> None:
    """Let the rows say what is visible, as hints: true but for `hidden`; `project` says another than the row's."""
    table = lancedb.connect(folder).open_table(moments_table(SPACE.key))
    if "visible" not in table.schema.names:
        table.add_columns({"visible": "true", "live_project": "project"})
        table.add_columns(pa.schema([pa.field("live_labels", pa.list_(pa.string()))]))
    rows = table.search().select(["moment_id", "asset_id", "project", "labels"]).to_arrow().to_pylist()
    hints = [
        {
            "moment_id": row["moment_id"],
            "visible": row["asset_id"] not in hidden,
            "live_project": (project or {}).get(row["asset_id"], row["project"]),
            "live_labels": row["labels"],
        }
        for row in rows
    ]
    table.merge_insert("moment_id").when_matched_update_all().execute(
        pa.Table.from_pylist(hints, schema=pa.schema([table.schema.field(name) for name in hints[0]]))
    )
    for column in ("visible", "live_project", "tenant"):
        table.create_index(column, config=Bitmap())
    table.create_index("live_labels", config=LabelList())


def test_rows_that_tell_what_is_visible_are_filtered_in_the_store(
    sink: LanceSink, index: MomentIndex, tmp_path: Path
) -> None:
    put(sink, ref("one", tenant="acme"), "dog", labels={"team": "red"})
    put(sink, ref("two", tenant="other", project="sport"), "dog")
    put(sink, ref("never"), "dog")
    told(tmp_path, hidden=("never",))

    def found(filters: Filters) -> list[str]:
        return sorted(ids(best_matches(index, SPACE.key, Probe(vector=[1.0, *[0.0] * 7], text="dog"), filters)))

    assert found(Filters()) == ["one", "two"], "a row that says it is hidden is not looked up"
    assert found(Filters(tenant="acme")) == ["one"]
    assert found(Filters(project="sport")) == ["two"]
    assert found(Filters(asset_ids=("two", "never"))) == ["two"]
    assert found(Filters(scopes=(Scope("acme", "news"), Scope("other", "sport")))) == ["one", "two"]
    assert found(Filters(scopes=(Scope("acme", "news"), Scope("other", "news")))) == ["one"]
    assert found(Filters(scopes=())) == []


def test_a_table_of_an_older_release_is_read_rightly(sink: LanceSink, index: MomentIndex, tmp_path: Path) -> None:
    """Its rows do not say what is visible, and their project and labels are those they were first stored with."""
    put(sink, ref("one"), "dog", labels={"team": "red"})
    put(sink, ref("two", project="sport"), "dog")
    list(sink.process(events(annotations(ref("waiting"), of=2, count=1, words=["dog"]))))
    again = planned(ref("one", number=2, project="sport"), of=1, assumed=(0,), labels={"team": "blue"})
    list(sink.process(events(again)))
    lancedb.connect(tmp_path).open_table(moments_table(SPACE.key)).drop_columns(list(LIVE_COLUMNS))

    def found(filters: Filters) -> list[str]:
        return sorted(ids(best_matches(index, SPACE.key, Probe(vector=[1.0, *[0.0] * 7], text="dog"), filters)))

    assert found(Filters()) == ["one", "two"]
    assert found(Filters(project="sport")) == ["one", "two"]
    assert found(Filters(project="news")) == []
    assert found(Filters(labels={"team": "blue"})) == ["one"]
    assert found(Filters(labels={"team": "red"})) == []
    assert found(Filters(scopes=(Scope("acme", "sport"),))) == ["one", "two"]
    assert owners(index.moments(SPACE.key, Filters(labels={"team": "blue"}))) == ["one"]


def test_a_hit_is_the_same_where_rows_do_not_say_it_in_one_column(
    sink: LanceSink, index: MomentIndex, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        put(sink, ref(name), "dog", "a cat")

    def found() -> list[Match]:
        return best_matches(index, SPACE.key, Probe(vector=[1.0, *[0.0] * 7], text="dog"))

    whole = found()
    assert len(whole) == 4
    table = lance.dataset(tmp_path / f"{moments_table(SPACE.key)}.lance")
    table.update({HIT.name: "NULL"}, where="asset_id = 'one'")
    assert found() == whole
    table.update({HIT.name: "replace(hit, 'dog', 'wolf')"})
    assert {match.moment.text for match in found()} == {"dog", "wolf", "a cat"}, "it is not read at all"
    table.drop_columns([HIT.name])
    assert found() == whole


def test_what_rows_say_is_no_more_than_a_hint(sink: LanceSink, index: MomentIndex, tmp_path: Path) -> None:
    """Content that was replaced, retired or deleted shows in no way, however long its rows say otherwise."""
    put(sink, ref("deleted"), "dog")
    put(sink, ref("moved", project="old"), "dog")
    put(sink, ref("kept"), "dog")
    waiting = annotations(ref("waiting"), of=2, count=1, words=["dog"])
    list(sink.process(events(waiting)))  # no plan names it: it is live nowhere
    told(tmp_path, project={"kept": "old"})
    assets = lancedb.connect(tmp_path).open_table(ASSETS)
    assets.update(where="asset_id = 'deleted'", values={"live_content_key": None})
    assets.update(where="asset_id = 'moved'", values={"live_project": "new", "shown": None})
    probe = Probe(vector=[1.0, *[0.0] * 7], text="dog")
    assert sorted(ids(best_matches(index, SPACE.key, probe))) == ["kept", "moved"]
    assert ids(best_matches(index, SPACE.key, probe, Filters(project="old"))) == []
    assert {hit.moment.project for hit in best_matches(index, SPACE.key, probe)} == {"new", "news"}


def test_pages_follow_one_another_and_say_where_they_end(sink: LanceSink, index: MomentIndex) -> None:
    items = [put(sink, ref(f"clip-{number}"), "dog", "cat") for number in range(6)]
    probe = Probe(vector=vector_of(items[0], 0))
    whole = best_matches(index, SPACE.key, probe, limit=12)
    pages = [matches_from(index, SPACE.key, probe, offset=offset, limit=5) for offset in (0, 5, 10, 15)]
    assert [match for page in pages for match in page.items] == whole
    assert [page.end for page in pages] == ["more", "more", "all", "all"]


def test_pages_of_both_arms_repeat_nothing_and_leave_out_nothing(
    sink: LanceSink, index: MomentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a deeper look finds comes after what a shallower one found, whatever its score."""
    monkeypatch.setattr("stream.search.retrieval._FEWEST", 12)
    for number in range(60):
        put(sink, ref(f"clip-{number}"), f"dog {'cat ' * (number * 7 % 60)}")
    probe = Probe(vector=unit(8, "far"), text="dog")
    pages = [matches_from(index, SPACE.key, probe, offset=offset, limit=3) for offset in range(0, 60, 3)]
    found = [match.moment.moment_id for page in pages for match in page.items]
    assert (len(found), len(set(found))) == (60, 60)
    assert [page.end for page in pages] == [*["more"] * 19, "all"]
    assert [hit.moment.moment_id for hit in best_matches(index, SPACE.key, probe, limit=3)] == found[:3]


def test_nobody_looks_deeper_than_the_deepest(
    sink: LanceSink, index: MomentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.search.retrieval.DEEPEST", 8)
    item = annotations(of=1, count=10)
    list(sink.process(events(planned(of=1), item)))
    probe = Probe(vector=vector_of(item, 0))
    found = [matches_from(index, SPACE.key, probe, offset=offset, limit=4) for offset in (0, 4, 8)]
    assert [(len(page.items), page.end) for page in found] == [(4, "more"), (4, "deepest"), (0, "deepest")]


def test_a_reader_goes_on_where_the_version_it_read_is_gone(sink: LanceSink, index: MomentIndex) -> None:
    put(sink, ref("first"), "dog")
    assert ids(best_matches(index, SPACE.key, Probe(text="dog"))) == ["first"]
    put(sink, ref("second"), "dog")
    sink.maintain(purge=True)
    assert sorted(ids(best_matches(index, SPACE.key, Probe(text="dog")))) == ["first", "second"]


def test_more_like_a_moment_is_one_look_as_the_moment_itself_is_expected_in_it(
    sink: LanceSink, index: MomentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = annotations(of=1, count=20)
    list(sink.process(events(planned(of=1), item)))
    depths, near = [], SpaceVersion.near

    def counted(self: SpaceVersion, vector: Vector, column: str, wheres: Sequence[str], depth: int) -> list[Candidate]:
        depths.append(depth)
        return near(self, vector, column, wheres, depth)

    monkeypatch.setattr(SpaceVersion, "near", counted)
    itself = item.rows["moment_id"][3].as_py()
    found = matches_from(index, SPACE.key, Probe(vector_of(item, 3), without=itself), limit=5)
    assert (len(found.items), found.end, depths) == (5, "more", [7])
    assert itself not in [match.moment.moment_id for match in found.items]
