"""Torch networks over pictures on an accelerator: fixed padded batches through one staging buffer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from models.device.queue import DeviceQueue, Forward
from models.protocol import Floats, Image


class PictureBatches:
    """Calls `forward` (uint8 [batch, side, side, 3]) only on full batches. The last batch keeps old rows as padding, so
    a picture's result depends neither on the other pictures nor on their number.

    `prepare` makes the input of `forward` from a picture, in `threads` threads: decoding and resizing release the GIL.
    Work on the device is queued: while it computes, the host prepares the next batch. One caller at a time.
    """

    def __init__(
        self,
        forward: Forward,
        *,
        prepare: Callable[[Image], Image],
        device: str,
        batch: int,
        side: int,
        threads: int,
    ) -> None:
        self._queue = DeviceQueue(forward, (batch, side, side, 3), device)
        self._batch = batch
        self._prepare = prepare
        self._threads = ThreadPoolExecutor(threads, "prepare")

    def close(self) -> None:
        self._threads.shutdown()

    def run(self, pictures: Iterable[Image]) -> list[Floats]:
        """One float32 array per output of `forward`, with one row per picture. An empty input runs one padded batch, so
        that the arrays have their width.
        """
        return self.forwarded(self.prepared(pictures))

    def prepared(self, pictures: Iterable[Image]) -> Iterator[Image]:
        """Yields uint8 [side, side, 3] for each picture, in order."""
        return self._threads.map(self._prepare, pictures)

    def forwarded(self, prepared: Iterable[Image]) -> list[Floats]:
        """Like `run`, for prepared pictures."""
        waiting, count = iter(prepared), 0
        sent: list[Sequence[Any]] = []
        while True:
            found = self._stage(waiting)
            if found or not sent:
                sent.append(self._queue.send())
                count += found
            if found < self._batch:
                return self._queue.fetch(sent, count)

    def _stage(self, pictures: Iterator[Image]) -> int:
        """Copies the next pictures into the buffer and returns how many."""
        rows: Any = self._queue.staged.numpy()
        row = -1
        for row, picture in enumerate(islice(pictures, self._batch)):
            if row == 0:
                # Only before the first row: the device may still be copying the previous batch from this buffer.
                self._queue.wait()
            rows[row] = picture
        return row + 1
