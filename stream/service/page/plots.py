"""Plots as shapes, each with a table that says the same (pure). Shapes are in per cent of the plot's width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from stream.freshness.bottleneck import BROKER, Bottleneck
from stream.freshness.snapshot import Snapshot, StageFlow
from stream.service.freshness_history import FreshnessSample

HOUR_MS = 3_600_000
_STEP_MS = 300_000
_NICE_S = (10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400)
_DAY_S = 86_400
_UNITS = (
    (("d", _DAY_S), ("h", 3_600)),
    (("h", 3_600), ("min", 60)),
    (("min", 60), ("s", 1)),
)
_GAP = 3
"""So many samples missing are a gap; one or two are late."""


def span(seconds: float) -> str:
    """A time in two units at most: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    (big, size), (small, least) = next(pair for pair in _UNITS if whole >= pair[0][1])
    rest = whole % size // least
    return f"{whole // size} {big}" + (f" {rest} {small}" if rest else "")


@dataclass(frozen=True, slots=True)
class LagRow:
    """Five minutes of the table: the worst that was seen in them, if anything was."""

    begins: str
    lag: str | None
    assets: int


@dataclass(frozen=True, slots=True)
class LagLine:
    """`points`: as `x,y` of a square of 100. Where they are not `proven` the oldest was at least so old."""

    points: str
    proven: bool


@dataclass(frozen=True, slots=True)
class LagPlot:
    """The age of the oldest that was not searchable, over the last hour. `lines`: between two gaps, one for each part
    that is proven or not. `ticks`: from the bottom, as (y, text). `now` is None where nothing is known.
    """

    lines: tuple[LagLine, ...]
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[LagRow, ...]
    worst: str
    now: str | None
    minutes: int

    @property
    def proven(self) -> bool:
        return all(line.proven for line in self.lines)

    @classmethod
    def of(cls, samples: Sequence[FreshnessSample], tenant: str, every_s: float) -> Self:
        """`samples`: the oldest first; the last is that of now."""
        now_ms = samples[-1].at_ms
        recent = [it for it in samples if it.at_ms > now_ms - HOUR_MS]
        lags = [it.lag_s(tenant) for it in recent]
        worst = max((lag for lag in lags if lag is not None), default=0.0)
        top = next((it for it in _NICE_S if it >= worst), math.ceil(worst / _DAY_S) * _DAY_S)
        return cls(
            lines=tuple(
                LagLine(_line([(it.at_ms, it.lag_s(tenant) or 0.0) for it in part], now_ms, top), part[-1].proven)
                for part in _parts([it for it, lag in zip(recent, lags, strict=True) if lag is not None], every_s)
            ),
            ticks=tuple((100 - share * 100, span(top * share)) for share in (0, 0.5, 1)),
            rows=tuple(_rows(recent, tenant, now_ms)),
            worst=span(worst),
            now=None if lags[-1] is None else _said_lag(lags[-1], samples[-1].proven),
            minutes=math.ceil((now_ms - recent[0].at_ms) / 60_000),
        )


def _said_lag(lag_s: float, proven: bool) -> str:
    return span(lag_s) if proven else f"at least {span(lag_s)}"


def _parts(known: Sequence[FreshnessSample], every_s: float) -> list[list[FreshnessSample]]:
    parts: list[list[FreshnessSample]] = []
    for sample in known:
        before = parts[-1][-1] if parts else None
        if before is None or sample.at_ms - before.at_ms > every_s * 1_000 * _GAP:
            parts.append([])
        elif sample.proven != before.proven:
            # They touch: only the way in which they are drawn changes.
            parts.append([before])
        parts[-1].append(sample)
    return parts


def _line(points: Sequence[tuple[int, float]], now_ms: int, top: float) -> str:
    placed = [(100 - (now_ms - at_ms) / HOUR_MS * 100, 100 - lag / top * 100) for at_ms, lag in points]
    # A lone sample has no length, and would not be seen.
    placed = [(placed[0][0] - 0.4, placed[0][1]), *placed] if len(placed) == 1 else placed
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in placed)


def _rows(samples: Sequence[FreshnessSample], tenant: str, now_ms: int) -> list[LagRow]:
    """The newest first."""
    found = []
    for begin_ms in range(now_ms - now_ms % _STEP_MS, samples[0].at_ms - _STEP_MS, -_STEP_MS):
        within = [it for it in samples if begin_ms <= it.at_ms < begin_ms + _STEP_MS]
        lags = [lag for it in within if (lag := it.lag_s(tenant)) is not None]
        assets = max((it.waiting[tenant].assets for it in within if tenant in it.waiting), default=0)
        begins = datetime.fromtimestamp(begin_ms / 1_000, UTC).strftime("%H:%M")
        said = _said_lag(max(lags), all(it.proven for it in within)) if lags else None
        found.append(LagRow(begins, said, assets))
    return found


@dataclass(frozen=True, slots=True)
class StageBar:
    """`share`: of the longest, in per cent."""

    stage: str
    lag: str
    share: float
    waiting: str
    rate: str
    clears: str
    workers: int
    worst: bool


@dataclass(frozen=True, slots=True)
class StageBars:
    """How long the oldest asset waits in each stage. `words`: why one is the bottleneck; None where nothing waits."""

    bars: tuple[StageBar, ...]
    words: str | None
    at: str

    @classmethod
    def of(cls, snapshot: Snapshot, worst: Bottleneck | None) -> Self:
        longest = max((_lag_s(flow) for flow in snapshot.every), default=0.0)
        named = None if worst is None else worst.stage
        bars = tuple(_bar(flow, longest, named) for flow in snapshot.every)
        at = datetime.fromtimestamp(snapshot.at_ms / 1_000, UTC).strftime("%H:%M:%S UTC")
        flow = next((flow for flow in snapshot.every if flow.stage == named), None)
        return cls(bars, None if worst is None or flow is None else _said(worst, flow), at)


def _said(worst: Bottleneck, flow: StageFlow) -> str:
    """In its own words, as an exporter does not say how many partitions a stage has."""
    if worst.place == BROKER:
        return worst.words
    if not flow.replicas:
        return f"no worker runs {flow.stage}"
    if flow.stuck_partitions:
        return f"{flow.stuck_partitions} partitions of {flow.stage} do not move"
    if not flow.service:
        return f"{flow.stage} has workers and finished nothing in the last minute: ask their /readyz"
    return f"{flow.stage} is the bottleneck: what waits there clears in {span(flow.waiting / flow.service)}"


def _lag_s(flow: StageFlow) -> float:
    return max((lane.freshness_lag_s for lane in flow.lanes.values()), default=0.0)


def _bar(flow: StageFlow, longest: float, worst: str | None) -> StageBar:
    lag_s, unit = _lag_s(flow), flow.unit.name.replace("_", " ")
    clears = "nothing waits" if not flow.waiting else "does not move"
    return StageBar(
        stage=flow.stage,
        lag=span(lag_s),
        share=round(lag_s / longest * 100, 2) if longest else 0.0,
        waiting=f"{flow.waiting:.0f} {unit}",
        rate=f"{flow.service:.1f} {unit} a second",
        clears=f"in {span(flow.waiting / flow.service)}" if flow.waiting and flow.service else clears,
        workers=flow.replicas,
        worst=flow.stage == worst,
    )
