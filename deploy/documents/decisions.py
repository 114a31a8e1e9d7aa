"""The list of decisions, from the files of `docs/adr`."""

import re
from pathlib import Path

from deploy.documents.markdown import table

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "adr"
_TITLE = re.compile(r"# (?P<number>\d{4}):? (?P<title>.+)")


def decision_files() -> list[Path]:
    """In their order."""
    return sorted(FOLDER.glob("[0-9][0-9][0-9][0-9]-*.md"))


def title(path: Path) -> tuple[str, str]:
    """Number and title, from the first line. Raises `ValueError` for a file without them."""
    first = path.read_text().partition("\n")[0]
    found = _TITLE.fullmatch(first)
    if found is None or found["number"] != path.name[:4]:
        raise ValueError(f"{path.name}: the first line is not '# NNNN Title' with the number of the file")
    return found["number"], found["title"]


def decisions() -> str:
    """Number and title, linked."""
    rows = [(number, f"[{words}]({path.name})") for path in decision_files() for number, words in [title(path)]]
    return table(("number", "decision"), rows)
