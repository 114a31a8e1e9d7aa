"""The application of search over a real index: what is asked, what is answered, and what is refused."""

import io
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from models.registry import ModelContext
from sinks.lance.sink import LanceSink
from sinks.query.filters import Filters
from sinks.query.moments import MomentIndex
from sinks.sharded.sink import sink_at
from stream.clock import ManualClock
from stream.errors import BadMedia, BadRequest
from stream.events.annotations import Annotations
from stream.events.asset import AssetRef
from stream.pipelines.settings import Settings
from stream.search.application import Search
from stream.search.explanation import Reason
from stream.search.request import Grouping, MomentRef, PictureFile, SearchRequest, Words
from stream.search.spaces import Spaces
from tests.support.annotations import annotations, asset_deleted, events, planned, ref
from tests.support.calibrated_space import CALIBRATION, CalibratedSpace

S = 1_000_000_000
SPACE = CalibratedSpace(ModelContext.of(Path("nowhere"))).space
RED = tuple(np.tile((1.0, 0.0, 0.0), SPACE.dimensions // 3) / np.sqrt(SPACE.dimensions / 3))


class Desk:
    """A state directory with an index that a test fills, and the application over it."""

    def __init__(self, folder: Path, shards: int = 1) -> None:
        self.clock = ManualClock()
        self.settings = Settings(state_dir=folder, cache_dir=folder / "cache")
        make = partial(LanceSink, clock=self.clock)
        self.sink = sink_at(self.settings.index_dir, make, shards=shards, name="the index", alone=True)
        self.sink.open()
        self.search = Search(self.settings, self.clock)

    def put(self, asset: AssetRef, *words: str, of: int = 1, vector: tuple[float, ...] | None = None) -> Annotations:
        """An asset of `of` cells whose first has a moment for each of the words, with a cut between any two."""
        item = annotations(asset, of=of, count=max(1, len(words)), words=words, space=SPACE)
        if vector is not None:
            column = item.rows.schema.get_field_index("vector")
            field = item.rows.schema.field(column)
            values = pa.array([list(vector)] * len(item.rows), field.type)
            item = replace(item, rows=item.rows.set_column(column, field, values))
        list(self.sink.process(events(planned(asset, of=of), item)))
        return item

    def close(self) -> None:
        self.search.close()
        self.sink.close()


@pytest.fixture(params=[1, 3], ids=["one shard", "three shards"])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    built = Desk(tmp_path, request.param)
    yield built
    built.close()


def moment_ids(item: Annotations) -> list[str]:
    return [str(name) for name in item.rows["moment_id"].to_pylist()]


def test_words_find_hits_with_all_that_is_to_be_shown(desk: Desk) -> None:
    item = desk.put(ref("fire", tenant="acme", project="news"), "a red fire", "smoke", vector=RED)
    answer = desk.search.answer(SearchRequest(Words("red"), limit=1))
    (hit,) = answer.hits
    assert answer.space == SPACE
    assert (hit.asset_id, hit.tenant, hit.project, hit.caption) == ("fire", "acme", "news", "a dog")
    assert (hit.start_ns, hit.end_ns, hit.weak) == (0, 5 * S // 2, False)
    assert hit.score == pytest.approx(1.0, abs=1e-5)
    assert hit.why == "similarity 1.000, place 1; text has red, place 1"
    assert hit.moment_ids == (moment_ids(item)[0],)
    assert hit.thumbnail == item.rows["thumbnail"][0].as_py()


def test_hits_are_weak_by_the_spaces_score_unless_a_word_matches(desk: Desk) -> None:
    desk.put(ref("far"), "", vector=tuple(-value for value in RED))
    desk.put(ref("worded"), "red", vector=tuple(-value for value in RED))
    answer = desk.search.answer(SearchRequest(Words("red")))
    assert {hit.asset_id: hit.weak for hit in answer.hits} == {"far": True, "worded": False}
    assert not answer.all_weak
    nothing = desk.search.answer(SearchRequest(Words("red"), Filters(asset_ids=("far",))))
    assert nothing.all_weak
    assert not desk.search.answer(SearchRequest(Words("red"), Filters(asset_ids=("none",)))).all_weak


def test_pictures_have_no_weak_hits_and_find_what_looks_alike(desk: Desk) -> None:
    desk.put(ref("red"), "", vector=RED)
    desk.put(ref("opposite"), "", vector=tuple(-value for value in RED))
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (255, 0, 0)).save(file, "PNG")
    answer = desk.search.answer(SearchRequest(PictureFile(file.getvalue())))
    assert [(hit.asset_id, hit.weak) for hit in answer.hits] == [("red", False), ("opposite", False)]
    assert answer.hits[0].score == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(BadMedia) as bad:
        desk.search.answer(SearchRequest(PictureFile(b"no picture")))
    assert bad.value.code == "bad_picture"


def test_a_moment_finds_its_like_and_not_itself(desk: Desk) -> None:
    asked = desk.put(ref("asked"), "", vector=RED)
    desk.put(ref("like"), "", vector=RED)
    desk.put(ref("opposite"), "", vector=tuple(-value for value in RED))
    answer = desk.search.answer(SearchRequest(MomentRef(moment_ids(asked)[0])))
    assert [hit.asset_id for hit in answer.hits] == ["like", "opposite"]
    assert answer.hits[0].score == pytest.approx(1.0, abs=1e-5)


def test_a_moment_that_nobody_sees_is_not_known(desk: Desk) -> None:
    gone = moment_ids(desk.put(ref("gone"), ""))[0]
    desk.put(ref("there"), "")
    list(desk.sink.process([asset_deleted(ref("gone", 2))]))
    hidden = annotations(ref("hidden"), of=3, space=SPACE)
    list(desk.sink.process(events(hidden)))  # no plan names it yet
    for name in (gone, moment_ids(hidden)[0], "x' OR 'a'='a"):
        with pytest.raises(BadRequest) as refused:
            desk.search.answer(SearchRequest(MomentRef(name)))
        assert refused.value.code == "unknown_moment"


@pytest.mark.parametrize("group", get_args(Grouping))
def test_grouping_loses_no_moment(desk: Desk, group: Grouping) -> None:
    items = [desk.put(ref(f"clip-{number}"), "", "", "") for number in range(2)]
    answer = desk.search.answer(SearchRequest(Words("red"), group=group))
    assert len(answer.hits) == 6, "there is a cut between any two"
    found = sorted(name for hit in answer.hits for name in hit.moment_ids)
    assert found == sorted(name for item in items for name in moment_ids(item))
    assert sorted(each.asset_id for each in answer.groups) == ["clip-0", "clip-1"]


def test_a_shot_is_one_hit_over_its_cells(desk: Desk) -> None:
    cells = [annotations(segment=segment, count=1, space=SPACE) for segment in range(3)]
    list(desk.sink.process(events(planned(), *cells)))
    (shot,) = desk.search.answer(SearchRequest(Words("red"))).hits
    assert (shot.start_ns, shot.end_ns, len(shot.moment_ids)) == (0, 25 * S, 3)
    single = desk.search.answer(SearchRequest(Words("red"), group="moment")).hits
    assert sorted((hit.start_ns, hit.end_ns) for hit in single) == [
        (0, 10 * S),
        (10 * S, 20 * S),
        (20 * S, 25 * S),
    ]


def test_by_asset_the_limit_counts_assets(desk: Desk) -> None:
    """However many moments of the best one stand before the next."""
    desk.put(ref("full"), *["red"] * 60, vector=RED)
    desk.put(ref("next"), "red", vector=tuple(-value for value in RED))
    desk.put(ref("last"), "", vector=tuple(-value for value in RED))
    answer = desk.search.answer(SearchRequest(Words("red"), limit=2, group="asset"))
    assert [(group.asset_id, len(group.hits)) for group in answer.groups] == [("full", 60), ("next", 1)]
    assert [group.hits[0] for group in answer.groups] == [answer.hits[0], answer.hits[-1]]
    assert len(desk.search.answer(SearchRequest(Words("red"), limit=2)).hits) == 2


def test_filters_hold_for_every_question(desk: Desk) -> None:
    asked = desk.put(ref("ours", tenant="acme"), "red")
    desk.put(ref("theirs", tenant="other"), "red")
    for query in (Words("red"), MomentRef(moment_ids(asked)[0])):
        answer = desk.search.answer(SearchRequest(query, Filters(tenant="other")))
        assert [hit.asset_id for hit in answer.hits] == ["theirs"]


def test_an_answer_says_how_fresh_it_is(desk: Desk) -> None:
    desk.put(ref("done"), "red")
    list(desk.sink.process(events(planned(ref("pending"), of=2))))
    desk.clock.advance(7.0)
    freshness = desk.search.answer(SearchRequest(Words("red"))).freshness
    assert (freshness.newest_age_s, freshness.pending_assets) == (7.0, 1)
    published_s = ref("pending").version.append_ms / 1000
    assert freshness.oldest_pending_s == pytest.approx(max(0.0, desk.clock.now_ms() / 1000 - published_s))


def test_an_explanation_is_given_where_it_is_asked_for(desk: Desk) -> None:
    desk.put(ref("red"), "red", vector=RED)
    other = annotations(ref("elsewhere"), of=1, count=1)
    list(desk.sink.process(events(planned(ref("elsewhere"), of=1), other)))
    assert desk.search.answer(SearchRequest(Words("red"), space=SPACE.key)).explanation is None
    told = desk.search.answer(SearchRequest(Words("red"), space=SPACE.key, explain=True)).explanation
    assert told is not None
    assert (told.calibration, told.lacking_assets) == (CALIBRATION, 1)
    (reason,) = told.reasons
    assert reason.similarity == pytest.approx(1.0, abs=1e-5)
    assert replace(reason, similarity=None) == Reason(None, 1, 1, ("red",), 1.0)


def test_the_space_is_the_named_one_else_the_chosen_one_else_the_newest(desk: Desk) -> None:
    desk.put(ref("clip"), "red")
    list(desk.sink.process(events(annotations(ref("clip"), of=1, epoch_ms=9))))
    spaces = Spaces(desk.settings)
    newest, older = "toy_0123456789ab", SPACE.key
    assert spaces.chosen().space.key == newest
    assert spaces.use("calib").key == older
    assert spaces.chosen().space.key == older
    assert spaces.chosen("toy").space.key == newest
    assert desk.search.answer(SearchRequest(Words("red"))).space == SPACE
    with pytest.raises(BadRequest, match=f"names 0 spaces; there are: {older}, {newest}") as refused:
        spaces.chosen("none")
    assert refused.value.code == "unknown_space"


def test_other_weights_than_those_of_the_index_are_refused(desk: Desk) -> None:
    changed = SPACE.model_copy(update={"digest": "f" * 32})
    item = annotations(ref(), of=1, space=changed)
    list(desk.sink.process(events(planned(of=1), item)))
    with pytest.raises(BadRequest, match=f"{SPACE.spec} is now {SPACE.key}") as refused:
        desk.search.answer(SearchRequest(Words("red")))
    assert refused.value.code == "space_changed"


def test_an_empty_index_is_refused(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, cache_dir=tmp_path)
    with Search(settings, ManualClock()) as search, pytest.raises(BadRequest) as refused:
        search.answer(SearchRequest(Words("red")))
    assert refused.value.code == "empty_index"
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_the_vector_of_a_moment_is_read_under_filters(desk: Desk) -> None:
    item = desk.put(ref(), "red", vector=RED)
    index = MomentIndex(desk.settings.index_dir)
    name = moment_ids(item)[0]
    assert index.vector_of(SPACE.key, name, "vector", Filters()) == pytest.approx(RED, abs=1e-6)
    assert index.vector_of(SPACE.key, name, "vector", Filters(tenant="other")) is None
    assert index.vector_of("none_0", name, "vector", Filters()) is None
