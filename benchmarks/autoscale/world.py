"""Replicas that take time to start, partitions, queues and kills, in steps of some seconds."""

import random
from collections import deque
from dataclasses import dataclass, field

from benchmarks.autoscale.trace import CELL_S, SPAN_S, Facts, Name, StageFacts, Trace
from stream.topology.lanes import LANES, Lane

STEP_S = 5.0


@dataclass(slots=True)
class Piece:
    """A record: a span for decode, a cell for understand. `index` counts the pieces of its asset."""

    asset: int
    index: int
    video_s: float
    left_s: float
    lane: Lane


class Line:
    """Pieces of one lane by partition. `busy` are the partitions that hold any, `waiting_s` is what is left of all."""

    def __init__(self, partitions: int) -> None:
        self.queues: list[deque[Piece]] = [deque() for _ in range(partitions)]
        self.busy: set[int] = set()
        self.waiting_s = 0.0

    def put(self, partition: int, piece: Piece) -> None:
        self.queues[partition].append(piece)
        self.busy.add(partition)
        self.waiting_s += piece.video_s

    def serve(self, mine: list[int], budget_s: float, done: list[tuple[int, Piece]]) -> float:
        """The oldest assets of the partitions `mine` first, up to `budget_s` of footage; what is left of it."""
        while mine and budget_s > 1e-9:
            partition = min(mine, key=lambda at: self.queues[at][0].asset) if len(mine) > 1 else mine[0]
            queue = self.queues[partition]
            piece = queue[0]
            used_s = min(budget_s, piece.left_s)
            piece.left_s -= used_s
            budget_s -= used_s
            self.waiting_s -= used_s
            if piece.left_s <= 1e-9:
                done.append((partition, queue.popleft()))
                if not queue:
                    self.busy.discard(partition)
                    mine.remove(partition)
        return budget_s


@dataclass(slots=True)
class Queue:
    """One stage: its lines (interactive goes first, as admission arranges it) and its replicas."""

    facts: StageFacts
    lines: dict[Lane, Line] = field(default_factory=dict)
    ready_at_s: list[float] = field(default_factory=list)
    replica_s: float = 0.0
    starts: int = 0
    acked: list[int] = field(default_factory=list)
    arrived_s: float = 0.0
    served_s: float = 0.0
    factor: float = 1.0

    def __post_init__(self) -> None:
        self.lines = {lane: Line(self.facts.partitions) for lane in LANES}
        self.acked = [0] * self.facts.partitions

    def ready(self, now_s: float) -> int:
        return sum(at_s <= now_s for at_s in self.ready_at_s)

    def records(self, partition: int) -> int:
        return sum(len(line.queues[partition]) for line in self.lines.values())

    @property
    def empty(self) -> bool:
        return not any(line.busy for line in self.lines.values())

    def put(self, piece: Piece) -> int:
        """Where it lies: the same partition under every rule."""
        partition = (piece.asset * 2_654_435_761 + piece.index * 40_503) % 65_521 % self.facts.partitions
        self.lines[piece.lane].put(partition, piece)
        if piece.lane == "interactive":
            self.arrived_s += piece.video_s
        return partition

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
        members = min(self.ready(now_s), self.facts.partitions)
        done: list[tuple[int, Piece]] = []
        if not members or self.empty:
            return done
        whole_s = self.facts.rate * self.factor * STEP_S
        left_s = [whole_s] * members
        for lane in LANES:
            line = self.lines[lane]
            mine: dict[int, list[int]] = {}
            for partition in sorted(line.busy):
                if partition != stuck:
                    mine.setdefault(partition % members, []).append(partition)
            for member, held in mine.items():
                left_s[member] = line.serve(held, left_s[member], done)
        self.served_s += members * whole_s - sum(left_s)
        for partition, _ in done:
            self.acked[partition] += 1
        return done


