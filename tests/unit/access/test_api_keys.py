"""Keys: their shape, their checksum, and what is kept of them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.access.api_keys import LENGTH, digest_of, is_key, new_key

PEPPER = bytes(range(32))
KEY = "rsk_0000000000000000000000000000000" + "1"


def test_keys_are_new_and_have_their_shape() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert re.fullmatch(r"rsk_[0-9A-Za-z]{38}", key)
        assert len(key) == LENGTH
        assert is_key(key)


def test_a_slip_of_the_pen_is_seen() -> None:
    key = new_key()
    for at in range(4, LENGTH):
        other = "b" if key[at] == "a" else "a"
        assert not is_key(key[:at] + other + key[at + 1 :])


@given(st.text())
def test_other_texts_are_no_keys(text: str) -> None:
    assert not is_key(text)
    assert not is_key("rsk_" + text)
    assert not is_key("rsk_" + text[:38].ljust(38, "\u0661"))


def test_the_digest_needs_the_pepper() -> None:
    assert digest_of(KEY, PEPPER) == digest_of(KEY, PEPPER) != digest_of(KEY, bytes(32))
    assert KEY not in digest_of(KEY, PEPPER)
    assert digest_of(KEY, PEPPER) == "5784f890be8af3414fb4f940765efb13afd8a883e93b5566569c8eb93ab7fca6"
    with pytest.raises(ValueError, match="pepper"):
        digest_of(KEY, b"short")
