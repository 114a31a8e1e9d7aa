"""The arithmetic (pure, but for the figures it begins with)."""

import math
from dataclasses import dataclass, fields

from deploy.capacity.figures import scaling_overhead, sources
from deploy.documents.markdown import table
from stream.events.asset import DecodeSettings
from stream.events.frames import DENSE_HEIGHT, DENSE_WIDTH
from stream.events.grid import DENSE_TICKS

DAY_S, CELL_S, MOMENTS_A_CELL = 86_400, 10, 3
DECODE_MEMBERS = 2


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What no benchmark tells. An operator puts in their own: `python -m deploy.capacity --help`."""

    video_s: float = 30.0
    peak: float = 2.0
    kept_days: float = 30.0
    busy: float = 0.7
    cores: float = 2.0
    replication: float = 3.0
    core_hour: float = 0.04
    device_hour: float = 3.0
    disk_gb_month: float = 0.08
    partitions: float = 8.0


MEANINGS = {
    "video_s": "seconds of a video, 1080p25 H.264, profile `full`",
    "peak": "the busiest hour by the mean hour",
    "kept_days": "days that rows are kept",
    "busy": "how busy a core may be in the busiest hour",
    "cores": "cores of a replica",
    "replication": "copies that Kafka keeps",
    "core_hour": "price of a core for an hour",
    "device_hour": "price of a CUDA device with 8 cores for an hour",
    "disk_gb_month": "price of a GB on disk for a month",
    "partitions": "partitions of `spans` and of `frames`; 8 is what `--partitions` has by default",
}


def assumptions_table(given: Assumptions) -> str:
    rows = [(f"`{item.name}`", f"{getattr(given, item.name):g}", MEANINGS[item.name]) for item in fields(given)]
    return table(("assumption", "value", "meaning"), rows)


@dataclass(frozen=True, slots=True)
class Sums:
    """The arithmetic for one size. Every property is a line, or a step towards one; `sums["decode"]` is a figure."""

    videos: float
    given: Assumptions

    def __getitem__(self, name: str) -> float:
        return sources()[name].value

    @property
    def arrival(self) -> float:
        return self.videos * self.given.video_s / DAY_S * self.given.peak

    @property
    def cells_per_s(self) -> float:
        return self.arrival / CELL_S

    def replicas(self, cost: float) -> int:
        return math.ceil(self.arrival * cost / (self.given.cores * self.given.busy))

    @property
    def decode(self) -> int:
        return self.replicas(self["decode"])

    @property
    def understand(self) -> int:
        return self.replicas(self["models"])

    @property
    def devices(self) -> int:
        return math.ceil(self.arrival / (self["device"] * self.given.busy))

    @property
    def plan(self) -> int:
        return self.replicas(self["inspect"] / self.given.video_s)

    def writers(self, stage: str) -> int:
        """Processes with a core each, if a store could have as many writers."""
        return math.ceil(self.cells_per_s * self[stage] / 1000 / self.given.busy)

    @property
    def frames_mb_per_s(self) -> float:
        return self.cells_per_s * frames_bytes() / 1e6

    @property
    def kafka_mb_per_s(self) -> float:
        return self.frames_mb_per_s * self.given.replication

    @property
    def moments_a_day(self) -> float:
        return self.videos * self.given.video_s / CELL_S * MOMENTS_A_CELL

    def kept_gb(self, stage: str) -> float:
        rows = self.moments_a_day * self.given.kept_days * self["row"]
        return rows * self[f"{stage}_disk"] / self["live"] / 1e9

    @property
    def by_measured(self) -> float:
        """How often the largest store that was measured."""
        return self.moments_a_day * self.given.kept_days * self["row"] / (self["live"] * 2**20)

    @property
    def core_hours(self) -> float:
        return self.videos * self.given.video_s * self["whole"] / 3600 / self.given.busy

    @property
    def scaled_core_hours(self) -> float:
        return self.core_hours * self.given.busy * scaling_overhead()

    @property
    def device_hours(self) -> float:
        return self.videos * self.given.video_s / self["device"] / 3600 / self.given.busy

    @property
    def cpu_price(self) -> float:
        return self.core_hours * self.given.core_hour

    @property
    def device_price(self) -> float:
        """Models on devices, the rest on cores."""
        rest = self.core_hours * (1 - self["models"] / self["whole"])
        return self.device_hours * self.given.device_hour + rest * self.given.core_hour

    @property
    def disk_price(self) -> float:
        return (self.kept_gb("index") + self.kept_gb("parquet")) * self.given.disk_gb_month / 30

    @property
    def price_of_1000(self) -> float:
        return 1000 * (self.cpu_price + self.disk_price) / self.videos


def frames_bytes() -> int:
    """Of one cell in topic `frames`: ten samples of a 16:9 picture and the dense view, uncompressed."""
    short = DecodeSettings().sample_short_side
    long = 2 * math.ceil(short * 16 / 9 / 2)
    return CELL_S * short * long * 3 // 2 + DENSE_TICKS * DENSE_HEIGHT * DENSE_WIDTH * 3
