"""Reports the files that a command did not take: counted by kind, and by name where they could not be read."""

import errno
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from stream.cli.rendering.sanitize import shown
from stream.events.ids import without_secrets

EXAMPLES = 3
_REASONS = {
    errno.EACCES: "permission denied; let this user read it",
    errno.EPERM: "permission denied; let this user read it",
    errno.ELOOP: "a loop of symbolic links",
    errno.ENAMETOOLONG: "the path is too long",
    errno.ENOENT: "what it names is not there",
    errno.ENOTDIR: "what it names is not there",
}
# Nobody misses these, so they come last.
_QUIET = ("system files", "links to what is there already")
_ADVICE = {"linked folders": "name them outright to take what is in them"}


@dataclass(frozen=True, slots=True)
class Unreadable:
    path: str
    reason: str


@dataclass(slots=True)
class LeftOut:
    """`counts` has the number of each kind, `examples` the first few, `failures` the unreadable files."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    failures: list[Unreadable] = field(default_factory=list)

    def add(self, kind: str, path: str) -> None:
        self.counts[str(kind)] = self.counts.get(str(kind), 0) + 1
        some = self.examples.setdefault(str(kind), [])
        # A folder may hold thousands: some names are enough to recognise the kind.
        if len(some) < EXAMPLES:
            some.append(path)

    def unreadable(self, path: str, error: OSError, what: str) -> None:
        number = error.errno or 0
        reason = _REASONS.get(number, errno.errorcode.get(number, type(error).__name__))
        self.refused(path, f"{what}: {reason}")

    def refused(self, path: str, reason: str) -> None:
        # A URL may hold a signature.
        self.failures.append(Unreadable(without_secrets(path), reason))

    def lines(self) -> list[str]:
        """Lines for a terminal, without markup from file names. Unreadable files come first."""
        missing = [f"Not read: {shown(each.path)}: {each.reason}" for each in self.failures]
        loud = [self._line(kind) for kind in self.counts if kind not in _QUIET]
        return missing + loud + [self._line(kind) for kind in self.counts if kind in _QUIET]

    def print(self, console: Console) -> None:
        for line in self.lines():
            console.print(line, soft_wrap=True)

    def _line(self, kind: str) -> str:
        count, some = self.counts[kind], self.examples[kind]
        names = ", ".join(shown(Path(path).name) for path in some) + (", …" if count > len(some) else "")
        advice = f"; {_ADVICE[kind]}" if kind in _ADVICE else ""
        return f"Left out, {kind}: {count} ({names}){advice}"

    def as_json(self) -> dict[str, Any]:
        return {
            "left_out": [
                {"kind": kind, "count": count, "examples": self.examples[kind]} for kind, count in self.counts.items()
            ],
            "unreadable": [{"path": each.path, "reason": each.reason} for each in self.failures],
        }
