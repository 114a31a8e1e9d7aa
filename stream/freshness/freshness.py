"""Freshness and backlog as a fold over small records: published assets, `progress`, and the groups' offsets. Pure.

The clock of an asset starts when the broker appended its event, whatever the producer's clock says (ADR 0019).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stream.broker.observation import GroupOffset
from stream.events.asset import Outcome, SegmentProgressed
from stream.events.grid import MAX_SEGMENTS, SEGMENT_NS
from stream.events.ids import AssetVersion
from stream.freshness.group_offsets import GroupOffsets
from stream.freshness.rates import BusyRate, RateMeter
from stream.freshness.snapshot import LANES, LaneFlow, Link, Snapshot, StageFlow
from stream.topology.lanes import Lane, lane_of

RATE_WINDOW_S = 60.0
ARRIVAL_WINDOW_S = 120.0
PRIOR_ASSET_NS = 60 * 1_000_000_000
"""Length of an unplanned asset while none has been planned."""

VersionKey = tuple[str, str, AssetVersion]


@dataclass(slots=True)
class _Cells:
    """One stage over one asset version: bit k is segment k. `turn`: the round of the last report that settled one."""

    done: int = 0
    failed: int = 0
    turn: int = 0

    @property
    def settled(self) -> int:
        return self.done | self.failed


@dataclass(slots=True)
class _Asset:
    """An asset version with work left. `first` is where its oldest report lies in `progress`."""

    lane: Lane
    clock_ms: int
    first: tuple[int, int]
    segment_count: int = 0
    last_ns: int = SEGMENT_NS
    gone: int = 0
    stages: dict[str, _Cells] = field(default_factory=dict)

    def cells(self, stage: str | None) -> _Cells:
        return self.stages.get(stage or "", _NOTHING)

    def video_ns(self, bits: int) -> int:
        last = bits >> (self.segment_count - 1) & 1 if self.segment_count else 0
        return bits.bit_count() * SEGMENT_NS - (SEGMENT_NS - self.last_ns if last else 0)

    def waiting(self, link: Link) -> int:
        """Cells that reached the stage and did not leave it."""
        before = self.cells(link.upstream)
        arrived = before.settled if link.failures_arrive else before.done
        return arrived & ~(self.cells(link.stage).settled | self.gone)

    def backlog(self, link: Link, entry: str) -> int:
        """Cells that were planned and neither left the stage nor failed on the way to it."""
        lost = self.gone
        for cells in self.stages.values():
            lost |= cells.failed
        return self.cells(entry).done & ~(self.cells(link.stage).settled | lost)


_NOTHING = _Cells()


@dataclass(frozen=True, slots=True)
class UnacknowledgedAsset:
    """A record that the entry stage has not acknowledged. `footage`: an asset to come, no deletion and no bad event."""

    partition: int
    offset: int
    lane: Lane
    footage: bool = True


class Freshness:
    """The fold's state, and its snapshot. Assets without work left are forgotten, so memory follows what is open."""

    def __init__(self, links: Sequence[Link], *, stuck_after_s: float = 300.0) -> None:
        self._links = links
        self._entry = next(link for link in links if link.upstream is None)
        self._assets: dict[VersionKey, _Asset] = {}
        self._published: dict[VersionKey, UnacknowledgedAsset] = {}
        self._places = GroupOffsets(stuck_after_s)
        self._replicas: dict[str, int] = {}
        self._arrived = {(link.stage, lane): RateMeter(ARRIVAL_WINDOW_S) for link in links for lane in LANES}
        self._served = {link.stage: RateMeter(RATE_WINDOW_S) for link in links}
        self._served_ns = dict.fromkeys((link.stage for link in links), 0)
        self._busy = {link.stage: BusyRate() for link in links}
        self._worked_ms: dict[str, int] = {}
        self._planned_ns, self._planned_assets = 0, 0

    def published(self, key: VersionKey, record: UnacknowledgedAsset) -> None:
        """An asset's event was appended."""
        self._published[key] = record
        self._arrived[self._entry.stage, record.lane].add(key[2].append_ms, self._mean_asset_ns())

    def progressed(self, event: SegmentProgressed, *, at_ms: int, place: tuple[int, int], turn: int) -> None:
        """A stage reported a cell; `at_ms` and `place` (partition, offset) are the report's own, `turn` the round."""
        if not 0 <= event.segment < event.segment_count <= MAX_SEGMENTS:
            return
        ref = event.asset
        key = (ref.tenant, ref.asset_id, ref.version)
        self._published.pop(key, None)
        asset = self._assets.setdefault(key, _Asset("batch", at_ms, place))
        if event.stage == self._entry.stage:
            self._planned(asset, event)
        asset.segment_count = max(asset.segment_count, event.segment_count)
        if event.outcome is Outcome.DONE and event.segment == event.segment_count - 1:
            asset.last_ns = event.video_ns
        self._settle(asset, event, at_ms, turn)
        if not self._open(asset):
            del self._assets[key]

    def look(self, places: Iterable[GroupOffset], members: Mapping[str, int], *, turn: int, now_ms: int) -> None:
        """End a round: every report is folded that was in `progress` when the groups had just been asked."""
        self._places.look(places, members, turn=turn, now_ms=now_ms)
        self._replicas = {link.stage: -(-members.get(link.stage, 0) // link.concurrency) for link in self._links}
        self._forget_acked()
        self._forget_gone()
        for link in self._links:
            served_ns, self._served_ns[link.stage] = self._served_ns[link.stage], 0
            waiting = any(asset.waiting(link) for asset in self._assets.values()) or (
                link is self._entry and bool(self._published)
            )
            if waiting or served_ns:
                self._worked_ms[link.stage] = now_ms
            elif self._replicas[link.stage]:  # seen for the first time: when it last had work is not known
                self._worked_ms.setdefault(link.stage, now_ms)
            self._busy[link.stage].look(
                now_ms=now_ms,
                replicas=self._replicas[link.stage],
                busy_partitions=self._places.standing(link.stage).busy_partitions,
                served_ns=served_ns,
            )

    def resume_at(self, partition: int, read: int) -> int:
        """Where in `progress` one must begin to know again what is open now, of what was read up to `read`."""
        firsts = (asset.first[1] for asset in self._assets.values() if asset.first[0] == partition)
        return min(firsts, default=read)

    def snapshot(self, now_ms: int, *, dead_letters: int = 0, others: tuple[StageFlow, ...] = ()) -> Snapshot:
        return Snapshot(
            at_ms=now_ms,
            stages=tuple(self._flow(link, now_ms) for link in self._links),
            others=others,
            offset_lag={stage: self._places.standing(stage).offset_lag for stage in self._places.stages},
            open_assets=len(self._assets) + len(self._published),
            dead_letters=dead_letters,
        )

    def _planned(self, asset: _Asset, event: SegmentProgressed) -> None:
        """A plan gives an asset its lane and clock. What else speaks of an asset that is not open is work done again (a
        replay, a redelivery): nobody has waited for it since the day it was published.
        """
        if not asset.cells(self._entry.stage).done:
            self._planned_assets += 1
            asset.lane = lane_of(event.priority or "interactive")
            asset.clock_ms = event.asset.version.append_ms

    def _settle(self, asset: _Asset, event: SegmentProgressed, at_ms: int, turn: int) -> None:
        cells = asset.stages.setdefault(event.stage, _Cells())
        bit = 1 << event.segment
        fresh, newly_done = not cells.settled & bit, not cells.done & bit and event.outcome is Outcome.DONE
        if event.outcome is Outcome.DONE:
            cells.done |= bit
            cells.failed &= ~bit
        else:
            cells.failed |= bit & ~cells.done
        cells.turn = turn
        video_ns = asset.video_ns(bit)
        if event.stage in self._served and fresh:
            self._served[event.stage].add(at_ms, video_ns)
            self._served_ns[event.stage] += video_ns
            self._planned_ns += video_ns if event.stage == self._entry.stage else 0
        for link in self._links:
            if link.upstream == event.stage and (fresh if link.failures_arrive else newly_done):
                self._arrived[link.stage, asset.lane].add(at_ms, video_ns)

    def _open(self, asset: _Asset) -> bool:
        return any(
            asset.waiting(link) or asset.backlog(link, self._entry.stage)
            for link in self._links
            if link is not self._entry
        )

    def _forget_acked(self) -> None:
        """Events that plan acknowledged, whatever became of them."""
        places = self._places.of(self._entry.stage, self._entry.sources[0])
        acked = [
            key
            for key, record in self._published.items()
            if (place := places.get(record.partition)) is not None and place.has_acked(record.offset)
        ]
        for key in acked:
            del self._published[key]

    def _forget_gone(self) -> None:
        """Cells that a stage acknowledged without a word (a dropped asset): everything in its topics two rounds after
        they arrived is acknowledged, and its reports are read.
        """
        done = {link.stage: self._places.acked_round(link.stage) for link in self._links}
        for key, asset in list(self._assets.items()):
            for link in self._links:
                if link.upstream and asset.cells(link.upstream).turn + 2 <= done[link.stage]:
                    asset.gone |= asset.waiting(link)
            if not self._open(asset):
                del self._assets[key]

    def _mean_asset_ns(self) -> int:
        return self._planned_ns // self._planned_assets if self._planned_assets else PRIOR_ASSET_NS

    def _flow(self, link: Link, now_ms: int) -> StageFlow:
        standing = self._places.standing(link.stage)
        waits = self._unplanned() if link is self._entry else self._waiting(link)
        waiting_s = sum(video_ns for video_ns, _ in waits.values()) / 1e9
        backlog_ns = sum(asset.video_ns(asset.backlog(link, self._entry.stage)) for asset in self._assets.values())
        lanes = {
            lane: LaneFlow(
                freshness_lag_s=max(0, now_ms - oldest_ms) / 1000 if oldest_ms is not None else 0.0,
                waiting_video_s=video_ns / 1e9,
                arrival=self._arrived[link.stage, lane].rate(now_ms, ARRIVAL_WINDOW_S),
            )
            for lane, (video_ns, oldest_ms) in waits.items()
        }
        return StageFlow(
            stage=link.stage,
            upstream=link.upstream,
            lanes=lanes,
            backlog_video_s=waiting_s if link is self._entry else backlog_ns / 1e9,
            service=self._served[link.stage].rate(now_ms, RATE_WINDOW_S),
            service_per_replica=self._busy[link.stage].rate.per_replica,
            offset_lag=standing.offset_lag,
            partitions=max(1, standing.partitions),
            stuck_partitions=standing.stuck_partitions,
            stuck_share=standing.stuck_share,
            idle_s=(now_ms - self._worked_ms[link.stage]) / 1000 if link.stage in self._worked_ms else math.inf,
            replicas=self._replicas.get(link.stage, 0),
            concurrency=link.concurrency,
            max_replicas=link.max_replicas,
        )

    def _waiting(self, link: Link) -> dict[Lane, tuple[int, int | None]]:
        """Lane to video time that waits and the oldest clock among it."""
        found: dict[Lane, tuple[int, int | None]] = dict.fromkeys(LANES, (0, None))
        for asset in self._assets.values():
            if bits := asset.waiting(link):
                video_ns, oldest_ms = found[asset.lane]
                found[asset.lane] = (video_ns + asset.video_ns(bits), _older(oldest_ms, asset.clock_ms))
        return found

    def _unplanned(self) -> dict[Lane, tuple[int, int | None]]:
        """The same for the entry stage: its assets count with the mean length of those planned so far."""
        found: dict[Lane, tuple[int, int | None]] = dict.fromkeys(LANES, (0, None))
        mean_ns = self._mean_asset_ns()
        for (_, _, version), record in self._published.items():
            video_ns, oldest_ms = found[record.lane]
            found[record.lane] = (video_ns + record.footage * mean_ns, _older(oldest_ms, version.append_ms))
        return found


def _older(known_ms: int | None, clock_ms: int) -> int:
    return clock_ms if known_ms is None else min(known_ms, clock_ms)
