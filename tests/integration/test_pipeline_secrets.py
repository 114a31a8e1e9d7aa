"""A secret in every field of an event: whoever reads stores, status, letters, logs or messages finds none of it."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lancedb
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import deletion, last_change, light_settings, published, run_events
from stream.cli.app import app
from stream.events.asset import AssetPublished, AssetStatus
from stream.events.ids import default_asset_id
from stream.pipelines.settings import Settings
from stream.sessions.session import RawRecord
from stream.topology.codec import encode
from tests.unit.events.test_redaction import AWS, CANARY, MALFORMED, WHOLE

KIND = AssetPublished.type.encode()
FOR_REPLAY = ("key", "value", "headers")
"""Of a dead letter: what a replay sends, and nobody is shown."""


def unreadable() -> Iterator[RawRecord]:
    """Records that are no events, with the secret wherever a producer may put one."""
    secret = CANARY.encode()
    source = b"https://user:" + secret + b"@mam/"
    headers = {"ce_type": KIND, "ce_id": secret, "ce_source": source, f"x-{CANARY}": secret}
    for form in (*WHOLE, *MALFORMED):
        uri = form.format(CANARY).encode()
        yield RawRecord("assets", uri, b"{broken " + secret, {**headers, "ce_subject": uri})
        yield RawRecord("assets", uri, b"", {})
    for body in (
        {"uri": 7, CANARY: CANARY},
        {"uri": "/a.mp4", "labels": {CANARY: 7}},
        {"uri": "/a.mp4", "labels": {f"{CANARY}=a": CANARY}},
        {"uri": "/a.mp4", "labels": {"a": ["b", CANARY]}},
        {"uri": "/a.mp4", "labels": CANARY},
        {"uri": "/a.mp4", "profile": CANARY, "priority": CANARY, "size_bytes": CANARY, "retention_days": CANARY},
        {"uri": f"https://user:{CANARY}@host/a.mp4", "profile": "none", "asset_id": f"https://user:{CANARY}@host/a"},
    ):
        yield RawRecord("assets", b"", json.dumps(body).encode(), headers)
    yield RawRecord("assets", b"", b"{}", {"ce_type": secret, "ce_tenant": secret * 99, "ce_project": secret + b"\n"})


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield str(name)
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    else:
        yield value.decode("latin-1") if isinstance(value, bytes) else str(value)


def kept(state: Path) -> dict[str, list[str]]:
    """Every text in every store, read back through its own library, and every other file as it is."""
    found: dict[str, list[str]] = {}
    index = lancedb.connect(state / "lancedb")
    for name in (path.stem for path in (state / "lancedb").glob("*.lance")):
        table = index.open_table(name).to_arrow()
        columns = [it for it in table.column_names if name != "dead_letters" or it not in FOR_REPLAY]
        found[name] = list(texts(table.select(columns).to_pylist()))
    for log in (state / "parquet").rglob("_delta_log"):
        found[str(log.parent)] = list(texts(DeltaTable(str(log.parent)).to_pyarrow_table().to_pylist()))
    for path in state.rglob("*"):
        found[str(path)] = [str(path)]
        if path.is_file() and path.suffix not in {".parquet", ".lance"} and "lancedb" not in path.parts:
            found[str(path)].append(path.read_bytes().decode("latin-1"))
    return found


def test_no_reader_finds_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=2, fps=5, size=(64, 48)).path
    signed = f"{clip.as_uri()}?{AWS.format(CANARY)}#{CANARY}"
    settings = light_settings(tmp_path / "state", clip)
    events = [published(signed), published(clip, asset_id=f"https://user:{CANARY}@mam/1?token={CANARY}")]
    events += [published(form.format(CANARY)) for form in (*WHOLE, *MALFORMED)]
    # A deletion takes the dead letters of its asset with it, so most deletions name assets of another host.
    events += [deletion(form.format(CANARY).replace("host", "gone")) for form in (*WHOLE, *MALFORMED)]
    with caplog.at_level(logging.DEBUG):
        progress = run_events(settings, events, unreadable())
    assert last_change(progress, default_asset_id(signed)).status is AssetStatus.READY
    changes = [change.model_dump_json() for change in progress.changes()]
    assert len(changes) > len(MALFORMED)
    assert not [change for change in changes if CANARY in change]
    stored = kept(settings.state_dir)
    assert {"assets", "segments", "dead_letters"} <= stored.keys()
    assert f"{clip.as_uri()}?…" in stored["assets"]
    assert {name: [it for it in held if CANARY in it] for name, held in stored.items() if CANARY in "".join(held)} == {}
    assert CANARY not in caplog.text
    for line in ("status", "status --json", "moments --json", "dead-letters list", "dead-letters list --json"):
        assert CANARY not in printed(settings, *line.split())
    dead_letters = json.loads(printed(settings, "dead-letters", "list", "--json"))
    assert {"http_resolve", "invalid_payload", "unknown_type"} <= {it["code"] for it in dead_letters}
    assert len(dead_letters) >= len(MALFORMED)
    for dead_letter in dead_letters:
        assert CANARY not in printed(settings, "dead-letters", "show", dead_letter["letter_id"])
    page = tmp_path / "hits.html"
    for exported in (["--html", str(page)], ["--export", "csv"], ["--export", "edl"], ["--export", "json"]):
        assert CANARY not in printed(settings, "search", "red", "--no-group", *exported)
    assert CANARY not in page.read_text()


def printed(settings: Settings, *line: str) -> str:
    done = CliRunner().invoke(app, ["--state", str(settings.state_dir), *line], catch_exceptions=False)
    assert done.exit_code == 0, (line, done.output)
    return done.output


def test_a_letter_keeps_what_a_replay_needs(tmp_path: Path) -> None:
    """The whole uri goes to whoever fetches."""
    clip = write_clip(tmp_path / "clip.mp4", seconds=2, fps=5, size=(64, 48)).path
    settings = light_settings(tmp_path / "state")
    event = published(f"{clip.as_uri()}?sig={CANARY}")
    run_events(settings, [event])
    (row,) = lancedb.connect(settings.index_dir.uri).open_table("dead_letters").to_arrow().to_pylist()
    assert row["value"] == encode(event).value
    assert CANARY in row["value"].decode()
    assert CANARY not in row["message"] + row["asset_id"]
