"""One round after the other: read the offsets of groups, read the small topics to their ends, fold, and decide."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from stream.broker.contract import Record
from stream.broker.observation import ClusterWatch, Key
from stream.clock import Clock
from stream.errors import BadEvent
from stream.events.ids import AssetVersion
from stream.events.progress import SubjectKey, progress_of
from stream.freshness.autoscaler import ScalingPolicy, desired_replicas
from stream.freshness.estimates import Estimates
from stream.freshness.freshness import Freshness, Unacknowledged
from stream.freshness.snapshot import Snapshot, links, unlinked
from stream.topology.codec import EventDecoder
from stream.topology.lanes import lane_asked
from stream.topology.topics import DEAD_LETTERS
from stream.topology.topology import Topology


@dataclass(frozen=True, slots=True)
class WaitingForGate:
    """`records` by topic that no gate has passed on, the oldest of them for `oldest_s`. `workers`: gates that run."""

    stage: str
    records: Mapping[str, int]
    oldest_s: float
    workers: int


@dataclass(frozen=True, slots=True)
class Observation:
    """The result of one round. `took_s`: its duration. `gate`: None where no tenant has a topic of its own."""

    snapshot: Snapshot
    desired: Mapping[str, int]
    took_s: float
    gate: WaitingForGate | None = None


def _no_gate() -> None:
    return None


class Observer:
    """Knows how fresh a topology is from the topic that its first stage reads and the progress that its stages report;
    it never reads their outputs. Raises `ValueError` for a topology whose stages report nothing.

    `remembers`: commit where to begin after a restart, as the exporter does. `gate`: what waits before the entry topic.
    """

    def __init__(
        self,
        watch: ClusterWatch,
        topology: Topology,
        clock: Clock,
        policy: ScalingPolicy,
        *,
        remembers: bool = False,
        gate: Callable[[], WaitingForGate | None] = _no_gate,
    ) -> None:
        self._watch = watch
        self._gate = gate
        self._clock = clock
        self._policy = policy
        self._remembers = remembers
        planner, progress = topology.planner, topology.progress
        if planner is None or progress is None:
            raise ValueError("no stage of the topology reads an entry topic and reports progress")
        self._entry, self._progress = planner.sources[0], progress.name
        self._decoder = EventDecoder([topology.topic(self._entry), progress])
        self._topology = topology
        self._topic_ids: Mapping[str, str] = {}
        self._turn = 0
        self._begin()

    def step(self) -> Observation:
        """One round. Raises `Unavailable` while the cluster does not answer. The records read so far stay folded,
        unless a topic was created again meanwhile: then offsets and records mean something else.
        """
        started_s = self._clock.monotonic_s()
        gate = self._gate()
        # The offsets first: every report that they rest on is then read below.
        view = self._watch.observe([self._entry, self._progress, DEAD_LETTERS.name])
        # A topic that was created again counts from 0: old offsets would hide its records (ADR 0033).
        if any(view.topic_ids.get(topic, known) != known for topic, known in self._topic_ids.items()):
            self._watch.restart()
            self._begin()
        self._topic_ids = view.topic_ids
        self._turn += 1
        small = {key: end for key, end in view.ends.items() if key[0] in (self._entry, self._progress)}
        for records in self._watch.read(small):
            for record in records:
                self._take(record)
        now_ms = self._clock.now_ms()
        for fold in (self._fold, self._unreported):
            fold.observe(view.places, view.members, turn=self._turn, now_ms=now_ms)
        if self._remembers:
            # After the fold, so that the saved place never lies behind an open subject.
            self._remember(view.ends)
        dead_letters = sum(end for (topic, _), end in view.ends.items() if topic == DEAD_LETTERS.name)
        snapshot = replace(
            self._fold.snapshot(now_ms, dead_letters=dead_letters, others=self._unreported.flows(now_ms)),
            undecided={topic: count for topic, count in view.undecided.items() if count},
            subject=self._topology.subject,
        )
        desired = desired_replicas(snapshot, self._policy)
        return Observation(snapshot, desired, self._clock.monotonic_s() - started_s, gate)

    def _begin(self) -> None:
        self._fold = Freshness(links(self._topology))
        self._unreported = Estimates(unlinked(self._topology))
        self._kept: dict[int, int] = {}

    def _take(self, record: Record) -> None:
        try:
            event = self._decoder.decode(record)
        except BadEvent:
            event = None
        if record.topic == self._entry:
            # Even an invalid event counts: the first stage has to acknowledge it.
            who = (event.tenant, event.subject) if event is not None else ("", f"{record.partition}")
            lane = lane_asked(event.data) if event is not None else None
            key = SubjectKey(self._topology.subject, *who, AssetVersion(record.append_time_ms, record.offset))
            # Without an event the lane is unknown. Somebody may be waiting for it.
            waits = Unacknowledged(
                record.partition,
                record.offset,
                lane or "interactive",
                work=lane is not None,
                published_ms=event.first_append_ms if event is not None else 0,
            )
            self._fold.published(key, waits)
        elif event is not None and (report := progress_of(event.data)) is not None:
            self._fold.progressed(
                report, at_ms=record.append_time_ms, place=(record.partition, record.offset), turn=self._turn
            )

    def _remember(self, ends: Mapping[Key, int]) -> None:
        places = {
            partition: self._fold.resume_at(partition, end)
            for (topic, partition), end in ends.items()
            if topic == self._progress
        }
        # Nothing changed, so no commit: an idle cluster stays idle.
        if places != self._kept:
            self._watch.remember(self._progress, places)
            self._kept = places
