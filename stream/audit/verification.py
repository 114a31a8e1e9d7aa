"""What an auditor runs: does the trail say today what it said then?

These facts are looked at, and each that does not hold is a finding with its place:

1. Each file begins where the one before ended. The first may begin later, where older ones were removed.
2. Each line is one whole event in canonical form, and its content is what its fingerprint says.
3. Each event is of the same chain, has the next number, and names the event before it with its fingerprint.
4. Each checkpoint beside the events is signed by the key, and the tree had its root at its size.
5. So it is with the checkpoints that the auditor has from elsewhere: they show an end that was cut off, and a trail
   that was written anew by who has the key.

A last line without its end is no finding: a writer is at it, or was killed at it, and nothing was answered by it.

The caller still has to know that `key` is that of the service, and to keep checkpoints where the service cannot write.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from stream.audit import entry
from stream.audit.checkpoint import Checkpoint, VerifierKey
from stream.audit.entry import Head
from stream.audit.files import CHECKPOINTS, MOST_LINE_BYTES, Beginning, event_files, lines_of, notes_of
from stream.audit.merkle import Tree
from stream.errors import BadRequest

# With one for each line, memory would grow with the events.
MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not hold. `line` counts from 1; 0 is a whole file."""

    file: str
    line: int
    text: str


@dataclass(slots=True)
class Verified:
    """What was looked at. `events`: how many there are; `first`: the number of the first; `checkpoints`: how many of
    the given and the kept ones hold; `signed`: up to how many events of the whole trail the newest of them goes; `size`
    and `root`: of the tree at the end; `unfinished`: behind it lies a part of a line.
    """

    events: int = 0
    first: int = 0
    checkpoints: int = 0
    signed: int = 0
    size: int = 0
    root: bytes = b""
    unfinished: bool = False
    findings: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.findings


@dataclass(slots=True)
class _Place:
    """Where the reader stands."""

    file: str = ""
    line: int = 0


class _Reader:
    def __init__(self, directory: Path, key: VerifierKey) -> None:
        self._directory = directory
        self._key = key
        self._place = _Place()
        self._at: Beginning | None = None
        self._due: dict[int, list[tuple[_Place, Checkpoint]]] = {}
        self.found = Verified()

    def run(self, known: Sequence[tuple[str, bytes]]) -> Verified:
        files = event_files(self._directory)
        self._expect(known)
        for path in files:
            self._file(path, newest=path == files[-1])
        if self._at is None:
            self._place = _Place(str(self._directory))
            self._say("there is no event")
        else:
            self.found.size, self.found.root = self._at.tree.size, self._at.tree.root()
        for size, checkpoints in sorted(self._due.items()):
            for place, _ in checkpoints:
                if size <= self.found.first:
                    continue  # of events that were removed with their files
                self._say(
                    f"it was signed over {size} events, of which {self.found.size} are there: the end is missing", place
                )
        return self.found

    def _expect(self, known: Sequence[tuple[str, bytes]]) -> None:
        """Check signatures now, and roots when the tree has come so far."""
        kept = self._directory / CHECKPOINTS
        for name, number, note in (*_kept(kept), *((name, 0, note) for name, note in known)):
            self._place = _Place(name, number)
            try:
                checkpoint = self._key.opened(note)
            except BadRequest as error:
                self._say(error.message)
                continue
            self._due.setdefault(checkpoint.size, []).append((self._place, checkpoint))

    def _file(self, path: Path, *, newest: bool) -> None:
        lines = lines_of(path)
        self._place = _Place(path.name, 1)
        first = next(lines, b"")
        if newest and _is_part(first):
            self.found.unfinished = True
            return
        try:
            beginning = Beginning.read(first.removesuffix(b"\n"))
        except ValueError as error:
            self._say(str(error))
            return
        if self._at is None:
            # Old files may be removed, oldest first: a trail may begin with any event.
            self.found.first = beginning.head.sequence + 1
        elif beginning != self._at:
            self._say("the file before does not end where this one begins")
        # From here on by its own word: a gap between files is one finding, not one for each event.
        self._at = beginning
        self._roots(beginning.tree)
        for number, line in zip(count(2), lines, strict=False):
            self._place = _Place(path.name, number)
            # Its writer, when it starts again, cuts it off.
            if newest and _is_part(line):
                self.found.unfinished = True
            else:
                self._line(line)

    def _line(self, line: bytes) -> None:
        assert self._at is not None
        before = self._at.head
        try:
            if not line.endswith(b"\n"):
                raise ValueError("it is cut off")
            item = entry.read(line[:-1])
        except ValueError as error:
            self._say(str(error))
            # The number goes on, so that later events are still judged by theirs.
            self._at.head = Head(before.sequence + 1)
        else:
            self._follows(item, before)
            self._at.head = item.head
        # A line that cannot be read is a leaf, too: without it no later checkpoint would fit.
        self._at.tree.append(line.removesuffix(b"\n"))
        self.found.events += 1
        self._roots(self._at.tree)

    def _follows(self, item: entry.Entry, before: Head) -> None:
        assert self._at is not None
        sequence = item.head.sequence
        if item.chain_uid != self._at.chain_uid:
            self._say(f"it is of another chain, {item.chain_uid}")
        elif sequence != before.sequence + 1:
            self._say(f"event {sequence} stands where event {before.sequence + 1} has to be")
        elif (item.before.uid, item.before.type_uid, item.before.fingerprint) != (
            before.uid,
            before.type_uid,
            before.fingerprint,
        ):
            self._say(f"it does not follow event {before.sequence}, which was changed or removed")

    def _roots(self, tree: Tree) -> None:
        for place, checkpoint in self._due.pop(tree.size, ()):
            if checkpoint.root == tree.root():
                self.found.checkpoints += 1
                self.found.signed = tree.size
            else:
                self._say(f"the first {tree.size} events are not those that it was signed over", place)

    def _say(self, text: str, place: _Place | None = None) -> None:
        place = place or self._place
        if len(self.found.findings) < MOST_FINDINGS:
            self.found.findings.append(Finding(place.file, place.line, text))


def verify(directory: Path, key: VerifierKey, known: Sequence[tuple[str, bytes]] = ()) -> Verified:
    """Read the whole trail. `known`: notes that were kept elsewhere, with a name for each. Raises `OSError`. At most
    `MOST_FINDINGS` findings. Memory grows with the checkpoints, not with the events.
    """
    return _Reader(directory, key).run(known)


def _is_part(line: bytes) -> bool:
    """Whether the file ends within this line. One that is too long comes in parts, too."""
    return len(line) < MOST_LINE_BYTES and not line.endswith(b"\n")


def _kept(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Notes with their first lines."""
    line = 1
    for note in notes_of(path):
        yield path.name, line, note
        line += note.count(b"\n") + 1
