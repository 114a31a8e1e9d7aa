"""The detections of the documents find what they say they find, and nothing else, in the files that a SIEM gets."""

from pathlib import Path

import duckdb
import pytest

from sinks.siem.file_targets import ParquetFiles
from stream.audit.journal import Journal
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import Recorder
from stream.audit.rights import ChangedRights
from stream.clock import ManualClock
from stream.sessions.audit_export import AuditExport
from tests.support.audit_trails import KEY

DETECTIONS = Path(__file__).parents[3] / "docs" / "examples" / "siem" / "detections.sql"
MALLORY, ANA = (Actor(f"service:acme/{name}", ActorKind.SERVICE, f"k-{name}") for name in ("mallory", "ana"))
HOST = Origin(ip="192.0.2.7")


def found(lake: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    monkeypatch.chdir(lake)
    with duckdb.connect() as connection:
        rows = connection.execute(DETECTIONS.read_text()).fetchall()
    return [(detection, who, what) for detection, _, who, what in rows]


def test_detections_find_what_somebody_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "trail", KEY)
    journal.open()
    clock = ManualClock(1_700_000_400_000)
    recorder = Recorder(journal, clock, "0.1.0")

    def does(who: Actor, activity: Activity, count: int = 0, rights: ChangedRights | None = None) -> None:
        subject = AccessSubject("x", "acme", rights=rights or ChangedRights())
        with recorder.access(activity, subject, who, HOST) as access:
            access.count = count
        clock.advance(1)

    lake = tmp_path / "lake"
    export = AuditExport(tmp_path / "trail", "lake", ParquetFiles(lake), 7)
    does(ANA, Activity.SEARCHED)
    assert export.step() == 2
    # A lake in which nobody was ever denied, or given a role, has the columns all the same.
    assert found(lake, monkeypatch) == []
    for number in range(21):
        who = ANA if number > 11 else MALLORY
        recorder.denied(Activity.PLAYED, AccessSubject("media", "acme"), who, HOST, "no_such_thing")
    does(MALLORY, Activity.EXPORTED, 600)
    does(MALLORY, Activity.EXPORTED, 500)
    does(ANA, Activity.EXPORTED, 900)
    does(ANA, Activity.PUBLISHED, 5_000)
    does(MALLORY, Activity.ROLE_GIVEN, rights=ChangedRights(MALLORY.uid, ("admin",)))
    does(MALLORY, Activity.ROLE_GIVEN, rights=ChangedRights(ANA.uid, ("viewer",)))
    does(MALLORY, Activity.ROLE_TAKEN, rights=ChangedRights(MALLORY.uid, ("viewer",)))
    does(MALLORY, Activity.TEAM_FILLED, rights=ChangedRights(team="cutters", members=(ANA.uid, MALLORY.uid)))
    does(ANA, Activity.TEAM_FILLED, rights=ChangedRights(team="cutters", members=(MALLORY.uid,)))
    journal.close()
    while export.step():
        pass
    # What was delivered twice counts once.
    AuditExport(tmp_path / "trail", "again", ParquetFiles(lake), 5).step()
    assert sorted(found(lake, monkeypatch)) == [
        ("bulk export", MALLORY.uid, "1100 moments of acme"),
        ("many denials", MALLORY.uid, "12 denials, key k-mallory from 192.0.2.7"),
        ("right to oneself", MALLORY.uid, "admin in acme"),
        ("right to oneself", MALLORY.uid, "team:cutters in acme"),
    ]
