"""Shot boundaries with TransNet V2 on the dense 25 Hz grid, where a cheap test leaves them open."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from models.device.device import limit_threads, ready_device
from models.protocol import Floats
from models.registry import ModelContext
from models.shots.graph import Network, networks_of
from models.shots.looks import cut_probabilities
from models.shots.places import Dense
from models.weights.checkpoint import read_checkpoint
from models.weights.fetch import digest_of
from stream.events.annotations import ModelStamp

Judge = Callable[[Dense], Floats]
"""uint8 [n, 27, 48, 3] -> float32 [n]: the probability of each row that it is the last of its shot."""


class TransNetShots:
    """The network sees each stretch in which a transition can be (ADR 0072), with more beside it where a first look
    leaves doubt (ADR 0090). Elsewhere the probability is 0, and 1 at cuts that are clear without it (ADR 0085). All
    follows from the ticks alone, so a result does not depend on the spans.

    On a CPU windows run in parallel, each on one thread, which is faster than one window on all threads. A lone window
    has all threads, as nobody else would use them; its sums are the same. All in float32: half precision changes logits
    by up to 0.1.
    """

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._judge: Judge | None = None
        self._wide: Callable[[], Judge] | None = None
        self._threads: ThreadPoolExecutor | None = None

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="shots", name="transnetv2", version="6", digest=digest_of("transnetv2"))

    def open(self) -> None:
        tensors = read_checkpoint(self._context.cache.file("transnetv2"))
        if (device := ready_device(self._context)) == "cpu":
            self._threads = ThreadPoolExecutor(self._context.threads, "shots")
            network_of = networks_of(tensors)
            self._judge = judge_of(network_of(1))
            # Made for the first lone window: whoever has none does not wait for it.
            self._wide = cache(lambda: judge_of(network_of(self._context.threads)))
            return
        limit_threads(self._context)
        # Imported here: the module needs torch, and the CPU path runs without it.
        from models.shots.network import TransNetV2

        network = TransNetV2()
        network.load_checkpoint(tensors)
        self._threads = ThreadPoolExecutor(1, "shots")
        self._judge = device_judge(network.eval().to(device), device)

    def close(self) -> None:
        self._judge = self._wide = None
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def cut_probabilities(self, dense: Dense) -> Floats:
        return cut_probabilities(dense, self._judge_all)

    def _judge_all(self, windows: Sequence[Dense]) -> Iterable[Floats]:
        assert self._judge is not None and self._threads is not None, "call open first"
        judge = self._wide() if len(windows) == 1 and self._wide is not None else self._judge
        return self._threads.map(judge, windows)


def judge_of(network: Network) -> Judge:
    def judge(window: Dense) -> Floats:
        probabilities: Floats = np.reciprocal(1 + np.exp(-network(window)))
        return probabilities

    return judge


def device_judge(network: Any, device: str) -> Judge:
    """The torch network on `device`. On CUDA its passes have their own stream, so that they do not wait behind another
    network.
    """
    import torch

    cuda: Any = torch.cuda
    stream = cuda.Stream(device) if device.startswith("cuda") else None

    def judge(window: Dense) -> Floats:
        # A copy: torch wants to own what it may write, and a slice of a received cell is read-only.
        with torch.inference_mode(), cuda.stream(stream):
            logits = network(torch.from_numpy(window.copy())[None].to(device))
            probabilities: Floats = torch.sigmoid(logits)[0].float().cpu().numpy()
        return probabilities

    return judge
