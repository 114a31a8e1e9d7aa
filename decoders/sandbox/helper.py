"""A second child for one cell: it decodes the later part while the cell's own child decodes the earlier one."""

import logging

from decoders.sandbox.process import ChildProcess
from decoders.sources.policy import SourcePolicy
from stream.children.process import ChildDied, ChildHung
from stream.clock import SystemClock
from stream.events.asset import SpanPlanned

# Whole numbers up to 2**53 are exact in JSON readers that use doubles.
_MAX_MEASURE = 2**53 - 1
_LEAST_S = 0.1
_log = logging.getLogger(__name__)


class Helper:
    """A child that decodes the later part of a span from now on. Whatever befalls it, nothing is lost: the span's own
    child decodes that part where it gives none. `cpu_us`, `read_bytes`: what the part did cost.
    """

    def __init__(
        self, child: ChildProcess, span: SpanPlanned, policy: SourcePolicy, *, wall_s: float, cpu_s: float
    ) -> None:
        self._child = child
        self._clock = SystemClock()
        self._until_s = self._clock.monotonic_s() + wall_s
        self._spent_s = child.cpu_s()
        self.cpu_us = self.read_bytes = 0
        child.serve(span.uri, policy)
        child.allow_cpu(cpu_s)
        child.send({"do": "decode_later", "span": span.model_dump(mode="json")})
        child.busy = True

    def later(self) -> bytes:
        """Waits for the part; empty where the child has none."""
        child = self._child
        if not child.busy:
            return b""
        try:
            # It had the time that the earlier part took: both together take no longer than one part may.
            answer = child.receive(max(_LEAST_S, self._until_s - self._clock.monotonic_s()))
            child.busy = False
            if answer["kind"] != "later" or answer.get("spent"):
                _log.info("the later part of a clip is decoded by its own process (%s)", str(answer.get("code"))[:100])
                return b""
            self.cpu_us = measure(round((child.cpu_s() - self._spent_s) * 1e6))
            self.read_bytes = measure(answer.get("read_bytes"))
            return child.pixels(int(answer["offset"]), int(answer["size"]))
        except (ChildDied, ChildHung, ValueError, LookupError, TypeError, ArithmeticError):
            child.close()
            return b""


def measure(reported: object) -> int:
    """A quantity that the child reports, made safe: a child that a hostile file took over may send anything."""
    return min(max(reported, 0), _MAX_MEASURE) if isinstance(reported, int) else 0
