"""The trail's canonical JSON is that of RFC 8785, whichever way it is written."""

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from stream.audit import entry
from stream.audit.canonical import canonical

LEAVES = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_it_is_that_of_the_standard(value: object) -> None:
    try:
        expected = rfc8785.dumps(value)  # type: ignore[arg-type]  # what cannot be written it refuses itself
    except (ValueError, OverflowError):
        with pytest.raises((ValueError, OverflowError)):
            canonical(value)
        return
    assert canonical(value) == expected


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"metadata":' + b"[" * 600 + b"]" * 600 + b"}"])
def test_a_line_that_is_nested_too_deeply_is_no_event(line: bytes) -> None:
    with pytest.raises(ValueError, match="no event of an audit trail"):
        entry.read(line)
