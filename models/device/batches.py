"""Torch networks over pictures on an accelerator: fixed padded batches from one staging buffer, fetched at the end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from models.device.queue import DeviceQueue, Forward
from models.protocol import Floats, Image


class PictureBatches:
    """Calls `forward` (uint8 [batch, side, side, 3]) on whole batches only, the last one padded with what was there
    before, so that a picture's result depends neither on its neighbours nor on how many there are.

    `prepare` makes what `forward` sees of a picture, in `threads` threads: decoding and resizing leave the interpreter
    to others. Work on the device is queued: while it computes, the host prepares the next batch. One thread at a time.
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
        """One float32 array per output of `forward`, a row per picture. An empty input runs one padded batch for the
        widths.
        """
        return self.forwarded(self.prepared(pictures))

    def prepared(self, pictures: Iterable[Image]) -> Iterator[Image]:
        """uint8 [side, side, 3] of each, in order."""
        return self._threads.map(self._prepare, pictures)

    def forwarded(self, prepared: Iterable[Image]) -> list[Floats]:
        """`run` without the preparation."""
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
        """How many of the next pictures the buffer now holds."""
        rows: Any = self._queue.staged.numpy()
        row = -1
        for row, picture in enumerate(islice(pictures, self._batch)):
            if row == 0:
                self._queue.wait()
            rows[row] = picture
        return row + 1
