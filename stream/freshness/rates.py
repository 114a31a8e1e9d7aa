"""Work by time of day: what came and what was done lately, in units, by the broker's append times. Pure."""

# Coarse enough to keep few sums, fine enough for a window of a minute.
BUCKET_MS = 10_000


class RateMeter:
    """Sums over buckets of 10 s of broker time, kept for `keep_s`. Any order within that time gives the same sums."""

    def __init__(self, keep_s: float) -> None:
        self._keep = round(keep_s * 1000 / BUCKET_MS)
        self._sums: dict[int, float] = {}

    def add(self, at_ms: int, units: float) -> None:
        bucket = at_ms // BUCKET_MS
        self._sums[bucket] = self._sums.get(bucket, 0) + units

    def rate(self, now_ms: int, window_s: float) -> float:
        """Units per second over the last whole buckets of `window_s`."""
        last = now_ms // BUCKET_MS
        # Whole buckets only: the current one is not over, and would make every rate too low.
        self._forget(last)
        count = max(1, round(window_s * 1000 / BUCKET_MS))
        total = sum(self._sums.get(bucket, 0) for bucket in range(last - count, last))
        return total / (count * BUCKET_MS / 1000)

    def _forget(self, last: int) -> None:
        for bucket in [bucket for bucket in self._sums if bucket < last - self._keep]:
            del self._sums[bucket]


class ServiceRate:
    """Units per second of one replica that has work, over about the last `memory_s` of such time.

    A ratio of two fading sums, so that hours without work do not read as slowness.
    """

    def __init__(self, memory_s: float = 600.0, *, enough_s: float = 30.0) -> None:
        self._memory_s = memory_s
        self._enough_s = enough_s
        self._units = 0.0
        self._replica_s = 0.0

    def busy(self, *, replicas: float, elapsed_s: float, units: float) -> None:
        """`units` were done in `elapsed_s`, during which `replicas` had work throughout."""
        # Older work fades by the time that passed, so that a slow day is forgotten.
        keep = max(0.0, 1.0 - elapsed_s / self._memory_s)
        self._units = self._units * keep + units
        self._replica_s = self._replica_s * keep + replicas * elapsed_s

    @property
    def per_replica(self) -> float | None:
        """None until enough time was observed, or if nothing was done in it."""
        # Too little time gives any rate: until then the prior counts.
        if self._replica_s < self._enough_s or not self._units:
            return None
        return self._units / self._replica_s


class BusyRate:
    """The work of busy replicas between two rounds; feeds a `ServiceRate`."""

    def __init__(self) -> None:
        self.rate = ServiceRate()
        self._last: tuple[int, int, int] | None = None

    def observe(self, *, now_ms: int, replicas: int, busy_partitions: int, served: float) -> None:
        """One round with `served` units since the last one. At most as many replicas had work as partitions held any. A
        change of replicas starts over, as new ones are still opening.
        """
        working = min(replicas, busy_partitions)
        if self._last is not None:
            before_ms, before_replicas, worked = self._last
            # Both ends of the round had work. A start or an end of work in between would look like slowness.
            if worked and working and replicas == before_replicas and now_ms > before_ms:
                elapsed_s = (now_ms - before_ms) / 1000
                self.rate.busy(replicas=(worked + working) / 2, elapsed_s=elapsed_s, units=served)
        self._last = (now_ms, replicas, working)
