"""The table of sizes: what each takes, line by line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.capacity.sums import DECODE_MEMBERS, Assumptions, Sums
from deploy.documents.markdown import table

SIZES = (1_000, 100_000, 10_000_000)
COMPUTED, SIMULATED = "computed", "simulated"


@dataclass(frozen=True, slots=True)
class Line:
    """How it comes about in words, and the arithmetic. `basis`: what stands behind it beside measured costs."""

    name: str
    of: Callable[[Sums], float]
    how: str
    unit: str = ""
    basis: str = COMPUTED


LINES = (
    Line("video-seconds a second, busiest hour", lambda it: it.arrival, "videos · `video_s` / 86,400 · `peak`"),
    Line("cells a second, busiest hour", lambda it: it.cells_per_s, "video-seconds / 10"),
    Line("replicas of plan", lambda it: it.plan, "videos a second · `inspect` / (`cores` · `busy`)"),
    Line("replicas of decode", lambda it: it.decode, "video-seconds · `decode` / (`cores` · `busy`)"),
    Line("replicas of understand", lambda it: it.understand, "video-seconds · `models` / (`cores` · `busy`)"),
    Line("or CUDA devices for it", lambda it: it.devices, "video-seconds / (`device` · `busy`)"),
    Line("partitions of `spans`", lambda it: DECODE_MEMBERS * it.decode, "2 members · replicas of decode"),
    Line("partitions of `frames`", lambda it: it.understand, "replicas of understand"),
    Line("writers of the index (shards)", lambda it: it.writers("index"), "cells · `index` / 1,000 / `busy`"),
    Line("writers of the Delta table (shards)", lambda it: it.writers("parquet"), "cells · `parquet` / 1,000 / `busy`"),
    Line("topic `frames`, in and out each", lambda it: it.frames_mb_per_s, "cells · bytes of a record", "MB/s"),
    Line("the same on brokers' disks", lambda it: it.kafka_mb_per_s, "· `replication`", "MB/s"),
    Line("moments a day", lambda it: it.moments_a_day, "videos · `video_s` / 10 · 3"),
    Line("index on disk", lambda it: it.kept_gb("index"), "moments · days · `row` · `index_disk` / `live`", "GB"),
    Line("Delta table on disk", lambda it: it.kept_gb("parquet"), "the same with `parquet_disk`", "GB"),
    Line("rows by those of the largest store measured", lambda it: it.by_measured, "rows kept / `live`", "x"),
    Line("core-hours a day", lambda it: it.core_hours, "videos · `video_s` · `whole` / 3,600 / `busy`", "h"),
    Line(
        "the same, scaled by freshness",
        lambda it: it.scaled_core_hours,
        "without `busy`, · `paid` / what the simulated days need",
        "h",
        SIMULATED,
    ),
    Line("price of cores a day", lambda it: it.cpu_price, "core-hours · `core_hour`"),
    Line(
        "price a day with models on busy devices",
        lambda it: it.device_price,
        "device-hours · `device_hour` + the other core-hours",
    ),
    Line("price of disks a day", lambda it: it.disk_price, "GB · `disk_gb_month` / 30"),
    Line("price of 1,000 videos, cores and disks", lambda it: it.price_of_1000, "(cores + disks) / videos · 1,000"),
)


def sizes_table(given: Assumptions, sizes: Sequence[float] = SIZES) -> str:
    sums = [Sums(size, given) for size in sizes]
    rows = [(line.name, *(_number(line.of(item), line.unit) for item in sums), line.how, line.basis) for line in LINES]
    return table(("a day", *(f"{size:,.0f} videos" for size in sizes), "how", "basis"), rows)


def _number(value: float, unit: str) -> str:
    shown = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{shown} {unit}".strip()
