"""The documents as tests read them: pages, their blocks of code, and the commands that they show."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_GENERATED = re.compile(r"<!-- generated:[a-z-]+ -->.*?<!-- /generated -->", re.DOTALL)
_PROGRAM = ".venv/bin/"


@dataclass(frozen=True, slots=True)
class Page:
    """One page, by its path in the tree. Generated blocks are left out, as they have tests of their own."""

    name: str
    text: str

    def blocks(self, *languages: str) -> list[str]:
        """The code of every block in one of these languages."""
        return [it["text"] for it in _BLOCK.finditer(self.text) if it["language"] in languages]

    def commands(self) -> list[list[str]]:
        """Every line of the shell blocks as words, and of blocks without a language what calls rushes."""
        lines = [line for block in self.blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
        lines += [line for block in self.blocks("") for line in block.splitlines() if line.startswith(_PROGRAM)]
        return [words for line in lines for words in _piped(line) if words]

    def mentions(self) -> list[list[str]]:
        """Every `rushes …` within sentences, alternatives such as `list|use` apart. Options may be left out."""
        found = re.findall(r"`(rushes [a-z-][^`]*)`", _BLOCK.sub("", self.text).replace("\n", " "))
        return [words for text in found for words in _alternatives(shlex.split(text.removesuffix("…")))]


def page(name: str) -> Page:
    """By its path in the tree."""
    return Page(name, _GENERATED.sub("", (ROOT / name).read_text()))


def pages() -> list[Page]:
    """What users read: README, CONTRIBUTING and every page of the site but the decisions, which tell of their day."""
    paths = [path for path in (ROOT / "docs").rglob("*.md") if not {"adr", "node_modules"} & set(path.parts)]
    names = sorted(str(path.relative_to(ROOT)) for path in paths)
    return [page(name) for name in ("README.md", "CONTRIBUTING.md", *names)]


def _piped(line: str) -> list[list[str]]:
    """The commands of a line, without what sets variables before them and without files that their output goes to."""
    parts: list[list[str]] = [[]]
    words = iter(shlex.split(line, comments=True))
    for word in words:
        if word == ">":
            next(words)
        elif word in {"|", "&&", ";"}:
            parts.append([])
        elif parts[-1] or not re.match(r"[A-Z_]+=", word):
            parts[-1].append(word.removeprefix(_PROGRAM))
    return parts


def _alternatives(words: list[str]) -> list[list[str]]:
    if "|" not in words[-1]:
        return [words]
    return [[*words[:-1], word] for word in words[-1].split("|")]
