"""The page on capacity is arithmetic over committed figures: by hand here, for figures that are easy to divide."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.testbed.cells import RED, cell, flat_yuv
from deploy.capacity import figures, sums
from deploy.capacity.__main__ import main
from deploy.capacity.figures import sources
from deploy.capacity.limits import limits, writers_words
from deploy.capacity.lines import LINES, SIZES
from deploy.capacity.sums import MEANINGS, Assumptions, Sums, frames_bytes
from stream.events.frames import Frames, Sample

GIVEN = Assumptions(video_s=86.4, peak=2, kept_days=10, busy=0.5, cores=2, replication=3, core_hour=2, partitions=10)
FIGURES = {
    "decode": 0.25,
    "models": 0.5,
    "whole": 0.8,
    "device": 100.0,
    "inspect": 0.864,
    "index": 2.0,
    "parquet": 4.0,
    "row": 1000.0,
    "live": 100.0,
    "index_disk": 120.0,
    "parquet_disk": 150.0,
}


@pytest.fixture
def even(monkeypatch: pytest.MonkeyPatch) -> Sums:
    """10,000 videos a day of 86.4 s: 10 video-seconds a second, 20 in the busiest hour."""
    made = {name: replace(item, name=name) for name, item in sources().items() if name in FIGURES}
    monkeypatch.setattr(sums, "sources", lambda: made)
    told = {name: (value, "") for name, value in FIGURES.items()}
    monkeypatch.setattr(
        figures, "figures", lambda _file: told | {"ours: replica-hours": (300.0, "100 h if none waits")}
    )
    return Sums(10_000, GIVEN)


def test_each_line_by_hand(even: Sums) -> None:
    found = {line.name: line.of(even) for line in LINES}
    kept = 10_000 * 8.64 * 3 * 10 * 1000 / 1e9  # GB of rows
    core_hours = 864_000 * 0.8 / 3600 / 0.5
    expected = {
        "video-seconds a second, busiest hour": 20,
        "cells a second, busiest hour": 2,
        "replicas of plan": 1,  # 0.2 CPU-s a second, on a core's worth
        "replicas of decode": 5,
        "replicas of understand": 10,
        "or CUDA devices for it": 1,
        "partitions of `spans`": 10,
        "partitions of `frames`": 10,
        "writers of the index (shards)": 1,
        "writers of the Delta table (shards)": 1,
        "topic `frames`, in and out each": 2 * frames_bytes() / 1e6,
        "the same on brokers' disks": 6 * frames_bytes() / 1e6,
        "moments a day": 259_200,
        "index on disk": 1.2 * kept,
        "Delta table on disk": 1.5 * kept,
        "rows by those of the largest store measured": kept * 1e9 / (100 * 2**20),
        "core-hours a day": core_hours,
        "the same, scaled by freshness": core_hours * 0.5 * 3,
        "price of cores a day": core_hours * 2,
        "price a day with models on busy devices": 864_000 / 100 / 3600 / 0.5 * 3 + core_hours * 2 * 3 / 8,
        "price of disks a day": 2.7 * kept * 0.08 / 30,
        "price of 1,000 videos, cores and disks": (core_hours * 2 + 2.7 * kept * 0.08 / 30) / 10,
    }
    assert found == pytest.approx(expected)


def test_many_cells_take_many_writers(even: Sums) -> None:
    """At 2 CPU-s for 1,000 cells a core that may be half busy does 250 of them a second."""
    assert replace(even, videos=2_500_000).writers("index") == 2
    assert replace(even, videos=2_500_000).writers("parquet") == 4


def test_limits_come_in_order_and_are_where_the_lines_say(even: Sums) -> None:
    found = limits(GIVEN)
    assert [item.videos for item in found] == sorted(item.videos for item in found)
    at = {item.name: replace(even, videos=item.videos) for item in found}
    assert at["one writer of the index, on one core"].cells_per_s == pytest.approx(250)
    assert at["one writer of the Delta table, on one core"].cells_per_s == pytest.approx(125)
    assert at["the largest store that was measured"].by_measured == pytest.approx(1)
    assert at["one machine of `cores` for everything"].arrival * 0.8 == pytest.approx(1)
    assert at["`partitions` of `spans`, two members of decode a replica"].arrival * 0.25 == pytest.approx(5)
    assert at["`partitions` of `frames`, one member of understand a replica"].arrival * 0.5 == pytest.approx(10)
    network = at["a broker's network of 10 Gbit/s, frames written, copied and read"]
    assert network.frames_mb_per_s + network.kafka_mb_per_s == pytest.approx(1250)


def test_what_can_be_done_about_a_writer_is_asked_of_the_topology() -> None:
    assert writers_words("decode") == "more writers"
    assert writers_words("index") == writers_words("parquet") == "divide the store into shards, with a writer each"
    assert writers_words("dead-letters") == "nothing yet: the stage has at most 1 replica"


def test_a_record_of_frames_is_as_large_as_is_computed() -> None:
    sample = Sample(time_ns=0, pts=0, kind="grid", yuv=flat_yuv(RED, 456, 256))
    made = cell([(0, RED)])
    frames = Frames(
        span=made.span,
        segment=0,
        width=456,
        height=256,
        colour=made.colour,
        samples=[sample] * 10,
        dense=np.zeros_like(made.dense),
        dense_times_ns=made.dense_times_ns,
    )
    assert len(frames.to_bytes()) == pytest.approx(frames_bytes(), rel=0.01)


def test_every_figure_is_committed_and_every_assumption_explained() -> None:
    assert all(item.value > 0 for item in sources().values())
    assert set(MEANINGS) == set(Assumptions.__dataclass_fields__)


def test_an_operator_puts_in_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--videos", "2000", "--core-hour", "0"])
    told = capsys.readouterr().out
    assert "2,000 videos" in told
    assert "| price of cores a day | 0 |" in told
    assert f"{SIZES[2]:,} videos" not in told
