"""Round after round: look where groups stand, read the small topics to their ends, fold, and decide."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stream.broker.contract import Record
from stream.broker.observation import ClusterWatch, Key
from stream.clock import Clock
from stream.errors import BadEvent
from stream.events.asset import AssetPublished, SegmentProgressed
from stream.events.ids import AssetVersion
from stream.freshness.autoscaler import ScalingPolicy, desired_replicas
from stream.freshness.estimates import Estimates
from stream.freshness.freshness import Freshness, UnacknowledgedAsset
from stream.freshness.snapshot import Snapshot, links, unlinked
from stream.topology.codec import EventDecoder
from stream.topology.lanes import lane_of
from stream.topology.topics import ASSETS, DEAD_LETTERS, PROGRESS
from stream.topology.topology import Topology


@dataclass(frozen=True, slots=True)
class Observation:
    """One round's result. `took_s`: how long it took."""

    snapshot: Snapshot
    desired: Mapping[str, int]
    took_s: float


class Observer:
    """Knows how fresh a topology is by reading `assets` and `progress`; never frames or annotations.

    `remembers`: commit where to begin after a restart, as the exporter does.
    """

    def __init__(
        self,
        watch: ClusterWatch,
        topology: Topology,
        clock: Clock,
        policy: ScalingPolicy,
        *,
        remembers: bool = False,
    ) -> None:
        self._watch = watch
        self._clock = clock
        self._policy = policy
        self._remembers = remembers
        self._decoder = EventDecoder([ASSETS, PROGRESS])
        self._topology = topology
        self._topic_ids: Mapping[str, str] = {}
        self._turn = 0
        self._begin()

    def step(self) -> Observation:
        """One round. Raises `Unavailable` while the cluster does not answer; what was read stays folded, unless a topic
        was made again meanwhile: then places and records mean something else.
        """
        started_s = self._clock.monotonic_s()
        look = self._watch.look([ASSETS.name, PROGRESS.name, DEAD_LETTERS.name])
        if any(look.topic_ids.get(topic, known) != known for topic, known in self._topic_ids.items()):
            self._watch.restart()
            self._begin()
        self._topic_ids = look.topic_ids
        self._turn += 1
        small = {key: end for key, end in look.ends.items() if key[0] in (ASSETS.name, PROGRESS.name)}
        for records in self._watch.read(small):
            for record in records:
                self._take(record)
        now_ms = self._clock.now_ms()
        for fold in (self._fold, self._unreported):
            fold.look(look.places, look.members, turn=self._turn, now_ms=now_ms)
        if self._remembers:
            self._remember(look.ends)
        letters = sum(end for (topic, _), end in look.ends.items() if topic == DEAD_LETTERS.name)
        snapshot = replace(
            self._fold.snapshot(now_ms, dead_letters=letters, others=self._unreported.flows(now_ms)),
            undecided={topic: count for topic, count in look.undecided.items() if count},
        )
        return Observation(snapshot, desired_replicas(snapshot, self._policy), self._clock.monotonic_s() - started_s)

    def _begin(self) -> None:
        self._fold = Freshness(links(self._topology))
        self._unreported = Estimates(unlinked(self._topology))
        self._kept: dict[int, int] = {}

    def _take(self, record: Record) -> None:
        try:
            event = self._decoder.decode(record)
        except BadEvent:
            event = None
        if record.topic == ASSETS.name:
            # Whatever it is, plan has to acknowledge it.
            data = event.data if event is not None else None
            who = (event.tenant, event.subject) if event is not None else ("", f"{record.partition}")
            footage = isinstance(data, AssetPublished)
            lane = lane_of(data.priority if isinstance(data, AssetPublished) else "interactive")
            version = AssetVersion(record.append_time_ms, record.offset)
            self._fold.published((*who, version), UnacknowledgedAsset(record.partition, record.offset, lane, footage))
        elif event is not None and isinstance(event.data, SegmentProgressed):
            self._fold.progressed(
                event.data, at_ms=record.append_time_ms, place=(record.partition, record.offset), turn=self._turn
            )

    def _remember(self, ends: Mapping[Key, int]) -> None:
        places = {
            partition: self._fold.resume_at(partition, end)
            for (topic, partition), end in ends.items()
            if topic == PROGRESS.name
        }
        if places != self._kept:
            self._watch.remember(PROGRESS.name, places)
            self._kept = places
