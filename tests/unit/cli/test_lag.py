"""What `rushes lag` and an ingest show of freshness fits a terminal of 80 columns and says what holds things up."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from stream.cli.commands.lag import as_json, view
from stream.cli.rendering.amounts import amount
from stream.cli.rendering.durations import duration
from stream.cli.rendering.live import Lines, LiveProgress
from stream.clock import ManualClock
from stream.control.progress import Progress
from stream.events.asset import AssetRef, SegmentProgressed
from stream.events.ids import AssetVersion
from stream.freshness.observer import Observation, WaitingForGate
from stream.freshness.snapshot import LaneFlow, Snapshot, StageFlow
from stream.pipelines.understanding import reference_topology
from stream.topology.lanes import Lane
from stream.topology.unit import VIDEO_SECONDS, Unit

BUSY: dict[Lane, LaneFlow] = {"interactive": LaneFlow(86_399, 1e6, 1234.5), "batch": LaneFlow(360_000, 1e6, 99.0)}


def shown(found: Observation) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(view(found, 60))
    return out.getvalue()


def test_the_widest_table_is_whole_in_80_columns() -> None:
    flow = StageFlow("dead-letters", None, BUSY, 1e6, 1234.5, offset_lag={"frames": 1_234_567}, replicas=128)
    text = shown(Observation(Snapshot(0, (flow,), open_assets=99_999, dead_letters=9_999), {"dead-letters": 128}, 0.1))
    assert "…" not in text
    for word in ("dead-letters", "23h59m", "4d04h", "11d13h", "1334", "1234", "128/128", "1234567", "have/want"):
        assert word in text


def test_counts_of_other_units_are_whole_in_80_columns_too() -> None:
    flow = StageFlow("dead-letters", None, BUSY, 1e6, 1234.5, offset_lag={"frames": 1_234_567}, replicas=128)
    text = shown(Observation(Snapshot(0, (replace(flow, unit=Unit("frames", "frames")),)), {"dead-letters": 128}, 0.1))
    assert "…" not in text
    assert "1000k" in text
    assert "Counted in frames: dead-letters." in text


@pytest.mark.parametrize(
    ("units", "unit", "text"),
    [
        (200.0, VIDEO_SECONDS, "3m20s"),
        (0.0, Unit("frames", "frames"), "-"),
        (99_999.4, Unit("frames", "frames"), "99999"),
        (99_999.5, Unit("frames", "frames"), "100k"),
    ],
)
def test_an_amount_is_a_time_of_video_or_a_count(units: float, unit: Unit, text: str) -> None:
    assert amount(units, unit) == text


@pytest.mark.parametrize(("service", "words"), [(0.0, "does not shrink yet"), (10.0, "the backlog is gone in 1m30s")])
def test_when_the_backlog_is_gone_or_that_it_is_not_known(service: float, words: str) -> None:
    flow = StageFlow("decode", "plan", {"interactive": LaneFlow(9, 900)}, 900, service, replicas=1)
    text = " ".join(shown(Observation(Snapshot(0, (flow,)), {"decode": 1}, 0.1)).split())
    assert words in text
    assert "Bottleneck: decode" in text
    assert duration(float("inf")) == "?"


def test_an_ingest_without_a_terminal_tells_how_long_footage_waits() -> None:
    out, clock, state = io.StringIO(), ManualClock(), Progress()
    console = Console(file=out, width=200)
    live = LiveProgress(
        console,
        1,
        reference_topology(),
        lines=Lines(console, clock, 1.0),
        waits=lambda: {"decode": "waits 3.2s", "index": "waits 1m05s"},
    )
    ref = AssetRef(tenant="t", project="p", asset_id="a", version=AssetVersion(1, 0))
    state.apply([SegmentProgressed(asset=ref, stage="plan", segment=0, segment_count=1, video_ns=5_000_000_000)])
    clock.advance(2.0)
    live.update(state, {})
    assert out.getvalue().strip().endswith("0 of 1 assets final; decode waits 3.2s; index waits 1m05s")


@pytest.mark.parametrize(
    ("stuck", "words"),
    [(0, "Bottleneck: plan (no worker runs plan)"), (1, "Bottleneck: the broker (workers run and none makes progress")],
)
def test_the_sentence_names_the_stage(stuck: int, words: str) -> None:
    flow = StageFlow("plan", None, {"interactive": LaneFlow(9, 60)}, 60, replicas=stuck, stuck_partitions=stuck)
    assert words in " ".join(shown(Observation(Snapshot(0, (flow,)), {"plan": 1}, 0.1)).split())


def test_what_waits_before_the_gate_is_told_of() -> None:
    found = Observation(Snapshot(0, (StageFlow("plan"),)), {"plan": 0}, 0.1)
    waiting = WaitingForGate("gate", {"assets.a": 2, "assets.b": 1}, 90.0, workers=0)
    stopped, running, empty = (
        " ".join(shown(replace(found, gate=each)).split())
        for each in (waiting, replace(waiting, workers=1), replace(waiting, records={"assets.a": 0}))
    )
    assert "Before the gate: 3 records of tenants, the oldest for 1m30s; no gate runs" in stopped
    assert "; a gate runs." in running
    assert "Nothing waits." not in stopped + running
    assert "Nothing waits." in empty
    assert as_json(replace(found, gate=waiting))["before_gate"] == {"records": 3, "oldest_s": 90.0, "replicas": 0}


def test_records_of_open_transactions_are_told_of() -> None:
    found = Observation(Snapshot(0, (StageFlow("plan"),), undecided={"assets": 3}), {"plan": 0}, 0.1)
    assert "wait for a producer to end its transaction: 3 of assets" in " ".join(shown(found).split())
    assert as_json(found)["undecided_records"] == {"assets": 3}
