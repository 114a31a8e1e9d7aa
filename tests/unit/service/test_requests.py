"""What headers and paths of requests mean, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.service.ranges import ByteRange, Unsatisfiable, asked_range, is_named


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("bytes=0-", ByteRange(0, 50)),
        ("bytes=90-", ByteRange(90, 100)),
        ("bytes=90-1000", ByteRange(90, 100)),
        ("bytes= 5 - 5 ", ByteRange(5, 6)),
        ("bytes=-1000", ByteRange(0, 50)),
        ("bytes=-10", ByteRange(90, 100)),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=1-" + "9" * 30, None),
        ("bytes=\N{ARABIC-INDIC DIGIT ONE}-", None),
    ],
)
def test_ranges_are_cut_to_what_is_there_and_to_the_most(header: str | None, found: ByteRange | None) -> None:
    assert asked_range(header, 100, 50) == found


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=200-300", "bytes=-0"])
def test_ranges_behind_the_end_are_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        asked_range(header, 100, 50)


@given(st.text(max_size=40), st.integers(1, 10**12), st.integers(1, 10**9))
def test_no_header_leads_out_of_the_footage(header: str, size: int, most: int) -> None:
    try:
        found = asked_range(f"bytes={header}", size, most)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found.start < found.end <= min(size, found.start + most)


def test_validators_compare_as_http_says() -> None:
    assert is_named('"a", W/"b"', '"b"', weak=True)
    assert is_named("*", '"b"', weak=True)
    for header in ('W/"b"', "*", "b", None, '"bb"'):
        assert not is_named(header, '"b"', weak=False)
