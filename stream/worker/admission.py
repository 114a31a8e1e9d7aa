"""The queue of a stage that admits. Each record waits on behalf of its tenant until that tenant has credit."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, runtime_checkable

from stream.broker.contract import Broker, Follower, Record
from stream.clock import Clock
from stream.errors import BadEvent, Unavailable
from stream.events.base import Event
from stream.events.progress import progress_of
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.codec import EventDecoder
from stream.topology.lanes import Lane, lane_asked
from stream.topology.stage import Stage
from stream.topology.topics import Topic
from stream.worker.context import StageContext
from stream.worker.dead_letters import identity
from stream.worker.fair_queue import Claim, Credits, FairQueue, Place
from stream.worker.in_turn import InTurn
from stream.worker.outstanding import Outstanding, PartName
from stream.worker.queues import BatchQueue, Queue
from stream.worker.urgent_first import UrgentFirst
from stream.worker.work import Work

# `due_s` makes the worker come back after this time, so it bounds how late returned credit is used.
REFRESH_S = 0.05
HISTORY_RECORDS = 2_000
"""Of each partition of `progress`. Most plans from before a restart whose work goes on are among these records."""

HISTORY_WAIT_S = 10.0  # after this time a start goes on with what it has: missed history costs credit, never work
MAX_POLL_RECORDS = 2_000

CHECK_S = 1.0
BLOCKED_CHECK_S = 10.0
"""The least time between two checks for lost cells: for content that is published again, and while no tenant has
credit (ADR 0035)."""
RECEIVE_S, RECEIVE_AT_MOST_S = 0.2, 2.0


@runtime_checkable
class Planning(Protocol):
    """An operator that asks which of the cells that it planned are still outstanding."""

    def ask(self, coming: Callable[[Collection[PartName]], set[PartName]]) -> None:
        """Called once, before the first record is processed. `coming` is `Admission.coming`."""


def queue_of(context: StageContext) -> Queue:
    """The queue that holds the stage's records until their first attempt. Raises `ValueError`."""
    stage, operator = context.stage, context.operator
    if stage.in_turn:
        return InTurn(stage.batch)
    if stage.admission is None:
        return UrgentFirst(stage.batch, stage.urgent_sources) if stage.urgent_sources else BatchQueue(stage.batch)
    admission = Admission(stage, stage.admission, context.topics, context.decoder, context.clock)
    if isinstance(operator, Planning):
        operator.ask(admission.coming)
    return admission


