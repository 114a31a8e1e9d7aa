"""The queue of a stage whose records take turns: lanes and tenants in turn, and of each tenant its subjects in turn."""

from collections.abc import Sequence

from stream.topology.admission_policy import BATCH_SHARE
from stream.topology.lanes import Lane, lane_told
from stream.topology.stage import BatchPolicy
from stream.worker.dead_letters import identity
from stream.worker.fair_queue import Claim, FairQueue
from stream.worker.queues import PlainQueue
from stream.worker.urgent_first import READ_AHEAD_BYTES, READ_AHEAD_RECORDS
from stream.worker.work import Work

REMEMBERED = 4096
"""How many subjects are remembered that had a turn. One that is forgotten may pass the others once more."""
NEWCOMERS_FIRST = 64
"""After so many, who is held back has its turns again: a flood of short assets must not starve a film."""


class InTurn(PlainQueue):
    """Gives the first record of each subject, then the second of each; of a tenant those come first that had no turn
    yet: a short asset does not wait for a long one, whose turns are long. A turn is a record, or the pieces of it until
    it gives way. Lanes have the shares that they have where they are admitted. A batch is ready when it is full, or
    `max_wait_s` after the first record came.
    """

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        self._queue: FairQueue[tuple[Work, int]] = FairQueue(
            quantum=1.0, batch_share=BATCH_SHARE, subjects_in_turn=True
        )
        self._served: dict[tuple[str, str], int] = {}  # how many newcomers had passed at the last turn
        self._passed = 0
        self._held = False
        self._due_s = float("-inf")
        self.bytes = 0
        # Room for all that a long asset may have sent: a full queue stops reading, and what is short could not come.
        self.capacity = self.in_hand = READ_AHEAD_RECORDS
        self.max_bytes = READ_AHEAD_BYTES

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, item: Work, *, size: int, now_s: float) -> None:
        if not len(self._queue):
            self._due_s = now_s + self._policy.max_wait_s
        self._queue.add((item, size), _claim(item))
        self.bytes += size

    def put_back(self, items: Sequence[tuple[Work, int]]) -> None:
        """It was their turn, so they come first, and at once; those that gave way come first of their subject only."""
        for work, size in reversed(items):
            claim = _claim(work)
            if not work.gave_way:
                self._served.pop((claim.tenant, claim.subject), None)
            self._queue.add((work, size), claim, place="next of its subject" if work.gave_way else "next")
            work.gave_way = False
            self._due_s = float("-inf")
            self.bytes += size

    def due_s(self) -> float | None:
        if not self._queue.may_any(_any, self._may):
            return None
        return float("-inf") if self._full() else self._due_s

    def ready(self, now_s: float) -> bool:
        due_s = self.due_s()
        return due_s is not None and due_s <= now_s

    def take(self, now_s: float) -> list[Work]:
        batch: list[Work] = []
        if not self.ready(now_s):
            return batch
        size = 0
        while len(batch) < self._policy.max_records and size < self._policy.max_bytes:
            taken = self._queue.take(_any, self._may, self._rank)
            if taken is None:
                break
            claim, (work, item_size) = taken
            self._queue.charge(claim, 1.0)
            self._remember(claim)
            batch.append(work)
            size += item_size
        self.bytes -= size
        self._due_s = now_s + self._policy.max_wait_s
        return batch

    def low(self) -> bool:
        """Always while something fits: whose turn it is shows only once it was read."""
        return len(self._queue) < self.capacity and self.bytes < self.max_bytes

    def newcomer(self) -> bool:
        return self._queue.may_any(_any, self._is_new)

    def hold_back(self, held: bool) -> bool:
        """Newcomers do not wait until what others sent is read."""
        self._held = held
        return held and self._queue.may_any(_any, self._may)

    def _may(self, claim: Claim) -> bool:
        return not self._held or self._is_new(claim) or self._let_pass(claim)

    def _rank(self, claim: Claim) -> int:
        """In the batch lane subjects are alike."""
        if claim.lane != "interactive":
            return 0
        return 0 if self._let_pass(claim) else 1 if self._is_new(claim) else 2

    def _let_pass(self, claim: Claim) -> bool:
        """Whether it has let so many pass that had no turn before."""
        at = self._served.get((claim.tenant, claim.subject), self._passed)
        return self._passed - at >= NEWCOMERS_FIRST

    def _is_new(self, claim: Claim) -> bool:
        # Nobody waits for the batch lane.
        return claim.lane == "interactive" and (claim.tenant, claim.subject) not in self._served

    def _remember(self, claim: Claim) -> None:
        self._passed += self._is_new(claim)
        self._served.pop((claim.tenant, claim.subject), None)
        self._served[claim.tenant, claim.subject] = self._passed
        if len(self._served) > REMEMBERED:
            del self._served[next(iter(self._served))]

    def _full(self) -> bool:
        return len(self._queue) >= self._policy.max_records or self.bytes >= self._policy.max_bytes


def _claim(work: Work) -> Claim:
    """By the headers of the record: its value may be megabytes."""
    who = identity(work.record, None)
    return Claim(who.tenant, lane_told(work.record.headers), who.asset_id)


def _any(_tenant: str, _lane: Lane) -> bool:
    return True
