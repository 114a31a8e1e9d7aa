"""A fixed piece of work, measured now and then beside what a benchmark measures. A machine that others use too takes
up to twice the CPU seconds for the same work from one minute to the next; the yardstick shows by how much.
"""

import time
from bisect import bisect_left
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ROWS, _DIMENSIONS, _TEXTS, _TIMES = 6_000, 384, 20_000, 4


@dataclass(slots=True)
class Yardstick:
    """In one thread, without a store: rows of vectors gathered, texts sorted, objects made; about 20 ms of CPU. `at` of
    a look is whatever the benchmark counts, and grows.
    """

    _looks: list[tuple[int, float]] = field(default_factory=list)
    _vectors: pa.Array = field(init=False)
    _places: pa.Array = field(init=False)
    _texts: pa.Array = field(init=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng(5)
        numbers = random.standard_normal(_ROWS * _DIMENSIONS, dtype=np.float32)
        self._vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers), _DIMENSIONS)
        self._places = pa.array(random.integers(_ROWS, size=_ROWS))
        self._texts = pa.array([f"{number:032x}" for number in random.integers(1 << 62, size=_TEXTS).tolist()])
        self._work()  # the first time is slow
        self.look(0)

    def look(self, at: int) -> None:
        """Do the work once."""
        start_s = time.thread_time()
        self._work()
        self._looks.append((at, time.thread_time() - start_s))

    def median_s(self, since: int) -> float:
        """CPU-s of the looks from `since` on."""
        first = bisect_left(self._looks, since, key=lambda look: look[0])
        return median(took_s for _, took_s in self._looks[first:] or self._looks[-1:])

    def _work(self) -> None:
        for _ in range(_TIMES):
            self._vectors.take(self._places)
            pc.array_sort_indices(self._texts)
            {text: len(text) for text in self._texts.slice(0, _TEXTS // 4).to_pylist()}
