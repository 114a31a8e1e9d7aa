"""What a deployment's topics and groups are called on a cluster."""

import pytest

from stream.broker.names import Names
from stream.errors import Fatal


def test_default_names_are_bare() -> None:
    names = Names()
    assert (names.of("assets"), names.own("assets"), names.prefix) == ("assets", "assets", "")


def test_names_of_another_deployment_begin_with_its_own() -> None:
    names = Names("night-shift")
    assert names.of("dead-letters") == "night-shift.dead-letters"
    assert names.own("night-shift.dead-letters") == "dead-letters"
    assert names.own("assets") == "assets"


@pytest.mark.parametrize("name", ["", "A", "a_b", "a.b", "-a", "a-", "a--b", "a" * 33, "ä", "a\n", "a b", "٣"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Fatal) as refused:
        Names(name)
    assert refused.value.code == "invalid_deployment"


@pytest.mark.parametrize("name", ["a", "7", "rushes", "night-shift-2", "a" * 32])
def test_names(name: str) -> None:
    assert Names(name).deployment == name
