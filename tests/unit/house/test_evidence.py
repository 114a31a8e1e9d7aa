"""What the security pages name as evidence is there: a test that is renamed or removed shows at once."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CHECKLIST = ROOT / "docs" / "security" / "content-security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROW = re.compile(r"^\|(?! *-)(.*)\|$", re.MULTILINE)
# Whose ids a published comparison of the versions names; the text of the controls was not at hand.
IDS = {"TS-1.16", "TS-6.0", "TS-6.1", "TS-6.2", "TS-7.0", "TS-7.1", "OR-5.0", "OR-1.3", "OR-1.4", "OP-2.1", "PS-3.2"}
IDS |= {"PS-3.3"}


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(CHECKLIST.read_text()))))
def test_named_evidence_exists(path: str, name: str) -> None:
    assert name in functions_of(path)


def test_every_row_has_evidence_or_says_whose_duty_it_is() -> None:
    rows = [row for row in ROW.findall(CHECKLIST.read_text()) if not row.lstrip().startswith(("id ", "subject "))]
    assert len(rows) > 15
    assert [row for row in rows if not NAMED.search(row) and "Operator" not in row] == []


def test_no_id_is_claimed_that_nobody_could_check() -> None:
    assert set(re.findall(r"\b(?:OR|OP|PS|TS)-\d+(?:\.\d+)?\b", CHECKLIST.read_text())) == IDS
