"""The day, from a seed: what is published when, what breaks when. The same for every rule."""

import math
import random
from dataclasses import dataclass, field
from typing import Literal

from stream.topology.lanes import Lane

Name = Literal["decode", "understand"]
DAY_S = 86_400
SPAN_S = 120.0
CELL_S = 10.0
LENGTHS_S = ((5.0, 0.6), (30.0, 0.25), (120.0, 0.12), (600.0, 0.03))


@dataclass(frozen=True, slots=True)
class Clip:
    """An asset: published at `at_s`, `video_s` long."""

    at_s: float
    video_s: float
    lane: Lane


@dataclass(frozen=True, slots=True)
class Trace:
    """`kills`: when a spot node takes a replica of a stage. Rates of a stage are multiplied by `slow` in its hours."""

    clips: tuple[Clip, ...]
    kills: tuple[tuple[float, Name], ...]
    stuck_s: tuple[float, float] = (36_000.0, 45_000.0)
    stuck_partition: int = 5
    slow_s: tuple[float, float] = (57_600.0, 61_200.0)
    slow: float = 0.25
    length_s: int = DAY_S


@dataclass(frozen=True, slots=True)
class StageFacts:
    """Video-seconds per second of one replica, seconds until a new one works, and bounds."""

    rate: float
    start_s: float
    partitions: int = 32
    max_replicas: int = 24


@dataclass(frozen=True, slots=True)
class Facts:
    """What every rule has to live with. `unread_video_s`: decode pauses while understand has more unread.
    `credit_video_s`: plan admits batch footage while less of it is outstanding.
    """

    decode: StageFacts = field(default_factory=lambda: StageFacts(16.0, 30.0))
    understand: StageFacts = field(default_factory=lambda: StageFacts(8.0, 60.0))
    unread_video_s: float = 2400.0
    credit_video_s: float = 1200.0
    objective_s: float = 120.0

    def of(self, name: Name) -> StageFacts:
        return self.decode if name == "decode" else self.understand


def day(seed: int, *, length_s: int = DAY_S) -> Trace:
    """Clips of 5 s to 10 min by the hour of the day, bursts of hundreds, archives of 5 hours, spot kills."""
    chance = random.Random(seed)
    clips = [*_steady(chance, length_s), *_bursts(chance, length_s), *_archives(chance, length_s)]
    names: tuple[Name, ...] = ("decode", "understand")
    kills = [(chance.uniform(0, length_s), chance.choice(names)) for _ in range(40 * length_s // DAY_S)]
    return Trace(tuple(sorted(clips, key=lambda clip: clip.at_s)), tuple(sorted(kills)), length_s=length_s)


def _steady(chance: random.Random, length_s: int) -> list[Clip]:
    clips: list[Clip] = []
    at_s = 0.0
    while True:
        hour = at_s / 3600
        per_s = 0.15 * (1.0 + 0.8 * math.sin((hour - 9) / 24 * 2 * math.pi))
        at_s += chance.expovariate(per_s)
        if at_s >= length_s:
            return clips
        clips.append(Clip(at_s, _length_s(chance), "interactive"))


def _bursts(chance: random.Random, length_s: int) -> list[Clip]:
    clips = []
    for _ in range(12 * length_s // DAY_S):
        start_s, over_s = chance.uniform(0, length_s - 600), chance.uniform(60, 240)
        clips += [
            Clip(start_s + chance.uniform(0, over_s), _length_s(chance), "interactive")
            for _ in range(chance.randint(100, 400))
        ]
    return clips


def _archives(chance: random.Random, length_s: int) -> list[Clip]:
    return [Clip(chance.uniform(0, length_s), 5 * 3600.0, "batch") for _ in range(30 * length_s // DAY_S)]


def _length_s(chance: random.Random) -> float:
    lengths, weights = zip(*LENGTHS_S, strict=True)
    return float(chance.choices(lengths, weights)[0])
