"""How tests are kept: a stranger finds them by room and promise, and none of them races a clock."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brokers import kafka_jars, kafka_servers
from tests.support.markers import needs_marker

ROOT = Path(__file__).resolve().parents[3]
UNIT = ROOT / "tests" / "unit"


def modules() -> Iterator[Path]:
    return (ROOT / "tests").rglob("test_*.py")


def test_each_module_says_which_promise_it_holds() -> None:
    silent = [path for path in modules() if len(ast.get_docstring(ast.parse(path.read_text())) or "") < 20]
    assert silent == []


def test_unit_tests_lie_in_the_rooms_of_what_they_test() -> None:
    rooms = {path.parent.name for path in (ROOT / "stream").glob("*/__init__.py")}
    families = {"decoders", "models", "sinks"}
    folders = {path.relative_to(UNIT).parts[0] for path in UNIT.rglob("*.py")}
    assert folders - rooms - families == {"house"}


def calls(path: Path) -> Iterator[str]:
    """Names of what is called, without what they are looked up in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", ""))


def test_waiting_has_one_home() -> None:
    """Nobody sleeps until something may have happened: `benchmarks.testbed.waiting.wait_for` looks until it has."""
    assert [path for path in (ROOT / "tests").rglob("*.py") if "sleep" in calls(path)] == []


def test_programs_that_tests_start_are_files() -> None:
    """`tests/support/programs`: mypy and ruff read those, and no string."""
    strings = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.List | ast.Tuple)
        and any(getattr(item, "attr", "") == "executable" for item in node.elts)
        and any(isinstance(item, ast.Constant) and item.value == "-c" for item in node.elts)
    ]
    assert strings == []


def test_who_starts_a_node_or_asks_for_weights_without_the_marker_fails() -> None:
    """Or `make test-quick` would need them."""
    with pytest.raises(pytest.fail.Exception, match=r"pytest\.mark\.kafka"):
        kafka_servers()
    with pytest.raises(pytest.fail.Exception, match=r"pytest\.mark\.kafka"):
        kafka_jars()
    with pytest.raises(pytest.fail.Exception, match=r"pytest\.mark\.weights"):
        needs_marker("weights")
