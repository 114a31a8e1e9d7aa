"""Shot assembly: consecutive moments without a cut are one shot, whatever was found of it."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stream.search.shots import Shot, assemble, group_into_shots


@dataclass(frozen=True)
class M:
    start_ns: int
    end_ns: int
    starts_at_cut: bool = False
    ends_at_cut: bool = False
    score: float = 0.0
    content_key: str = "a"
    kind: str = "visual"
    shot_method: str = "transnetv2"

    @property
    def moment(self) -> "M":
        return self


def test_segment_edges_do_not_split_a_shot() -> None:
    moments = [M(0, 4, ends_at_cut=True), M(4, 10, starts_at_cut=True), M(10, 20), M(20, 23, ends_at_cut=True)]
    assert assemble(moments) == [Shot("a", "visual", 0, 4), Shot("a", "visual", 4, 23)]


def test_a_cut_on_either_side_a_gap_or_another_kind_splits() -> None:
    assert len(assemble([M(0, 10, ends_at_cut=True), M(10, 20)])) == 2
    assert len(assemble([M(0, 10), M(10, 20, starts_at_cut=True)])) == 2
    assert len(assemble([M(0, 10), M(20, 30)])) == 2
    assert len(assemble([M(0, 10), M(10, 20, kind="speech")])) == 2
    assert len(assemble([M(0, 10), M(10, 20, content_key="b")])) == 2


def test_without_shot_detection_a_moment_is_its_own_shot() -> None:
    assert len(assemble([M(0, 10, shot_method="none"), M(10, 20, shot_method="none")])) == 2


def test_hits_of_one_shot_are_joined_over_moments_that_were_not_found() -> None:
    first, last, other = M(0, 10, score=0.2), M(20, 30, score=0.9), M(40, 50, score=0.5)
    between = [M(10, 20), M(30, 35, ends_at_cut=True), M(35, 40, starts_at_cut=True, ends_at_cut=True)]
    best, second = group_into_shots([other, last, first], [*between, first])
    assert (best.shot, best.hits, best.score) == (Shot("a", "visual", 0, 35), (last, first), 0.9)
    assert (second.shot, second.hits) == (Shot("a", "visual", 40, 50), (other,))


@st.composite
def timelines(draw: st.DrawFn) -> list[M]:
    moments = []
    for content in draw(st.sampled_from([["a"], ["a", "b"]])):
        edges = [0, *sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=12)))]
        cuts = {edge: draw(st.booleans()) for edge in edges}
        for start, end in pairwise(edges):
            moments.append(M(start, end, cuts[start], cuts[end], draw(st.floats(0, 1)), content_key=content))
    return moments


@given(timelines(), st.data())
def test_shots_cover_the_moments_exactly_and_begin_at_cuts(moments: list[M], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(moments + data.draw(st.lists(st.sampled_from(moments), max_size=3))))
    shots = assemble(shuffled)
    assert sum(shot.end_ns - shot.start_ns for shot in shots) == sum(m.end_ns - m.start_ns for m in moments)
    starts = {(m.content_key, m.start_ns) for m in moments if m.starts_at_cut or m.start_ns == 0}
    assert {(shot.content_key, shot.start_ns) for shot in shots} == starts
    hits = data.draw(st.lists(st.sampled_from(moments), unique=True))
    grouped = group_into_shots(hits, moments)
    assert sorted(hit.start_ns for item in grouped for hit in item.hits) == sorted(hit.start_ns for hit in hits)
    assert all(item.shot in shots for item in grouped)
    assert [item.score for item in grouped] == sorted((item.score for item in grouped), reverse=True)
    assert all(item.score == max(hit.score for hit in item.hits) for item in grouped)
