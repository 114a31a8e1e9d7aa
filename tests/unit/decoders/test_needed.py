"""Which packets lead to wanted pictures, over made-up groups of pictures with what each picture refers to."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from decoders.ffmpeg.needed import MAX_HELD, CodedPicture, Needed

STEP = 100


@dataclass(frozen=True, slots=True)
class Picture:
    """`refers`: numbers of packets. `place` in the order of display."""

    place: int
    refers: tuple[int, ...]
    starts: bool = False
    spared: bool = False


@st.composite
def films(draw: st.DrawFn) -> list[Picture]:
    """In decode order. A group is a start and then anchors, each with pictures before it in display. It is open where
    pictures that are shown before its start follow.
    """
    film: list[Picture] = []
    shown, anchor = 0, 0
    for _ in range(draw(st.integers(1, 6))):
        lead = draw(st.integers(0, 3)) if film else 0
        start, before = len(film), anchor
        film.append(Picture(shown + lead, (), starts=True))
        # The first of them may be referred to by the others.
        film += [Picture(shown + place, (before, start), spared=place > 0) for place in range(lead)]
        shown, anchor = shown + lead + 1, start
        for _ in range(draw(st.integers(0, 8))):
            between, before = draw(st.integers(0, 4)), anchor
            anchor = len(film)
            film.append(Picture(shown + between, (before,)))
            film += [Picture(shown + place, (before, anchor), spared=True) for place in range(between)]
            shown += between + 1
    return film


def decoded(film: list[Picture], positions: list[int], end: int) -> tuple[list[int], list[int]]:
    """Numbers of the packets that are decoded, each with what it refers to, and of those that are left out."""
    passed: list[int] = []
    there: set[int] = set()
    fed: list[int] = []
    needed = Needed[int](positions, end, 5, lambda each: passed.append(each.packet))
    for number in needed.of(
        CodedPicture(number, each.place * STEP, each.starts, each.spared) for number, each in enumerate(film)
    ):
        if number is None:
            there = set()
            continue
        assert there.issuperset(film[number].refers), "what it refers to was decoded since decoding began"
        there.add(number)
        fed.append(number)
    return fed, passed


@given(films(), st.data())
def test_wanted_pictures_are_decoded_with_all_they_refer_to(film: list[Picture], data: st.DataObject) -> None:
    end = len(film) * STEP
    positions = sorted(data.draw(st.sets(st.integers(0, end - 1), min_size=1, max_size=8)))
    fed, passed = decoded(film, positions, end)
    shown = {each.place: number for number, each in enumerate(film)}
    assert {shown[position // STEP] for position in positions} <= set(fed)
    assert sorted([*fed, *passed]) == list(range(len(film)))
    assert all(one < other for one, other in pairwise(fed))


def test_behind_the_last_wanted_picture_of_a_group_nothing_is_decoded() -> None:
    film = [Picture(place, (), starts=True) if place % 10 == 0 else Picture(place, (place - 1,)) for place in range(40)]
    coded = [CodedPicture(number, each.place * STEP, each.starts) for number, each in enumerate(film)]
    needed = Needed[int]([2 * STEP, 21 * STEP], 40 * STEP, 5, lambda _: None)
    assert list(needed.of(coded)) == [0, 1, 2, None, 20, 21], "the decoder begins anew"


def test_pictures_that_none_refers_to_are_decoded_where_they_are_wanted_alone() -> None:
    film = [Picture(0, (), starts=True)]
    for anchor in range(3, 31, 3):
        before = max(0, len(film) - 3)
        film.append(Picture(anchor, (before,)))
        film += [Picture(anchor - less, (before, len(film) - 1), spared=True) for less in (2, 1)]
    fed, _ = decoded(film, [10 * STEP + 1], 30 * STEP)
    assert [film[number].place for number in fed] == [0, 3, 6, 9, 12, 10]


def test_a_group_that_begins_long_before_is_not_held() -> None:
    position = 3 * MAX_HELD
    read, left, most = 0, 0, 0

    def following() -> Iterator[CodedPicture[int]]:
        nonlocal read, most
        for read in range(4 * MAX_HELD):
            most = max(most, read - left)
            yield CodedPicture(read, read * STEP, starts=read == 0, spared=read % 2 == 1)

    fed = []
    for number in Needed[int]([position * STEP], 4 * MAX_HELD * STEP, 5, lambda _: None).of(following()):
        assert number is not None
        left = number
        fed.append(number)
    assert fed == [*range(0, position + 1, 2)]
    assert most <= MAX_HELD + 5
