"""Replicas that take time to start, partitions, queues and kills, in steps of some seconds."""

import random
from collections import deque
from dataclasses import dataclass, field

from benchmarks.autoscale.trace import CELL_S, SPAN_S, Facts, Name, StageFacts, Trace

STEP_S = 5.0


@dataclass(slots=True)
class Piece:
    """A record: a span for decode, a cell for understand."""

    asset: int
    video_s: float
    left_s: float
    batch: bool


@dataclass(slots=True)
class Queue:
    """One stage: two queues a partition (interactive goes first, as admission arranges it) and its replicas."""

    facts: StageFacts
    interactive: list[deque[Piece]] = field(default_factory=list)
    batch: list[deque[Piece]] = field(default_factory=list)
    ready_at_s: list[float] = field(default_factory=list)
    replica_s: float = 0.0
    starts: int = 0
    acked: list[int] = field(default_factory=list)
    arrived_s: float = 0.0
    served_s: float = 0.0
    factor: float = 1.0

    def __post_init__(self) -> None:
        count = self.facts.partitions
        self.interactive = [deque() for _ in range(count)]
        self.batch = [deque() for _ in range(count)]
        self.acked = [0] * count

    def ready(self, now_s: float) -> int:
        return sum(at_s <= now_s for at_s in self.ready_at_s)

    def records(self, partition: int) -> int:
        return len(self.interactive[partition]) + len(self.batch[partition])

    def waiting_s(self, *, batch: bool) -> float:
        return sum(piece.left_s for queue in (self.batch if batch else self.interactive) for piece in queue)

    def put(self, partition: int, piece: Piece) -> None:
        (self.batch if piece.batch else self.interactive)[partition].append(piece)

    def resize(self, count: int, now_s: float) -> None:
        """New replicas work after their start; the youngest go first."""
        count = min(count, self.facts.max_replicas)
        while len(self.ready_at_s) < count:
            self.ready_at_s.append(now_s + self.facts.start_s)
            self.starts += 1
        del self.ready_at_s[count:]

    def kill(self, chance: random.Random, now_s: float) -> None:
        """A replica dies; its successor, which the orchestrator starts at once, has to start."""
        if self.ready_at_s:
            self.ready_at_s.pop(chance.randrange(len(self.ready_at_s)))
            self.ready_at_s.append(now_s + self.facts.start_s)
            self.starts += 1

    def work(self, now_s: float, stuck: int | None) -> list[tuple[int, Piece]]:
        """One step: each ready replica over its partitions, oldest first. What was finished, with its partition."""
        self.replica_s += len(self.ready_at_s) * STEP_S
        members = self.ready(now_s)
        done: list[tuple[int, Piece]] = []
        for member in range(min(members, self.facts.partitions)):
            budget_s = self.facts.rate * self.factor * STEP_S
            mine = [at for at in range(member, self.facts.partitions, members) if at != stuck]
            for queues in (self.interactive, self.batch):
                while budget_s > 1e-9:
                    waiting = [at for at in mine if queues[at]]
                    if not waiting:
                        break
                    partition = min(waiting, key=lambda at: queues[at][0].asset)
                    budget_s = self._take(queues[partition], partition, budget_s, done)
        return done

    def _take(self, queue: deque[Piece], partition: int, budget_s: float, done: list[tuple[int, Piece]]) -> float:
        piece = queue[0]
        used_s = min(budget_s, piece.left_s)
        piece.left_s -= used_s
        self.served_s += used_s
        if piece.left_s <= 1e-9:
            queue.popleft()
            self.acked[partition] += 1
            done.append((partition, piece))
        return budget_s - used_s


