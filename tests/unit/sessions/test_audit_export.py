"""Audit events reach what a SIEM reads: every one at least once, in order, whatever the target does meanwhile."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from sinks.siem.file_targets import NdjsonFiles, ParquetFiles
from sinks.siem.http_targets import HttpTarget, SplunkTarget
from sinks.siem.syslog_target import SyslogTarget
from sinks.siem.target import Target, target_at
from stream.audit.files import event_files
from stream.audit.ocsf import Activity
from stream.clock import ManualClock
from stream.errors import Fatal, Unavailable
from stream.sessions.audit_export import PLACES, AuditExport
from stream.sessions.audit_feed import AuditFeed
from tests.support.audit_trails import KEY, KeptTarget, Trail
from tests.support.siem_receivers import SplunkReceiver, http_receiver, syslog_receiver


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    made = Trail(tmp_path / "audit", file_bytes=4_000)
    made.add(*[(Activity.SEARCHED, "acme"), (Activity.PLAYED, "globex"), (Activity.DELETED, None)] * 3)
    return made


def delivered(trail: Trail, target: Target, name: str = "target", most: int = 500) -> int:
    export, count = AuditExport(trail.directory, name, target, most), 0
    while step := export.step():
        count += step
    return count


def test_each_target_has_a_place_of_its_own(trail: Trail) -> None:
    first, second = KeptTarget(), KeptTarget()
    assert delivered(trail, first, "first", most=4) == 18
    trail.add((Activity.SEARCHED, "acme"))
    assert delivered(trail, first, "first") == 2
    assert delivered(trail, second, "second") == 20
    assert first.uids() == second.uids() == trail.uids()
    assert len(set(trail.uids())) == 20
    assert [len(item.lines) for item in first.deliveries] == [4, 4, 4, 4, 2, 2]
    assert all(KEY.verifier.opened(item.checkpoint or b"").size >= 18 for item in first.deliveries)


@pytest.mark.parametrize("takes", [False, True])
def test_what_is_not_taken_comes_again(trail: Trail, takes: bool) -> None:
    target = KeptTarget(1, takes=takes)
    with pytest.raises(Unavailable):
        delivered(trail, target, most=7)
    assert delivered(trail, target, most=7) == 18
    assert list(dict.fromkeys(target.uids())) == trail.uids()
    assert len(target.uids()) == (25 if takes else 18)


def test_events_that_were_removed_too_soon_are_told_of(trail: Trail) -> None:
    assert AuditExport(trail.directory, "target", KeptTarget(), 2).step() == 2
    for path in event_files(trail.directory)[:2]:
        path.unlink()
    with pytest.raises(Fatal, match=r"events 2 to .* were removed before target had them") as caught:
        delivered(trail, KeptTarget())
    assert caught.value.code == "audit_gap"


def test_another_trail_is_delivered_from_its_beginning(trail: Trail, tmp_path: Path) -> None:
    delivered(trail, KeptTarget())
    for path in [*event_files(trail.directory), *trail.directory.glob("checkpoints.txt")]:
        path.unlink()
    again = Trail(trail.directory, file_bytes=4_000)
    again.add(*[(Activity.VIEWED, "acme")] * 12)
    target = KeptTarget()
    assert delivered(again, target) == 24
    assert target.uids() == again.uids()


@pytest.mark.parametrize("later", [0, 3])
def test_events_that_a_power_cut_took_back_lose_none_of_those_after_them(trail: Trail, later: int) -> None:
    target = KeptTarget()
    delivered(trail, target)
    # They were read before they were synced; the checkpoints of this trail would show that they are missing.
    path = event_files(trail.directory)[-1]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    (trail.directory / "checkpoints.txt").unlink()
    trail.add(*[(Activity.VIEWED, "acme")] * later)
    again = KeptTarget()
    assert delivered(trail, again) == 17 + 2 * later
    assert again.uids() == trail.uids()
    assert delivered(trail, again) == 0


def test_a_trail_whose_first_line_is_being_written_has_no_events_yet(tmp_path: Path) -> None:
    (tmp_path / f"{0:020d}.jsonl").write_bytes(b'{"chain')
    assert AuditExport(tmp_path, "target", KeptTarget()).step() == 0


def test_a_damaged_event_is_not_delivered(trail: Trail) -> None:
    path = event_files(trail.directory)[0]
    path.write_bytes(path.read_bytes().replace(b"acme", b"evil", 1))
    target = KeptTarget()
    with pytest.raises(Fatal) as caught:
        delivered(trail, target)
    assert (caught.value.code, target.uids()) == ("audit_damaged", [])


def test_a_feed_tries_again_and_ends(trail: Trail) -> None:
    feed = AuditFeed(AuditExport(trail.directory, "away", KeptTarget(1_000)))
    feed.run(threading.Event(), None)
    assert (feed.end().delivered, feed.end().waiting, feed.end().trouble) == (0, 18, "it is away")
    feed = AuditFeed(AuditExport(trail.directory, "late", KeptTarget(1)))
    feed.run(threading.Event(), None)
    assert (feed.end().delivered, feed.end().waiting, feed.end().trouble) == (18, 0, "")


def test_a_defect_of_a_target_is_told_of_and_ends_nothing(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    target = KeptTarget()
    feed = AuditFeed(AuditExport(trail.directory, "target", target))
    with monkeypatch.context() as broken:
        broken.setattr(KeptTarget, "deliver", lambda *_: {"a": 1}["words of an event"])
        feed.run(threading.Event(), None)
    assert (feed.end().waiting, feed.end().trouble) == (18, "a defect of rushes (KeyError): report it")
    feed.run(threading.Event(), None)
    assert (feed.end().waiting, target.uids()) == (0, trail.uids())


def test_a_place_that_cannot_be_kept_is_tried_again(trail: Trail) -> None:
    target = KeptTarget()
    feed = AuditFeed(AuditExport(trail.directory, "target", target))
    (trail.directory / PLACES).write_text("no folder")
    feed.run(threading.Event(), None)
    assert "exists" in feed.end().trouble
    assert feed.lag_s(trail.clock.now_ms()) > 0
    (trail.directory / PLACES).unlink()
    feed.run(threading.Event(), None)
    assert (feed.end().waiting, feed.end().trouble) == (0, "")
    assert list(dict.fromkeys(target.uids())) == trail.uids()


def test_files_lie_by_class_tenant_and_day(trail: Trail, tmp_path: Path) -> None:
    trail.clock.advance(86_400)
    trail.add((Activity.SEARCHED, "a/../b"))
    for target, name in ((NdjsonFiles(tmp_path / "ndjson"), "ndjson"), (ParquetFiles(tmp_path / "parquet"), "parquet")):
        delivered(trail, target, name)
        found = sorted(str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob(f"*.{name}"))
        folders = {path.rpartition("/")[0] for path in found}
        assert folders == {
            "ext/rushes-6003/region=local/accountId=none/eventDay=20231114",
            "ext/rushes-6005/region=local/accountId=a%2F..%2Fb/eventDay=20231115",
            "ext/rushes-6005/region=local/accountId=acme/eventDay=20231114",
            "ext/rushes-6006/region=local/accountId=globex/eventDay=20231114",
        }
    lines = [
        json.loads(line) for path in (tmp_path / "ndjson").rglob("*.ndjson") for line in path.read_text().splitlines()
    ]
    assert sorted(line["metadata"]["uid"] for line in lines) == sorted(trail.uids())
    uids = []
    (columns,) = {
        tuple(pq.read_schema(path).names) for path in (tmp_path / "parquet").rglob("ext/rushes-6005/**/*.parquet")
    }
    assert {"status_code", "disposition"} < set(columns)
    for path in (tmp_path / "parquet").rglob("*.parquet"):
        table = ds.dataset(path).to_table()
        assert table["time"].to_pylist() == sorted(table["time"].to_pylist())
        assert all(json.loads(text)["record_integrity"] for text in table["unmapped"].to_pylist())
        uids += [metadata["uid"] for metadata in table["metadata"].to_pylist()]
    assert sorted(uids) == sorted(trail.uids())
    (note,) = (tmp_path / "ndjson").glob("*.checkpoint")
    assert KEY.verifier.opened(note.read_bytes()).size == 20


def test_a_full_disk_is_unavailable(trail: Trail, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        delivered(trail, NdjsonFiles(tmp_path / "file" / "x"))


def test_syslog_takes_frames_over_tls(trail: Trail, tmp_path: Path) -> None:
    with syslog_receiver(tmp_path) as (receiver, trusting):
        target = SyslogTarget("127.0.0.1", receiver.port, trusting)
        receiver.dropping = 1
        with pytest.raises(Unavailable, match="did not take audit events"):
            delivered(trail, target)
        assert delivered(trail, target) == 18
        strangers: tuple[Target, ...] = (
            SyslogTarget("127.0.0.1", receiver.port),
            HttpTarget(f"https://127.0.0.1:{receiver.port}/x"),
        )
        for at, stranger in enumerate(strangers):
            with pytest.raises(Unavailable, match=rf"127.0.0.1:{receiver.port} .* not trusted .* SSL_CERT_FILE"):
                delivered(trail, stranger, f"who does not trust it {at}")
            stranger.close()
    head = re.compile(rb"<110>1 2023-11-14T22:13:\d\d\.\d{3}\+00:00 \S+ rushes \d+ (\d{4}) - (\{.*\})")
    found = [match for message in receiver.messages[:-1] if (match := head.fullmatch(message))]
    assert [json.loads(match[2])["metadata"]["uid"] for match in found] == trail.uids()
    assert b" checkpoint - example.com/audit\\n18\\n" in receiver.messages[-1]


def test_an_end_without_the_closing_alert_counts_where_the_target_says_so(trail: Trail, tmp_path: Path) -> None:
    with syslog_receiver(tmp_path) as (receiver, trusting):
        receiver.unanswering = True
        with pytest.raises(Unavailable, match=r"without answering the closing alert .* gtls: .* \?end=unanswered"):
            delivered(trail, SyslogTarget("127.0.0.1", receiver.port, trusting))
        receiver.messages.clear()
        lenient = SyslogTarget("127.0.0.1", receiver.port, trusting, unanswered=True)
        receiver.dropping = 1
        with pytest.raises(Unavailable, match="did not take audit events"):
            delivered(trail, lenient)
        assert delivered(trail, lenient) == 18
    assert len(receiver.messages) == 19


@pytest.fixture
def splunk() -> Iterator[tuple[SplunkReceiver, str]]:
    receiver = SplunkReceiver("s3cr3t-token")
    with http_receiver(receiver.answer) as http:
        yield receiver, http.url


def test_splunk_has_what_its_indexer_acknowledged(trail: Trail, splunk: tuple[SplunkReceiver, str]) -> None:
    receiver, url = splunk
    receiver.lost, receiver.late = 1, 3
    target = SplunkTarget(url, "s3cr3t-token", ManualClock(), acknowledged_s=5)
    with pytest.raises(Unavailable, match="did not acknowledge in 5 s"):
        delivered(trail, target)
    assert delivered(trail, target) == 18
    events = [item for item in receiver.stored if item["sourcetype"] == "rushes:ocsf"]
    assert [item["event"]["metadata"]["uid"] for item in events] == trail.uids()
    assert events[0]["time"] == 1_700_000_000.0
    assert receiver.stored[-1]["sourcetype"] == "rushes:checkpoint"
    with pytest.raises(Unavailable, match="it answers 403") as caught:
        delivered(trail, SplunkTarget(url, "another-token", ManualClock()), "wrong")
    assert "another-token" not in str(caught.value)


def test_splunk_without_acknowledgement_is_refused(trail: Trail) -> None:
    with (
        http_receiver(lambda *_: (200, {"text": "Success", "code": 0})) as http,
        pytest.raises(Unavailable, match="no indexer acknowledgement"),
    ):
        delivered(trail, SplunkTarget(http.url, "t", ManualClock()))


def test_an_endpoint_takes_lines_and_the_checkpoint(trail: Trail) -> None:
    statuses = [503, 302, 200]
    with http_receiver(lambda *_: (statuses.pop(0), {})) as http:
        target = target_at(f"{http.url}/audit?x=1", {"RUSHES_SIEM_AUTHORIZATION": "Bearer s3cr3t"})
        for why in ("503", "302"):
            with pytest.raises(Unavailable, match=f"it answers {why}"):
                delivered(trail, target)
        assert delivered(trail, target) == 18
        target.close()
    path, headers, body = http.asked[-1]
    lines: list[dict[str, Any]] = [json.loads(line) for line in body.splitlines()]
    assert [line["metadata"]["uid"] for line in lines[:-1]] == trail.uids()
    assert KEY.verifier.opened(lines[-1]["checkpoint"].encode()).size == 18
    assert (path, headers["authorization"], headers["content-type"]) == (
        "/audit?x=1",
        "Bearer s3cr3t",
        "application/x-ndjson",
    )
    keys = {headers["idempotency-key"] for _, headers, _ in http.asked}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "name one of"),
        ("nowhere", "name one of"),
        ("ndjson:", "name one of"),
        ("ftp://host/x", "name one of"),
        ("https://", "name one of"),
        ("https://host:port/", "name one of"),
        ("https://user:secret@host/", "holds credentials"),
        ("http://siem.example/", "over https alone"),
        ("splunk+http://siem.example:8088", "over https alone"),
        ("splunk+https://siem.example:8088", "set RUSHES_SPLUNK_TOKEN"),
        ("syslog+tls://siem.example:6514?end=answered", "nothing, or .end=unanswered"),
        ("syslog+tls://siem.example:6514/path", "nothing, or .end=unanswered"),
    ],
)
def test_what_is_no_target_is_said(uri: str, why: str) -> None:
    with pytest.raises(Fatal, match=why) as caught:
        target_at(uri, {})
    assert caught.value.code == "invalid_siem_target"
    assert "secret" not in str(caught.value)
