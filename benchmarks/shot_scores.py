"""How well cuts are found, beside transitions that are known."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.shot_scenes import Transition

TOLERANCE_S = 0.1


@dataclass(slots=True)
class CutScore:
    """Over any number of clips. A further cut inside a gradual transition is no error."""

    hits: int = 0
    wrong: int = 0
    missed: int = 0
    gradual: int = 0
    gradual_seen: int = 0

    def add(self, cuts_s: Sequence[float], transitions: Sequence[Transition]) -> None:
        left = list(cuts_s)
        for transition in (item for item in transitions if item.hard):
            near = [cut for cut in left if abs(cut - transition.start_s) <= TOLERANCE_S]
            self.hits += bool(near)
            self.missed += not near
            left = [cut for cut in left if cut not in near[:1]]
        for transition in (item for item in transitions if not item.hard):
            inside = [
                cut for cut in left if cut >= transition.start_s - TOLERANCE_S and cut <= transition.end_s + TOLERANCE_S
            ]
            self.gradual += 1
            self.gradual_seen += bool(inside)
            left = [cut for cut in left if cut not in inside]
        self.wrong += len(left)

    @property
    def f1(self) -> float:
        return 2 * self.hits / (2 * self.hits + self.wrong + self.missed)
