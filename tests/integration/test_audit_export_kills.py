"""`rushes audit export` is killed while it delivers to receivers that fail: each of them ends with every event."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow.dataset as ds
import pytest

from benchmarks.testbed.runs import finish, start
from stream.audit.ocsf import Activity
from tests.support.audit_trails import Trail
from tests.support.siem_receivers import SplunkReceiver, SyslogReceiver, http_receiver, syslog_receiver

KILLS = (1, 5)
"""At so many requests that receivers get."""


@dataclass
class Assassin:
    """Kills the delivering process while a request is under way, if it is to."""

    pid: int = 0
    after: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> None:
        with self._lock:
            self.after -= 1
            if self.after == 0:
                os.kill(self.pid, signal.SIGKILL)


@dataclass
class Failing:
    """An endpoint that refuses some deliveries, and takes some of which it says that it did not."""

    assassin: Assassin
    failing: bool = True
    taken: list[dict[str, Any]] = field(default_factory=list)
    _asked: int = 0

    def answer(self, _path: str, _headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        self._asked += 1
        refused, unsaid = self.failing and self._asked % 4 == 2, self.failing and self._asked % 4 == 0
        if not refused:
            lines = [json.loads(line) for line in body.splitlines()]
            self.taken += [line for line in lines if "checkpoint" not in line]
        self.assassin.count()
        return (503 if refused or unsaid else 200), {}


@dataclass
class FailingSplunk(SplunkReceiver):
    assassin: Assassin = field(default_factory=Assassin)
    failing: bool = True
    _asked: int = 0

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        self._asked += 1
        self.assassin.count()
        if self.failing and self._asked % 4 == 3:
            return 503, {"text": "Server is busy", "code": 9}
        return super().answer(path, headers, body)


def uids_of(folder: Path) -> Iterator[str]:
    for path in (folder / "ndjson").rglob("*.ndjson"):
        yield from (json.loads(line)["metadata"]["uid"] for line in path.read_text().splitlines())


def columns_of(folder: Path) -> Iterator[str]:
    for path in (folder / "parquet").rglob("*.parquet"):
        yield from (metadata["uid"] for metadata in ds.dataset(path).to_table()["metadata"].to_pylist())


def messages_of(syslog: SyslogReceiver) -> Iterator[str]:
    for message in syslog.messages:
        head, _, text = message.partition(b" - ")
        if not head.endswith(b"checkpoint"):
            yield json.loads(text)["metadata"]["uid"]


def test_each_target_ends_with_every_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail, assassin = Trail(tmp_path / "audit", file_bytes=100_000), Assassin()
    failing, splunk = Failing(assassin), FailingSplunk("s3cr3t-token", late=0, assassin=assassin)
    with ExitStack() as held:
        http = held.enter_context(http_receiver(failing.answer))
        collector = held.enter_context(http_receiver(splunk.answer))
        syslog, _ = held.enter_context(syslog_receiver(tmp_path))
        # Of a machine that trusts the receiver.
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "receiver.pem"))
        monkeypatch.setenv("RUSHES_SPLUNK_TOKEN", "s3cr3t-token")
        files = [f"{name}:{tmp_path / name}" for name in ("ndjson", "parquet")]
        splunk_uri = f"splunk+{collector.url}"
        targets = [*files, http.url, splunk_uri, f"syslog+tls://127.0.0.1:{syslog.port}"]

        def exporting() -> Any:
            process = start(tmp_path / "state", "--audit", trail.directory, "audit", "export", *targets)
            assassin.pid = process.pid
            return finish(process)

        for after in KILLS:
            trail.add(*[(Activity.SEARCHED, "acme"), (Activity.PLAYED, None)] * 300)
            assassin.after, syslog.dropping = after, 1
            assert exporting().code == -signal.SIGKILL
        failing.failing = splunk.failing = False
        trail.add((Activity.DELETED, "acme"))
        done = exporting()
        assert done.code == 0, done.out + done.err
        assert "0 wait" in done.out
    wanted = trail.uids()
    assert len(set(wanted)) == len(wanted) == 2 * (600 * len(KILLS) + 1)
    got = {
        "ndjson": uids_of(tmp_path),
        "parquet": columns_of(tmp_path),
        "http": (event["metadata"]["uid"] for event in failing.taken),
        "splunk": (item["event"]["metadata"]["uid"] for item in splunk.stored if item["sourcetype"] == "rushes:ocsf"),
        "syslog": messages_of(syslog),
    }
    for name, uids in got.items():
        assert set(uids) == set(wanted), name
    assert not psutil.pid_exists(assassin.pid)
