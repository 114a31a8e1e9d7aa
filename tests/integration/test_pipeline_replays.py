"""A cell that fails replay after replay is parked; its asset is ready once the cause is gone and it is asked for."""

import json
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import Row, last_change, light_settings, published, run_events, rushes
from decoders.sandbox.pool import DecodePool
from sinks.dead_letters import DeadLetterFilter, DeadLetters, DeadLetterState
from stream.cli.options.chosen_models import remember_models
from stream.events.asset import AssetStatus
from stream.events.dead_letter import MAX_REPLAYS
from stream.pipelines.settings import ModelChoice
from stream.sessions.replay import Replay
from stream.sessions.session import RawRecord
from stream.topology.codec import encode

SECRET = "s3cr3t-content"


def test_a_cell_that_fails_again_and_again_is_parked_and_ready_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=12, fps=5, gop=10, size=(64, 48)).path
    settings = light_settings(tmp_path / "state", clip)
    store = DeadLetters(settings.index_dir)
    event = encode(published(clip, asset_id="clip"))
    forged = {**event.headers, "rushes_replays": str(MAX_REPLAYS).encode()}
    with monkeypatch.context() as patched:
        defaults = DecodePool.__init__.__kwdefaults__
        assert defaults is not None
        patched.setitem(defaults, "decoder", "tests.support.rogue_decoders:Greedy")
        body = json.dumps(json.loads(event.value) | {"note": SECRET}).encode()
        progress = run_events(settings, [], [RawRecord("assets", event.key, body, forged)])
        assert last_change(progress, "clip").status is AssetStatus.PARTIAL
        (item,) = store.listed()
        assert (item.dead_letter.stage, item.dead_letter.topic, item.replays) == ("decode", "spans", 0)
        for _ in range(MAX_REPLAYS - 1):
            store.count_replay(store.whole([item.dead_letter.letter_id]))

        again = Replay.of(store, DeadLetterFilter(stage="decode", code=item.dead_letter.code, tenant="default"))
        (part,) = again.parts()
        again.begin(part)
        run_events(settings, [], part.records())
        again.finish(part)
    (parked,) = store.listed(DeadLetterFilter(states=(DeadLetterState.PARKED,)))
    assert (parked.replays, parked.dead_letter.letter_id != item.dead_letter.letter_id) == (MAX_REPLAYS, True)

    remember_models(settings.state_dir, ModelChoice.light())
    assert "Nothing to replay" in rushes(settings.state_dir, "dead-letters", "replay", "--all").out
    listed = rushes(settings.state_dir, "dead-letters", "list")
    assert "1 more are parked" in listed.out
    shown = rushes(settings.state_dir, "dead-letters", "show", parked.dead_letter.letter_id)
    assert shown.document["state"] == "parked"
    assert SECRET not in shown.out + listed.out
    before = measured(settings.state_dir)
    assert before["decode"]["read_bytes"] > 0
    mended = rushes(settings.state_dir, "dead-letters", "replay", "--parked", "--since", "1h", "--root", clip, "--json")
    assert mended.code == 0, mended.out + mended.err
    assert mended.assets["clip.mp4"]["status"] == "ready"
    assert store.listed(DeadLetterFilter(states=(DeadLetterState.OPEN, DeadLetterState.PARKED))) == []

    after = measured(settings.state_dir)
    assert {stage: row["video_s"] for stage, row in after.items()} == dict.fromkeys(
        ("plan", "decode", "understand", "index", "parquet"), 12.0
    )
    assert after["decode"]["cpu_s"] > before["decode"]["cpu_s"] > 0
    assert after["understand"]["cpu_s"] > 0


def measured(state: Path) -> dict[str, Row]:
    """What `rushes usage` says, by stage."""
    document = rushes(state, "usage", "--json").document
    assert {row["tenant"] for row in document} == {"default"}
    return {row["stage"]: row for row in document}
