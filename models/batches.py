"""Torch networks over pictures on an accelerator: fixed padded batches from one staging buffer, fetched at the end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from models.protocol import Floats, Image

Forward = Callable[[Any], Sequence[Any]]
"""uint8 tensor [batch, height, width, 3] on the device -> tensors of `batch` rows each."""


class PictureBatches:
    """Calls `forward` on whole batches only, the last one padded with what was there before, so that a picture's
    result depends neither on its neighbours nor on how many there are.

    `prepare` makes what `forward` sees of a picture, in `threads` threads: decoding and resizing leave the interpreter
    to others. Work on the device is queued: while it computes, the host prepares the next batch. The staging buffer is
    page-locked for CUDA; it is filled again when its copy has left.
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
        import torch

        self._forward = forward
        self._prepare = prepare
        self._threads = ThreadPoolExecutor(threads, "prepare")
        self._device = device
        on_cuda = device.startswith("cuda")
        self._staged = torch.zeros((batch, side, side, 3), dtype=torch.uint8, pin_memory=on_cuda)
        event: Any = torch.cuda.Event
        self._copied = event() if on_cuda else None

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
        import torch

        waiting, count = iter(prepared), 0
        queued: list[Sequence[Any]] = []
        with torch.inference_mode():
            while True:
                found = self._stage(waiting)
                if found or not queued:
                    queued.append(self._forward(self._sent()))
                    count += found
                if found < len(self._staged):
                    break
            return [torch.cat(rows)[:count].float().cpu().numpy() for rows in zip(*queued, strict=True)]

    def _stage(self, pictures: Iterator[Image]) -> int:
        """How many of the next pictures the buffer now holds."""
        import torch

        row = -1
        for row, picture in enumerate(islice(pictures, len(self._staged))):
            if row == 0 and self._copied is not None:
                self._copied.synchronize()
            self._staged[row] = torch.from_numpy(np.array(picture))
        return row + 1

    def _sent(self) -> Any:
        if self._copied is None:
            return self._staged.clone()
        sent = self._staged.to(self._device, non_blocking=True)
        self._copied.record()
        return sent
