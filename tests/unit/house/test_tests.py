"""How tests are kept: a stranger finds them by room and promise, and none of them races a clock."""

import ast
from collections.abc import Iterator
from pathlib import Path

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
