"""When a store's writer compacts (pure): often enough for readers, seldom enough to stay a small share of the work."""

from dataclasses import dataclass

from stream.clock import Clock


@dataclass(frozen=True, slots=True)
class CadencePolicy:
    """Due after `commits` that added at least `growth` of the rows, after `most_commits` anyhow, and after
    `interval_s` since the last time if anything was written: compaction rewrites what it joins.
    """

    commits: int = 24
    growth: float = 0.02
    most_commits: int = 48
    interval_s: float = 300.0


class Cadence:
    """Counts commits and rows; `due` is asked after each commit, `done` tells that maintenance ran."""

    def __init__(self, policy: CadencePolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._commits = 0
        self._rows = 0
        self._kept_rows = 0
        self._last_s = clock.monotonic_s()

    def wrote(self, rows: int) -> None:
        self._commits += 1
        self._rows += rows

    def due(self) -> bool:
        if not self._commits:
            return False
        policy = self._policy
        grown = self._commits >= policy.commits and self._rows >= policy.growth * self._kept_rows
        late = self._clock.monotonic_s() - self._last_s >= policy.interval_s
        return grown or late or self._commits >= policy.most_commits

    def done(self) -> None:
        self._kept_rows += self._rows
        self._commits = 0
        self._rows = 0
        self._last_s = self._clock.monotonic_s()
