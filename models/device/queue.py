"""A network on an accelerator, over inputs of one shape."""

from collections.abc import Callable, Sequence
from typing import Any

from models.protocol import Floats

Forward = Callable[[Any], Sequence[Any]]
"""uint8 tensor of the fixed shape on the device -> tensors whose first dimension is the batch's."""

WARM_UP = 3


class DeviceQueue:
    """Inputs are written into `staged`, a page-locked buffer that is used again; `send` queues a pass over it. One
    thread at a time.

    On CUDA the passes have a stream of their own, so that nobody waits behind what another network queued, and are
    captured once as a graph: a single call starts all kernels. Kernel by kernel, a thread that shares the interpreter
    with others that prepare pictures leaves the device waiting (docs/adr/0011).
    """

    def __init__(self, forward: Forward, shape: tuple[int, ...], device: str) -> None:
        import torch

        self._forward = forward
        self._graph: Any = None
        on_cuda = device.startswith("cuda")
        self.staged = torch.zeros(shape, dtype=torch.uint8, pin_memory=on_cuda)
        if on_cuda:
            self._given = torch.zeros(shape, dtype=torch.uint8, device=device)
            self._capture(torch, device)

    def _capture(self, torch: Any, device: str) -> None:
        self._stream, self._copied = torch.cuda.Stream(device), torch.cuda.Event()
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            for _ in range(WARM_UP):
                self._forward(self._given)
            self._stream.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with (
            torch.inference_mode(),
            torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"),
        ):
            self._outputs = self._forward(self._given)

    def wait(self) -> None:
        """Until `staged` may be written again."""
        if self._graph is not None:
            self._copied.synchronize()

    def send(self) -> Sequence[Any]:
        """What the network gives for `staged`; not there yet, `fetch` waits for it."""
        import torch

        with torch.inference_mode():
            if self._graph is None:
                return self._forward(self.staged.clone())
            cuda: Any = torch.cuda
            with cuda.stream(self._stream):
                self._given.copy_(self.staged, non_blocking=True)
                self._copied.record()
                self._graph.replay()
                return [output.clone() for output in self._outputs]

    def fetch(self, sent: Sequence[Sequence[Any]], count: int) -> list[Floats]:
        """float32, the first `count` rows of each output over all that was sent."""
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
