"""Shot boundaries with TransNet V2 on the dense 25 Hz grid."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from models.device.device import limit_threads, ready_device
from models.device.onnx_graph import Session
from models.device.queue import DeviceQueue
from models.protocol import Floats
from models.registry import ModelContext
from models.shots.graph import WINDOW, inputs_of, session_of
from models.weights.checkpoint import read_checkpoint
from models.weights.fetch import digest_of
from stream.events.annotations import ModelStamp
from stream.events.frames import DENSE_HEIGHT, DENSE_WIDTH
from stream.events.grid import CONTEXT_TICKS, TICKS_PER_SEGMENT

STEP = 50
Dense = npt.NDArray[np.uint8]


class TransNetShots:
    """Windows of 100 ticks, one every 50; the middle 50 count. Windows lie on the asset's own grid, so a result does
    not depend on the spans. On a CPU, batches gain nothing: windows run in parallel, each on one thread, which is
    faster than one window on all threads and gives the same sums. On CUDA the five windows of a cell run together. All
    in float32: half precision changes logits by up to 0.1.
    """

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._cut_probabilities: Callable[[Dense], Floats] | None = None
        self._threads: ThreadPoolExecutor | None = None

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="shots", name="transnetv2", version="1", digest=digest_of("transnetv2"))

    def open(self) -> None:
        tensors = read_checkpoint(self._context.cache.file("transnetv2"))
        if (device := ready_device(self._context)) == "cpu":
            self._threads = ThreadPoolExecutor(self._context.threads, "shots")
            self._cut_probabilities = self.side_by_side(session_of(tensors, threads=1), self._threads)
            return
        limit_threads(self._context)
        # Imported here: the module needs torch, and the CPU path runs without it.
        from models.shots.network import TransNetV2

        network = TransNetV2()
        network.load_checkpoint(tensors)
        self._cut_probabilities = self.batched(network.eval().to(device), device, windows=TICKS_PER_SEGMENT // STEP)

    def close(self) -> None:
        self._cut_probabilities = None
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def cut_probabilities(self, dense: Dense) -> Floats:
        assert self._cut_probabilities is not None, "call open first"
        return self._cut_probabilities(dense)

    @staticmethod
    def side_by_side(session: Session, threads: ThreadPoolExecutor) -> Callable[[Dense], Floats]:
        """A `cut_probabilities` that runs one window per thread."""

        def run(dense: Dense) -> Floats:
            return _joined(list(threads.map(lambda window: _probabilities(session, window), _windows(dense))))

        return run

    @staticmethod
    def batched(network: Any, device: str, *, windows: int) -> Callable[[Dense], Floats]:
        """A `cut_probabilities` that runs `windows` windows at a time and pads the last batch with black."""
        queue = DeviceQueue(
            lambda given: (_sigmoid(network, given),), (windows, WINDOW, DENSE_HEIGHT, DENSE_WIDTH, 3), device
        )

        def run(dense: Dense) -> Floats:
            found = list(_windows(dense))
            staged = queue.staged.numpy()
            sent = []
            for first in range(0, len(found), windows):
                chosen = found[first : first + windows]
                queue.wait()
                staged[: len(chosen)] = chosen
                # Black, so that a padded window does not depend on what the buffer held before.
                staged[len(chosen) :] = 0
                sent.append(queue.send())
            return _joined(queue.fetch(sent, len(found))[0])

        return run


def _windows(dense: Dense) -> Iterator[Dense]:
    for start in range(0, len(dense) - 2 * CONTEXT_TICKS, STEP):
        yield dense[start : start + WINDOW]


def _joined(windows: Sequence[Floats] | Floats) -> Floats:
    """Probabilities of consecutive windows -> one per row: the middle of each window, and the outer quarters of the
    first and the last window.
    """
    kept = slice(CONTEXT_TICKS, CONTEXT_TICKS + STEP)
    middles = [window[kept] for window in windows]
    return np.concatenate([windows[0][:CONTEXT_TICKS], *middles, windows[-1][CONTEXT_TICKS + STEP :]])


def _probabilities(session: Session, window: Dense) -> Floats:
    """uint8 [100, 27, 48, 3] -> float32 [100]."""
    (logits,) = session.run(None, inputs_of(window))
    probabilities: Floats = 1 / (1 + np.exp(-logits[:, 0]))
    return probabilities


def _sigmoid(network: Any, windows: Any) -> Any:
    """uint8 tensor [n, 100, 27, 48, 3] -> probabilities [n, 100]."""
    import torch

    return torch.sigmoid(network(windows))
