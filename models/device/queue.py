"""Runs a network on an accelerator, on inputs of one shape."""

from collections.abc import Callable, Sequence
from typing import Any

from models.protocol import Floats

Forward = Callable[[Any], Sequence[Any]]
"""uint8 tensor of the fixed shape on the device -> tensors whose first dimension is the batch's."""

WARM_UP = 3


class DeviceQueue:
    """The caller writes inputs into `staged`, a page-locked buffer that is reused; `send` queues a pass over it. One
    thread at a time.

    On CUDA the passes have their own stream, so they do not wait behind another network. They are captured once as a
    graph, so one call starts all kernels. A thread that starts kernels one by one shares the GIL with the threads that
    prepare pictures, and the device would wait for it (ADR 0011).
    """

    def __init__(self, forward: Forward, shape: tuple[int, ...], device: str) -> None:
        import torch

        self._forward = forward
        self._graph: Any = None
        on_cuda = device.startswith("cuda")
        # Page-locked memory can be copied while the host goes on. Only CUDA has it.
        self.staged = torch.zeros(shape, dtype=torch.uint8, pin_memory=on_cuda)
        if on_cuda:
            self._given = torch.zeros(shape, dtype=torch.uint8, device=device)
            self._capture(torch, device)

    def _capture(self, torch: Any, device: str) -> None:
        self._stream, self._copied = torch.cuda.Stream(device), torch.cuda.Event()
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            # CUDA graphs cannot capture the first runs, in which libraries choose algorithms and allocate workspaces.
            for _ in range(WARM_UP):
                self._forward(self._given)
            self._stream.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with (
            torch.inference_mode(),
            # `thread_local`: other threads may use CUDA while this one captures.
            torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"),
        ):
            self._outputs = self._forward(self._given)

    def wait(self) -> None:
        """Waits until `staged` may be written again."""
        if self._graph is not None:
            self._copied.synchronize()

    def send(self) -> Sequence[Any]:
        """Queues a pass over `staged` and returns its outputs. They may not be computed yet; `fetch` waits for them."""
        import torch

        with torch.inference_mode():
            if self._graph is None:
                # A copy: an output that is a view of its input would change with the next batch.
                return self._forward(self.staged.clone())
            cuda: Any = torch.cuda
            with cuda.stream(self._stream):
                # All three run in order on this network's stream, and none of them waits on the host.
                self._given.copy_(self.staged, non_blocking=True)
                self._copied.record()
                self._graph.replay()
                # The next replay overwrites the graph's own outputs.
                return [output.clone() for output in self._outputs]

    def fetch(self, sent: Sequence[Sequence[Any]], count: int) -> list[Floats]:
        """The first `count` rows of each output over all passes, float32."""
        import torch

        with torch.inference_mode():
            if self._graph is None:
                return _joined(sent, count)
            cuda: Any = torch.cuda
            with cuda.stream(self._stream):
                return _joined(sent, count)


def _joined(sent: Sequence[Sequence[Any]], count: int) -> list[Floats]:
    import torch

    return [torch.cat(list(rows))[:count].float().cpu().numpy() for rows in zip(*sent, strict=True)]
