"""Shot boundaries with TransNet V2 on the dense 25 Hz grid, where a cheap test leaves them open."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from models.device.device import limit_threads, ready_device
from models.protocol import Floats
from models.registry import ModelContext
from models.shots.candidates import candidates_in, windows
from models.shots.graph import Network, networks_of
from models.shots.places import Dense
from models.weights.checkpoint import read_checkpoint
from models.weights.fetch import digest_of
from stream.events.annotations import ModelStamp
from stream.events.grid import CONTEXT_TICKS

Judge = Callable[[Dense], Floats]
"""uint8 [n, 27, 48, 3] -> float32 [n]: the probability of each row that it is the last of its shot."""


class TransNetShots:
    """The network sees each stretch in which a transition can be, with 25 ticks on both sides (ADR 0072). Elsewhere
    the probability is 0, and 1 at cuts that are clear without it (ADR 0085). Both follow from the ticks alone, so a
    result does not depend on the spans.

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
        return ModelStamp(role="shots", name="transnetv2", version="5", digest=digest_of("transnetv2"))

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
        assert self._judge is not None and self._threads is not None, "call open first"
        found = candidates_in(dense)
        # The row before the cell's first tells of a cut on its edge.
        own = range(CONTEXT_TICKS - 1, len(dense) - CONTEXT_TICKS + 1)
        chosen = windows(found, own)
        probabilities = np.zeros(len(dense), np.float32)
        judge = self._wide() if len(chosen) == 1 and self._wide is not None else self._judge
        judged = self._threads.map(judge, [dense[seen.start : seen.stop] for seen, _ in chosen])
        for (seen, decided), said in zip(chosen, judged, strict=True):
            probabilities[decided.start : decided.stop] = said[decided.start - seen.start :][: len(decided)]
        # A window may join stretches and hold steady motion: nothing was to be looked at there.
        probabilities[~found.possible] = 0.0
        probabilities[found.cuts] = 1.0
        return probabilities


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
