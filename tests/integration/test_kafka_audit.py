"""The topic `audit` of a real cluster: each event once for each delivery, and checkpoints that outlive the files."""

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.names import Names
from stream.cli.app import app
from stream.cli.execution import execute
from stream.clock import SystemClock
from stream.sessions.audit_topic import KIND, TOPIC
from tests.support.brokers import kafka_servers

pytestmark = pytest.mark.kafka
DEPLOYMENT = "audited"


def test_a_trail_that_was_written_anew_is_found_by_its_topic(tmp_path: Path) -> None:
    servers = kafka_servers()
    uri, trail = f"kafka://{servers}", tmp_path / "audit"

    def call(*words: str) -> tuple[int, str]:
        out = io.StringIO()
        options = ["--state", str(tmp_path / "state"), "--audit", str(trail), "--deployment", DEPLOYMENT]
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            code = execute(app, [*options, *words])
        return code, out.getvalue()

    assert call("audit", "init")[0] == 0
    for _ in range(2):
        assert call("access", "list")[0] == 0
        assert call("audit", "export", uri)[0] == 0
    broker = KafkaBroker(KafkaSettings(servers, names=Names(DEPLOYMENT)), SystemClock())
    tail = broker.tail(TOPIC, from_start=True)
    records = list(tail.poll(100, 10.0))
    while len(records) < 6:
        records += tail.poll(100, 10.0)
    tail.close()
    broker.close()
    events = [json.loads(record.value) for record in records if record.headers[KIND] == b"event"]
    assert [event["metadata"]["sequence"] for event in events] == [0, 1, 2, 3]
    assert [record.headers[KIND] for record in records].count(b"checkpoint") == 2

    assert call("audit", "verify", "--broker", uri)[0] == 0
    shutil.rmtree(trail)
    for _ in range(3):
        call("access", "roles")
    assert call("audit", "verify")[0] == 0, "by itself it looks whole"
    code, out = call("audit", "verify", "--broker", uri, "--json")
    assert code == 1
    assert "not those that it was signed over" in out