class World:
    """One run of a trace. `late` and `unfresh_s` count the interactive footage that a rule can do something about:
    what lies in the stuck partition is left out. `batch_wait_s` sums how long archives took from their publication.
    """

    def __init__(self, trace: Trace, facts: Facts, seed: int = 0) -> None:
        self.trace, self.facts = trace, facts
        self.stages: dict[Name, Queue] = {"decode": Queue(facts.decode), "understand": Queue(facts.understand)}
        self.now_s = 0.0
        self.held: deque[Piece] = deque()  # batch footage that plan has not admitted
        self.held_s = 0.0
        self.open: dict[int, float] = {}  # asset to video-seconds left
        self.waiting: dict[int, None] = {}  # open interactive assets that are not stranded, oldest first
        self.stranded: set[int] = set()
        self.late = self.assets = 0
        self.unfresh_s = self.batch_wait_s = 0.0
        self.outstanding_batch_s = 0.0
        self._next_clip = self._next_kill = 0
        self._chance = random.Random(seed)

    @property
    def over(self) -> bool:
        """Everything was published and is done."""
        return self.now_s >= self.trace.length_s and not self.held and all(it.empty for it in self.stages.values())

    def oldest_s(self) -> float:
        """Age of the oldest interactive asset that is open and not stranded."""
        first = next(iter(self.waiting), None)
        return 0.0 if first is None else self.now_s - self.trace.clips[first].at_s

    def step(self) -> None:
        self._publish()
        self._admit()
        self._kill()
        begin_s, end_s = self.trace.slow_s
        understand, decode = self.stages["understand"], self.stages["decode"]
        understand.factor = self.trace.slow if begin_s <= self.now_s < end_s else 1.0
        for _, cell in understand.work(self.now_s, None):
            self._finish(cell)
        if sum(line.waiting_s for line in understand.lines.values()) < self.facts.unread_video_s:
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
            self.open[asset] = clip.video_s
            if clip.lane == "interactive":
                self.assets += 1
                self.waiting[asset] = None
            for span in _pieces(asset, 0, clip.video_s, SPAN_S, clip.lane):
                if clip.lane == "batch":
                    self.held.append(span)
                    self.held_s += span.video_s
                else:
                    self._put_span(span)

    def _admit(self) -> None:
        while self.held and self.outstanding_batch_s < self.facts.credit_video_s:
            span = self.held.popleft()
            self.held_s -= span.video_s
            self.outstanding_batch_s += span.video_s
            self._put_span(span)

    def _put_span(self, span: Piece) -> None:
        partition = self.stages["decode"].put(span)
        if partition == self._stuck():
            self.stranded.add(span.asset)
            self.waiting.pop(span.asset, None)

    def _cut(self, span: Piece) -> None:
        first = round(span.index * SPAN_S / CELL_S)
        for cell in _pieces(span.asset, first, span.video_s, CELL_S, span.lane):
            self.stages["understand"].put(cell)

    def _finish(self, cell: Piece) -> None:
        self.open[cell.asset] -= cell.video_s
        if cell.lane == "batch":
            self.outstanding_batch_s -= cell.video_s
        if self.open[cell.asset] <= 1e-6:
            del self.open[cell.asset]
            self.waiting.pop(cell.asset, None)
            took_s = self.now_s + STEP_S - self.trace.clips[cell.asset].at_s
            if cell.lane == "batch":
                self.batch_wait_s += took_s
            elif cell.asset not in self.stranded:
                self.late += took_s > self.facts.objective_s

    def _kill(self) -> None:
        kills = self.trace.kills
        while self._next_kill < len(kills) and kills[self._next_kill][0] <= self.now_s:
            self.stages[kills[self._next_kill][1]].kill(self._chance, self.now_s)
            self._next_kill += 1


def _pieces(asset: int, first: int, video_s: float, longest_s: float, lane: Lane) -> list[Piece]:
    found: list[Piece] = []
    while video_s > 1e-9:
        piece_s = min(longest_s, video_s)
        video_s -= piece_s
        found.append(Piece(asset, first + len(found), piece_s, piece_s, lane))
    return found
