"""The fold against a store of one dictionary: any permutation, duplication and partition ends the same."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sinks.assets.fold import SpaceCell, cell_of, fold
from sinks.assets.tombstones import Retirement
from stream.events.annotations import Annotations
from stream.events.ids import AssetVersion, Order, asset_key
from tests.support.annotations import OTHER_SPACE, SPACE, annotations, key_of, ref, version

ASSET = asset_key("acme", "clip")
ITEMS = [
    annotations(ref(number=number), segment, content=content, epoch_ms=epoch, revision=revision, space=space, count=1)
    for number, content in ((1, "a"), (2, "b"), (3, "a"))
    for segment in (0, 1)
    for epoch, revision in ((1, 0), (1, 1), (2, 0))
    for space in (SPACE, OTHER_SPACE)
]
RETIREMENTS = [
    None,
    Retirement(up_to=version(2), keep=key_of("b")),
    Retirement(up_to=version(3), keep=key_of("a")),
    Retirement(deleted=version(1)),
    Retirement(deleted=version(3)),
]


def run(batches: Sequence[Sequence[Annotations]], retirement: Retirement | None) -> dict[SpaceCell, Order]:
    held: dict[SpaceCell, Order] = {}
    retired = {} if retirement is None else {ASSET: retirement}
    for batch in batches:
        folded = fold(batch, held, retired)
        assert len({cell_of(item.header) for item in folded.replace}) == len(folded.replace)
        assert len(folded.replace) + len(folded.known) + len(folded.outdone) + len(folded.void) == len(batch)
        held.update((cell_of(item.header), item.header.order) for item in folded.replace)
    return held


@given(
    chosen=st.lists(st.sampled_from(range(len(ITEMS))), min_size=1, max_size=20),
    retirement=st.sampled_from(RETIREMENTS),
    data=st.data(),
)
def test_final_state_is_the_highest_order_per_cell(
    chosen: list[int], retirement: Retirement | None, data: st.DataObject
) -> None:
    repeated = data.draw(st.permutations(chosen + data.draw(st.lists(st.sampled_from(chosen), max_size=8))))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(repeated)), max_size=5)) | {0, len(repeated)})
    batches = [[ITEMS[index] for index in repeated[start:end]] for start, end in pairwise(cuts)]
    expected: dict[SpaceCell, Order] = {}
    for index in chosen:
        header = ITEMS[index].header
        if retirement is None or not retirement.voids(header.content_key, header.asset.version):
            expected[cell_of(header)] = max(header.order, expected.get(cell_of(header), header.order))
    assert run(batches, retirement) == expected


def test_what_the_store_holds_is_known_and_not_written_again() -> None:
    item = annotations(revision=1)
    stored = {cell_of(item.header): item.header.order}
    folded = fold([item, annotations(), annotations(revision=2)], stored, {})
    assert [kept.header.revision for kept in folded.replace] == [2]
    assert [header.revision for header in folded.known] == [1, 0]
    folded = fold([annotations(revision=2), annotations(revision=3), annotations(revision=3)], stored, {})
    assert ([header.revision for header in folded.outdone], folded.known) == ([2, 3], ())


deletions = st.none() | st.integers(1, 3).map(version)
live = st.none() | st.tuples(st.integers(1, 3).map(version), st.sampled_from(["x", "y"]))


def raised(deletion: AssetVersion | None, kept: tuple[AssetVersion, str] | None) -> Retirement:
    mark = Retirement(deleted=deletion)
    return mark if kept is None else mark.joined(Retirement(up_to=kept[0], keep=kept[1]))


marks = st.lists(st.builds(raised, deletions, live), min_size=1, max_size=3).map(
    lambda found: reduce(Retirement.joined, found)
)


@given(marks, marks, marks)
def test_watermarks_join_in_any_order(one: Retirement, two: Retirement, three: Retirement) -> None:
    assert one.joined(two) == two.joined(one)
    assert one.joined(two).joined(three) == one.joined(two.joined(three))
    assert one.joined(one) == one
    assert one.joined(two).deleted == max((m.deleted for m in (one, two) if m.deleted), default=None)


@given(marks, marks, st.sampled_from(["x", "y"]), st.integers(1, 4).map(version))
def test_what_is_void_stays_void(one: Retirement, two: Retirement, content: str, number: AssetVersion) -> None:
    """But for the version that made its content live, where it is told with two contents."""
    assert one.joined(two).voids(content, number) or not one.voids(content, number) or number == two.up_to


def test_content_that_comes_back_brings_back_nothing_that_was_void() -> None:
    rounds = [Retirement(up_to=version(number), keep=key_of(content)) for number, content in enumerate("aba", 1)]
    mark = reduce(Retirement.joined, rounds)
    assert [mark.voids(key_of("a"), version(number)) for number in (1, 2, 3, 4)] == [True, True, False, False]
    assert [mark.voids(key_of("b"), version(number)) for number in (2, 3, 4)] == [True, True, False]


def test_a_watermark_keeps_the_live_content_only() -> None:
    mark = Retirement(deleted=version(1), up_to=version(3), keep="b")
    voided = {
        (content, number): mark.voids(content, version(number)) for content in ("a", "b") for number in (1, 2, 3, 4)
    }
    assert {key for key, gone in voided.items() if not gone} == {("a", 4), ("b", 2), ("b", 3), ("b", 4)}