class Admission:
    """Gives one record at a time (ADR 0021). Once it is open, it follows `progress`, which gives credit back.

    A plan is charged as the operator yields it (`charging`). The same plan is applied again when it is read back from
    `progress`; this changes nothing.
    """

    # A suspect record (`Record.deaths`) waits here too: fairness holds for it, and `_claim` does not decode it.
    takes_suspects = True

    def __init__(
        self,
        stage: Stage,
        policy: AdmissionPolicy,
        topics: Mapping[str, Topic],
        decoder: EventDecoder,
        clock: Clock,
    ) -> None:
        """Raises `ValueError` for a stage that admits but reports no progress: no credit would ever be used."""
        self._policy = policy
        progress = next((target for target in stage.targets if topics[target].carries_progress), None)
        if progress is None:
            raise ValueError(f"stage {stage.name!r} admits, but none of its targets carries progress")
        self._decoder = decoder
        self._clock = clock
        self._scale = stage.unit.scale
        self._queue: FairQueue[tuple[Work, int]] = FairQueue(quantum=policy.quantum, batch_share=policy.batch_share)
        self.credits = Credits(policy, stage.name, stage.unit)
        self.outstanding = Outstanding(stage.name, policy.way)
        self._broker: Broker | None = None
        self._checked_s = clock.monotonic_s()
        self._progress = progress
        self._progress_decoder = EventDecoder([topics[progress]])
        self._follower: Follower | None = None
        self._refreshed_s = float("-inf")
        self._claims: dict[int, Claim] = {}  # of the record taken last, by the identity of its `Work`
        self.bytes = 0
        self.max_bytes = policy.read_ahead_bytes
        self.capacity = self.in_hand = policy.read_ahead_records

    def open(self, broker: Broker) -> None:
        """Begin to follow the progress of planned cells. Raises `Unavailable`."""
        if self._follower is not None:
            return
        self._broker = broker
        # What other processes planned holds credit too, so recent history comes before the first record is admitted.
        follower = self._follower = broker.follow(self._progress, HISTORY_RECORDS)
        deadline_s = self._clock.monotonic_s() + HISTORY_WAIT_S
        while follower.behind and (now_s := self._clock.monotonic_s()) < deadline_s:
            self._receive(follower.poll(MAX_POLL_RECORDS, 0.1), now_s)

    def close(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.close()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, item: Work, *, size: int, now_s: float) -> None:  # noqa: ARG002 - turns decide the order, not time
        self._add(item, size)

    def put_back(self, items: Sequence[tuple[Work, int]]) -> None:
        for item, size in reversed(items):
            self._add(item, size, place="next")

    def due_s(self) -> float | None:
        """While records wait for credit: the time of the next look at `progress`."""
        if not len(self._queue):
            return None
        return float("-inf") if self._queue.may_any(self._may) else self._refreshed_s + REFRESH_S

    def ready(self, now_s: float) -> bool:
        self._refresh(now_s)
        return self._queue.may_any(self._may)

    def take(self, now_s: float) -> list[Work]:
        self._refresh(now_s)
        taken = self._queue.take(self._may)
        if taken is None:
            return []
        claim, (work, size) = taken
        self.bytes -= size
        self._claims = {id(work): claim}
        # The inspection of an asset costs credit even where it plans nothing.
        self._queue.charge(claim, self._policy.record_cost)
        return [work]

    def low(self) -> bool:
        """Whether anything more fits. It reads as far ahead as it can, as tenants overtake each other only in here."""
        return len(self) < self.capacity and self.bytes < self.max_bytes

    def quick(self) -> None: ...

    def newcomer(self) -> bool:
        return False

    def hold_back(self, held: bool) -> bool:  # noqa: ARG002 - credit says what waits
        return False

    def charging(self, work: Work, outputs: Iterable[Event]) -> Iterator[Event]:
        """The unchanged outputs. Each plan among them is charged to the tenant of `work`."""
        claim = self._claims.get(id(work))
        for output in outputs:
            if (report := progress_of(output.data)) is not None:
                # The plan counts before it is sent, else the next `take` would still see the credit that it uses up.
                self.credits.apply(output.data, self._clock.monotonic_s())
                self.outstanding.apply(output.data, self._clock.now_ms())
                if claim is not None:
                    self._queue.charge(claim, self.credits.cost(report) / self._scale)
            yield output

    def coming(self, cells: Collection[PartName]) -> set[PartName]:
        """Those of the planned cells that are still outstanding. All of them where the policy names no later stages.
        Raises `Unavailable`.
        """
        if not self._policy.way:
            return set(cells)
        if any(name in self.outstanding for name in cells):
            self._check_lost(CHECK_S)
        return {name for name in cells if name in self.outstanding}

    def drop(self, gone: Callable[[Record], bool]) -> int:
        """Forget the records that belong to another member by now. Returns how many."""
        dropped = self._queue.drop(lambda item: gone(item[0].record))
        self.bytes -= sum(size for _, size in dropped)
        return len(dropped)

    def _add(self, work: Work, size: int, *, place: Place = "last") -> None:
        claim = self._claim(work)
        self._queue.add((work, size), claim, place=place)
        self.bytes += size

    def _claim(self, work: Work) -> Claim:
        """A record that may have killed its reader is not decoded here. A decoded event takes 2 KB, so it is kept."""
        record, event = work.record, work.event
        if event is None and record.deaths is None:
            with suppress(Exception):  # the worker decodes it again and reports the error when its turn comes
                event = work.event = self._decoder.decode(record)
        who = identity(record, event)
        lane = None if event is None else lane_asked(event.data)
        return Claim(who.tenant, lane or "interactive", who.asset_id)

    def _may(self, tenant: str, lane: Lane) -> bool:
        return self.credits.may(tenant, lane, contended=self._queue.waits("interactive"))

    def _refresh(self, now_s: float) -> None:
        if self._follower is None or now_s - self._refreshed_s < REFRESH_S:
            return
        self._refreshed_s = now_s
        self._receive_all(0.0)
        self.credits.expire(now_s)
        if len(self._queue) and not self._queue.may_any(self._may):
            with suppress(Unavailable):  # the worker meets the same outage in its own calls, and pauses
                self._check_lost(BLOCKED_CHECK_S)

    def _check_lost(self, interval_s: float) -> None:
        """Find out which cells are lost, unless the last check is less than `interval_s` ago. Raises `Unavailable`."""
        now_s = self._clock.monotonic_s()
        if self._broker is None or now_s - self._checked_s < interval_s:
            return
        # Read `progress` before and after the question: a stage reports before it acknowledges, so a cell that moved in
        # between must not count as lost (ADR 0035).
        self._receive_all(RECEIVE_S)
        self.outstanding.begin_check()
        left = {hop.stage: self._broker.backlog(hop.topic, hop.stage).oldest_append_time_ms for hop in self._policy.way}
        self._receive_all(RECEIVE_S)
        self.credits.lost(self.outstanding.end_check(left, self._clock.now_ms()))
        self._checked_s = self._clock.monotonic_s()

    def _receive_all(self, wait_s: float) -> None:
        """Apply everything that `progress` holds by now. `wait_s`: how long the broker may take to send what it has."""
        begun_ms, until_s = self._clock.now_ms(), self._clock.monotonic_s() + RECEIVE_AT_MOST_S
        while self._follower is not None and (records := self._follower.poll(MAX_POLL_RECORDS, wait_s)):
            now_s = self._clock.monotonic_s()
            self._receive(records, now_s)
            # Other assets report all the time, so "until nothing more comes" would never end on a busy topic.
            if wait_s and (records[-1].append_time_ms > begun_ms or now_s > until_s):
                return

    def _receive(self, records: Iterable[Record], now_s: float) -> None:
        for record in records:
            with suppress(BadEvent):  # no progress event of ours
                payload = self._progress_decoder.decode(record).data
                self.credits.apply(payload, now_s)
                self.outstanding.apply(payload, self._clock.now_ms(), record.append_time_ms)