class World:
    """One run of a trace. `late` and `unfresh_s` count the interactive footage that a rule can do something about:
    what lies in the stuck partition is left out.
    """

    def __init__(self, trace: Trace, facts: Facts, seed: int = 0) -> None:
        self.trace, self.facts = trace, facts
        self.stages: dict[Name, Queue] = {"decode": Queue(facts.decode), "understand": Queue(facts.understand)}
        self.now_s = 0.0
        self.held: deque[Piece] = deque()  # batch footage that plan has not admitted
        self.open: dict[int, float] = {}  # interactive asset to video-seconds left
        self.stranded: set[int] = set()
        self.late = self.assets = 0
        self.unfresh_s = 0.0
        self.outstanding_batch_s = 0.0
        self._next_clip = self._next_kill = 0
        self._chance = random.Random(seed)

    @property
    def over(self) -> bool:
        """Everything was published and is done."""
        left = any(queue.records(at) for queue in self.stages.values() for at in range(queue.facts.partitions))
        return self.now_s >= self.trace.length_s and not (left or self.held)

    def oldest_s(self) -> float:
        """Age of the oldest interactive asset that is open and not stranded."""
        first = next((asset for asset in self.open if asset not in self.stranded), None)
        return 0.0 if first is None else self.now_s - self.trace.clips[first].at_s

    def step(self) -> None:
        self._publish()
        self._admit()
        self._kill()
        begin_s, end_s = self.trace.slow_s
        understand = self.stages["understand"]
        understand.factor = self.trace.slow if begin_s <= self.now_s < end_s else 1.0
        for _, piece in understand.work(self.now_s, None):
            self._finish(piece)
        unread_s = understand.waiting_s(batch=False) + understand.waiting_s(batch=True)
        decode = self.stages["decode"]
        if unread_s < self.facts.unread_video_s:
            for _, span in decode.work(self.now_s, self._stuck()):
                self._cut(span)
        else:
            decode.replica_s += len(decode.ready_at_s) * STEP_S
        self.now_s += STEP_S
        if self.oldest_s() > self.facts.objective_s:
            self.unfresh_s += STEP_S

    def _stuck(self) -> int | None:
        begin_s, end_s = self.trace.stuck_s
        return self.trace.stuck_partition if begin_s <= self.now_s < end_s else None

    def _publish(self) -> None:
        clips = self.trace.clips
        while self._next_clip < len(clips) and clips[self._next_clip].at_s <= self.now_s:
            asset, clip = self._next_clip, clips[self._next_clip]
            self._next_clip += 1
            left_s = clip.video_s
            if not clip.batch:
                self.open[asset] = left_s
                self.assets += 1
            while left_s > 1e-9:
                span_s = min(SPAN_S, left_s)
                left_s -= span_s
                piece = Piece(asset, span_s, span_s, clip.batch)
                if clip.batch:
                    self.held.append(piece)
                else:
                    self._put_span(piece)

    def _admit(self) -> None:
        while self.held and self.outstanding_batch_s < self.facts.credit_video_s:
            piece = self.held.popleft()
            self.outstanding_batch_s += piece.video_s
            self._put_span(piece)

    def _put_span(self, piece: Piece) -> None:
        decode = self.stages["decode"]
        partition = self._chance.randrange(decode.facts.partitions)
        if partition == self._stuck():
            self.stranded.add(piece.asset)
        decode.put(partition, piece)
        decode.arrived_s += 0.0 if piece.batch else piece.video_s

    def _cut(self, span: Piece) -> None:
        understand = self.stages["understand"]
        left_s = span.video_s
        understand.arrived_s += 0.0 if span.batch else span.video_s
        while left_s > 1e-9:
            cell_s = min(CELL_S, left_s)
            left_s -= cell_s
            partition = self._chance.randrange(understand.facts.partitions)
            understand.put(partition, Piece(span.asset, cell_s, cell_s, span.batch))

    def _finish(self, cell: Piece) -> None:
        if cell.batch:
            self.outstanding_batch_s -= cell.video_s
            return
        self.open[cell.asset] -= cell.video_s
        if self.open[cell.asset] <= 1e-6:
            del self.open[cell.asset]
            overdue = self.now_s - self.trace.clips[cell.asset].at_s > self.facts.objective_s
            self.late += overdue and cell.asset not in self.stranded

    def _kill(self) -> None:
        kills = self.trace.kills
        while self._next_kill < len(kills) and kills[self._next_kill][0] <= self.now_s:
            self.stages[kills[self._next_kill][1]].kill(self._chance, self.now_s)
            self._next_kill += 1
