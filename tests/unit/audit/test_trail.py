"""A trail is written, goes on after kills and full disks, and shows what was done to it."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stream.audit import files
from stream.audit import journal as journals
from stream.audit.checkpoint import Checkpoint, SigningKey
from stream.audit.files import CHECKPOINTS, event_files
from stream.audit.journal import Journal
from stream.audit.shared_journal import SharedJournal
from stream.audit.verification import Verified, verify
from stream.errors import Fatal, Unavailable
from stream.files import sync

KEY = SigningKey("example.com/audit", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def event(number: int) -> dict[str, Any]:
    return {"type_uid": 600504, "time": number, "metadata": {"uid": f"event-{number}", "version": "1.8.0"}}


def written(directory: Path, *numbers: int, file_bytes: int = 64 << 20) -> bytes:
    """A checkpoint after these events."""
    journal = Journal(directory, KEY, file_bytes=file_bytes)
    journal.open()
    for number in numbers:
        journal.append(event(number))
    note = journal.checkpoint()
    journal.close()
    return note


def checked(directory: Path, *known: bytes) -> Verified:
    return verify(directory, KEY.verifier, [(f"note {at}", note) for at, note in enumerate(known)])


def said(directory: Path, *known: bytes) -> list[str]:
    return [f"{item.file}:{item.line}: {item.text}" for item in checked(directory, *known).findings]


def test_a_trail_goes_on_over_starts_and_files(tmp_path: Path) -> None:
    notes = [written(tmp_path, *range(at, at + 7), file_bytes=2_000) for at in range(0, 35, 7)]
    assert len(event_files(tmp_path)) > 3
    found = checked(tmp_path, *notes)
    assert found.holds
    assert (found.events, found.first, found.size, found.checkpoints) == (35, 0, 35, 10)


def test_the_trail_of_older_files_may_be_removed(tmp_path: Path) -> None:
    notes = [written(tmp_path, *range(at, at + 7), file_bytes=2_000) for at in range(0, 35, 7)]
    event_files(tmp_path)[0].unlink()
    found = checked(tmp_path, notes[-1])
    assert found.holds
    assert found.first > 0
    assert found.events == 35 - found.first


def test_what_a_kill_left_half_written_goes(tmp_path: Path) -> None:
    note = written(tmp_path, 0, 1)
    (path,) = event_files(tmp_path)
    for half in (b"{", path.read_bytes().splitlines()[-1], b"\0" * 4_096):
        for name, text in ((path.name, half), (CHECKPOINTS, note[:-5])):
            with (tmp_path / name).open("ab") as file:
                file.write(text)
        found = checked(tmp_path, note)
        assert (found.findings, found.unfinished) == ([], True)
        written(tmp_path, 2)
        assert said(tmp_path, note) == []
    assert checked(tmp_path).events == 5


def test_a_file_that_a_kill_left_without_a_beginning_is_made_again(tmp_path: Path) -> None:
    note = written(tmp_path, *range(9), file_bytes=2_000)
    path = event_files(tmp_path)[-1]
    path.with_name(f"{9:020d}.jsonl").write_bytes(path.read_bytes()[:20])
    assert (checked(tmp_path, note).findings, checked(tmp_path).unfinished) == ([], True)
    written(tmp_path, 9, file_bytes=2_000)
    assert said(tmp_path, note) == []
    assert checked(tmp_path).events == 10


def test_a_first_start_that_was_killed_is_made_again(tmp_path: Path) -> None:
    (tmp_path / f"{0:020d}.jsonl").write_bytes(b'{"chain')
    written(tmp_path, 0)
    assert said(tmp_path) == []


def test_an_end_that_makes_no_sense_is_kept_as_evidence(tmp_path: Path) -> None:
    written(tmp_path, 0)
    (path,) = event_files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"event-0", b"event-x"))
    with pytest.raises(Fatal, match="rushes audit verify") as caught:
        written(tmp_path, 1)
    assert caught.value.code == "audit_damaged"
    assert b"event-x" in path.read_bytes()


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (lambda lines: [*lines[:3], lines[3].replace(b"event-2", b"event-x"), *lines[4:]], "what its fingerprint says"),
        (lambda lines: [*lines[:3], *lines[4:]], "event 3 stands where event 2 has to be"),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "event 3 stands where event 2 has to be"),
        (lambda lines: lines[:-1], "the end is missing"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], "event 1 stands where event 2 has to be"),
        (lambda lines: [*lines[:3], lines[3].replace(b'{"', b'{ "', 1), *lines[4:]], "not written as it was"),
        (lambda lines: [*lines[:3], b"{}\n", *lines[4:]], "no event of an audit trail"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "the end is missing"),
        (lambda lines: [b"{}\n", *lines[1:]], "does not say where it begins"),
    ],
)
def test_harm_is_found(tmp_path: Path, harm: Callable[[list[bytes]], list[bytes]], text: str) -> None:
    written(tmp_path, *range(6))
    assert said(tmp_path) == []
    (path,) = event_files(tmp_path)
    path.write_bytes(b"".join(harm(path.read_bytes().splitlines(keepends=True))))
    assert any(text in finding for finding in said(tmp_path)), said(tmp_path)


def test_a_trail_that_was_written_anew_is_found_with_one_older_checkpoint(tmp_path: Path) -> None:
    older = written(tmp_path / "a", *range(4))
    written(tmp_path / "b", 0, 1, 7, 3, 4, 5)
    assert said(tmp_path / "b") == []
    assert said(tmp_path / "b", older) == ["note 0:0: the first 4 events are not those that it was signed over"]
    longer = written(tmp_path / "a", *range(4, 9))
    assert said(tmp_path / "b", longer) == [
        "note 0:0: it was signed over 9 events, of which 6 are there: the end is missing"
    ]


def test_how_far_checkpoints_go_is_known(tmp_path: Path) -> None:
    journal = Journal(tmp_path, KEY)
    journal.open()
    for number in range(3):
        journal.append(event(number))
    # A service makes one a minute, also where nobody asks anything.
    assert journal.checkpoint() == journal.checkpoint()
    journal.append(event(3))
    journal.close()
    found = checked(tmp_path)
    assert (found.checkpoints, found.signed, found.size) == (1, 3, 4)


def test_a_checkpoint_of_another_key_is_found(tmp_path: Path) -> None:
    written(tmp_path, 0)
    other = SigningKey(KEY.name, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with (tmp_path / CHECKPOINTS).open("ab") as kept:
        kept.write(other.sign(Checkpoint(KEY.name, 1, bytes(32))) + b"\n")
    (finding,) = said(tmp_path)
    assert finding.startswith(f"{CHECKPOINTS}:7: ")
    assert "has not signed it" in finding


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    journal = Journal(tmp_path, KEY)
    journal.open()
    with pytest.raises(Unavailable, match="another process writes"):
        Journal(tmp_path, KEY).open()
    journal.close()
    written(tmp_path, 0)


def test_nothing_is_said_to_be_written_that_is_not_on_disk(tmp_path: Path) -> None:
    full = threading.Event()

    def disk(path: Path) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(path)

    journal = Journal(tmp_path, KEY, sync=disk)
    journal.open()
    journal.append(event(0))
    full.set()
    for number in (1, 2):
        with pytest.raises(Unavailable, match="No space left") as caught:
            journal.append(event(number))
        assert caught.value.code == "audit_unavailable"
        # Nobody who reads the trail meanwhile takes it for an event.
        assert checked(tmp_path).events == 1
    full.clear()
    assert journal.append(event(3)).sequence == 1
    journal.checkpoint()
    journal.close()
    assert checked(tmp_path).events == 2
    assert said(tmp_path) == []


def test_concurrent_events_share_syncs_and_are_all_there(tmp_path: Path) -> None:
    syncs: list[Path] = []

    def counted(path: Path) -> None:
        syncs.append(path)
        sync(path)

    journal = Journal(tmp_path, KEY, sync=counted, file_bytes=20_000)
    journal.open()
    heads: list[int] = []

    def write(first: int) -> None:
        heads.extend(journal.append(event(number)).sequence for number in range(first, first + 25))

    threads = [threading.Thread(target=write, args=(25 * at,)) for at in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    note = journal.checkpoint()
    journal.close()
    assert sorted(heads) == list(range(400))
    found = checked(tmp_path, note)
    assert found.holds
    assert found.events == 400
    assert len(syncs) < 400


def test_a_trail_of_many_processes_is_read_again_only_where_another_one_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def lines_of(path: Path) -> Iterator[bytes]:
        read.append(path)
        return files.lines_of(path)

    monkeypatch.setattr(journals, "lines_of", lines_of)
    one, other = (SharedJournal(Journal(tmp_path, KEY, file_bytes=2_000)) for _ in range(2))
    for number in range(10):
        one.append(event(number))
    assert (read, len(event_files(tmp_path)) > 1) == ([], True)
    other.append(event(10))
    other.append(event(11))
    assert len(read) == 1
    # As a kill leaves it.
    with event_files(tmp_path)[-1].open("ab") as file:
        file.write(b"{")
    for number in (12, 13):
        assert one.append(event(number)).sequence == number
    assert len(read) == 2
    assert other.append(event(14)).sequence == 14
    found = checked(tmp_path)
    assert (found.findings, found.events, found.checkpoints) == ([], 15, 15)


def test_an_event_that_was_refused_leaves_nothing_that_the_next_one_follows(tmp_path: Path) -> None:
    full = threading.Event()

    def disk(path: Path) -> None:
        if full.is_set() and path.suffix == ".jsonl":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(path)

    shared = SharedJournal(Journal(tmp_path, KEY, sync=disk))
    shared.append(event(0))
    full.set()
    with pytest.raises(Unavailable, match="No space left"):
        shared.append(event(1))
    full.clear()
    shared.append(event(2))
    assert (said(tmp_path), checked(tmp_path).events) == ([], 2)
