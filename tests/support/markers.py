"""Whether the running test bears the marker of what it asks for: one that starts a node without `kafka` fails."""

from collections.abc import Iterable

import pytest

_borne: set[str] = set()


def running_test_bears(names: Iterable[str]) -> None:
    """Told by `tests/conftest.py` before each test."""
    _borne.clear()
    _borne.update(names)


def needs_marker(name: str) -> None:
    """Asked by whatever gives a test a node or weights. Fails a test that `make test-quick` would run by mistake."""
    if name not in _borne:
        pytest.fail(f"this test needs {name}: mark it `pytest.mark.{name}`, then `make test-quick` leaves it out")
