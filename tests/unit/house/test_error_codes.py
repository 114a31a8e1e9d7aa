"""Every error code that the tree makes has a row that says what it means and what to do, and every row has a use."""

import ast
from functools import cache
from pathlib import Path

import pytest

from stream.error_codes.entry import EFFECTS, ErrorKind
from stream.error_codes.table import ERROR_CODES, GROUPS, advice_for, markdown_codes, markdown_kinds
from tests.support.error_code_uses import CodeUse, code_uses

ROOT = Path(__file__).resolve().parents[3]
COMMAND_LINE = "stream/cli/execution.py"


@cache
def uses() -> list[CodeUse]:
    return code_uses(ROOT)


def test_every_code_has_a_row() -> None:
    assert sorted(f"{use.code} ({use.place})" for use in uses() if use.code not in ERROR_CODES) == []


def test_every_row_has_a_use() -> None:
    assert sorted(ERROR_CODES.keys() - {use.code for use in uses()}) == []


def test_a_row_names_the_kinds_of_its_code() -> None:
    made: dict[str, set[str]] = {}
    for use in uses():
        made.setdefault(use.code, set()).update({use.kind} if use.kind else set())
    told = {code: {str(kind) for kind in row.kinds} for code, row in ERROR_CODES.items()}
    assert {code: (kinds, told[code]) for code, kinds in made.items() if kinds - told[code]} == {}
    own = {ErrorKind.STATUS, ErrorKind.USAGE, ErrorKind.RESPONSE}
    assert {code for code, row in ERROR_CODES.items() if not made[code] and not own & set(row.kinds)} == {
        "decoder_out_of_memory"  # a child process names its error by a word
    }


def test_codes_of_the_command_line_and_of_statuses_are_told_apart() -> None:
    kinds = {
        use.code: ERROR_CODES[use.code].kinds for use in uses() if use.kind is None and use.place.startswith("sinks")
    }
    assert set(kinds.values()) == {(ErrorKind.STATUS,)}
    assert {"deleted", "retention", "superseded", "unknown_asset", "uri_not_kept"} == kinds.keys()
    usage = {use.code for use in uses() if use.place.startswith(COMMAND_LINE)}
    assert usage == {code for code, row in ERROR_CODES.items() if row.kinds == (ErrorKind.USAGE,)}


def test_no_code_has_two_rows() -> None:
    assert sum(len(rows) for rows in GROUPS.values()) == len(ERROR_CODES)


def test_rows_are_whole_sentences() -> None:
    for row in ERROR_CODES.values():
        for text in (row.meaning, row.advice):
            assert text[0].isupper() or text[0] == "`", row.code
            assert text.endswith("."), row.code
            assert "|" not in text, row.code


def test_the_reference_lists_every_code_and_kind() -> None:
    for row in ERROR_CODES.values():
        assert f"| `{row.code}` |" in markdown_codes()
        assert row.advice in markdown_codes()
    assert EFFECTS.keys() == set(ErrorKind)
    for kind in ErrorKind:
        assert f"| `{kind}` |" in markdown_kinds()


def test_advice_is_found_by_code() -> None:
    assert advice_for("empty") == "Publish it when it is written."
    assert advice_for("of_somebody_else") is None


@pytest.mark.parametrize(
    ("source", "codes"),
    [
        ("raise BadMedia('x', code='plain')", {"plain"}),
        ("def f(x):\n    code = 'one' if x else 'two'\n    raise Fatal('x', code=code)", {"one", "two"}),
        ("def f():\n    code, what = 'pair', 'x'\n    raise Fatal(what, code=code)", {"pair"}),
        ("_T = {1: ('low', 'x'), 2: ('high', 'y')}\ndef f(n):\n    code, what = _T[n]\n    raise Fatal('x', code=code)",
         {"low", "high"}),
        ("def told(kind, code):\n    pass\ntold('x', 'placed')", {"placed"}),
        ("def told(*, code='given'):\n    pass", {"given"}),
        ("NAMED = 'constant'\nstatus(code=NAMED)", {"constant"}),
        ("def deletion_code(state):\n    return 'first' if state else 'second'", {"first", "second"}),
        ("@dataclass\nclass Row:\n    stage: str\n    code: str = ''\nRow('x', 'field')", {"field"}),
        ("def again(error):\n    raise Fatal('x', code=error.code)", set()),
    ],
)  # fmt: skip
def test_every_way_of_making_a_code_is_seen(tmp_path: Path, source: str, codes: set[str]) -> None:
    (tmp_path / "stream").mkdir()
    (tmp_path / "stream" / "made.py").write_text(source)
    assert {use.code for use in code_uses(tmp_path)} == codes


def test_a_code_that_cannot_be_told_fails(tmp_path: Path) -> None:
    (tmp_path / "stream").mkdir()
    (tmp_path / "stream" / "made.py").write_text("raise Fatal('x', code=chosen())")
    with pytest.raises(AssertionError, match=r"stream/made.py:1: cannot tell which error code 'chosen\(\)' is"):
        code_uses(tmp_path)


def test_the_documents_that_name_a_kind_agree_with_the_classes() -> None:
    classes = {
        node.name for node in ast.parse((ROOT / "stream/errors.py").read_text()).body if isinstance(node, ast.ClassDef)
    }
    assert classes == {str(kind) for kind in ErrorKind} - {"status", "usage", "response"}
