"""A warm pool of decode children: a crash, a hang or a greedy file costs one child, not the worker."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from decoders import REGISTRY
from decoders.child import policy_as_json
from decoders.process import ChildDied, ChildHung, ChildProcess
from decoders.protocol import Inspection
from decoders.source import SourcePolicy, describe
from stream.errors import BadMedia, Retryable, StageError, Superseded, Unavailable
from stream.events.asset import Media, SourceVersion, SpanPlanned
from stream.events.frames import EncodedFrames
from stream.events.grid import SECOND_NS, SEGMENT_NS

_KINDS: dict[str, type[StageError]] = {kind.__name__: kind for kind in (BadMedia, Superseded, Retryable)}
"""What a child may report. It works for one file: it cannot pause or stop the stage."""
_RUN_IN_S_PER_S = 0.5
"""Allowance for decoding up to a span's first cell, in the worst case from byte 0, at twice real time."""
_MAX_RUN_IN_S = 1800.0
"""However far into its time a file claims a span to be, a hang ends within this."""
_MAX_MEASURE = 2**53 - 1


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one child may use. Times hold for an inspection and for each cell."""

    memory_bytes: int = 3 << 30
    wall_s: float = 90.0
    cpu_s: float = 90.0


class DecodePool:
    """Thread-safe. `inspect` and `decode` wait for a free child; an open `decode` iterator holds one.

    Raises what the decoder raises; `Retryable` `decoder_died` or `decoder_hung` and `BadMedia` `decoder_out_of_memory`
    when a child came to an end, `Unavailable` `decoder_start` when none comes up.
    """

    def __init__(
        self,
        *,
        children: int = 2,
        policy: SourcePolicy | None = None,
        limits: ChildLimits | None = None,
        decoder: str = REGISTRY["pyav"],
    ) -> None:
        self._limits = limits or ChildLimits()
        self._setup = {
            "policy": policy_as_json(policy or SourcePolicy()),
            "decoder": decoder,
            "memory_bytes": self._limits.memory_bytes,
        }
        self._free = threading.Condition()
        self._closed = False
        self._idle = [ChildProcess(self._setup) for _ in range(children)]
        self._all = set(self._idle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all children; calls in flight fail with `decoder_died`. Idempotent."""
        with self._free:
            self._closed = True
            children = list(self._all)
            self._all.clear()
            self._idle.clear()
            self._free.notify_all()
        for child in children:
            child.close()

    def inspect(self, uri: str) -> Inspection:
        """What plan needs to know of a source; see `decoders.protocol.Inspection`."""
        with self._child(uri, ()) as child:
            child.send({"do": "inspect", "uri": uri, "cpu_s": self._limits.cpu_s})
            child.busy = True
            answer = child.receive(self._limits.wall_s)
            child.busy = False
            _raise_error(child, answer, ())
            return Inspection(
                source=SourceVersion.model_validate(answer["source"]),
                content_digest=str(answer["content_digest"]),
                media=Media.model_validate(answer["media"]),
                keyframes_ns=tuple(int(time_ns) for time_ns in answer["keyframes_ns"]),
            )

    def decode(self, span: SpanPlanned) -> Iterator[EncodedFrames]:
        """One encoded `Frames` per cell, ascending, as each is complete. Errors name the cells not delivered."""
        waiting = list(range(span.first_segment, span.end_segment))
        run_in_s = min(span.first_segment * SEGMENT_NS / SECOND_NS * _RUN_IN_S_PER_S, _MAX_RUN_IN_S)
        limits = self._limits
        with self._child(span.uri, waiting) as child:
            request = {"do": "decode", "span": span.model_dump_json()}
            child.send(request | {"cpu_s": limits.cpu_s, "first_cpu_s": limits.cpu_s + run_in_s})
            child.busy = True
            wall_s = limits.wall_s + run_in_s
            while True:
                answer = child.receive(wall_s)
                if answer["kind"] != "frames":
                    break
                wall_s = limits.wall_s
                segment = int(answer["segment"])
                value = child.pixels(int(answer["offset"]), int(answer["size"]))
                child.send({"do": "free"})
                if segment not in waiting:
                    raise ChildDied("it sent nonsense")
                waiting.remove(segment)
                yield EncodedFrames(
                    segment,
                    span.segment_id(segment),
                    value,
                    cpu_us=_measure(answer.get("cpu_us")),
                    read_bytes=_measure(answer.get("read_bytes")),
                )
            child.busy = False
            _raise_error(child, answer, waiting)

    @contextmanager
    def _child(self, uri: str, waiting: "list[int] | tuple[()]") -> Iterator[ChildProcess]:
        """A free child, warm and at rest; its end is reported in terms of the uri and the cells still waited for."""
        child = self._take(uri)
        try:
            try:
                yield child
            except ChildHung:
                raise Retryable(
                    f"{describe(uri)}: decoding made no progress for too long and was stopped",
                    code="decoder_hung",
                    segments=waiting,
                ) from None
            except (ChildDied, OSError, ValueError, LookupError, TypeError) as death:
                lost = "connection lost" if isinstance(death, OSError) else "it sent nonsense"
                how, hung = (death.how, death.hung) if isinstance(death, ChildDied) else (lost, False)
                child.close()
                raise Retryable(
                    f"{describe(uri)}: the decode process ended ({how})",
                    code="decoder_hung" if hung else "decoder_died",
                    segments=waiting,
                ) from None
        except Retryable as error:
            if error.code.startswith("decoder_"):
                child.close()
            raise
        finally:
            self._give_back(child)

    def _take(self, uri: str) -> ChildProcess:
        """The idle child that has this source open, else the one idle for longest."""
        with self._free:
            self._free.wait_for(lambda: self._closed or self._idle)
            if self._closed:
                raise Unavailable("the decode pool is closed", code="decoder_closed")
            child = next((each for each in self._idle if each.last_uri == uri), self._idle[0])
            self._idle.remove(child)
        child = self._settled(child)
        child.last_uri = uri
        return child

    def _settled(self, child: ChildProcess) -> ChildProcess:
        """At rest: a span that was closed early has ended, and a child that has ended is replaced."""
        try:
            if not child.usable:
                raise ChildDied("it ended while idle")
            child.wait_ready()
            while child.busy:
                child.busy = child.receive(self._limits.wall_s)["kind"] == "frames"
        except (ChildDied, ChildHung):
            child = self._replaced(child)
            try:
                child.wait_ready()
            except (ChildDied, ChildHung) as death:
                self._give_back(child)
                raise Unavailable(
                    f"no decode process comes up ({death}); is the installation complete?", code="decoder_start"
                ) from None
        return child

    def _replaced(self, child: ChildProcess) -> ChildProcess:
        child.close()
        fresh = ChildProcess(self._setup)
        with self._free:
            self._all.discard(child)
            if not self._closed:
                self._all.add(fresh)
                return fresh
        fresh.close()
        raise Unavailable("the decode pool is closed", code="decoder_closed")

    def _give_back(self, child: ChildProcess) -> None:
        if child.busy and child.usable:
            child.send({"do": "stop"})
        with self._free:
            if not self._closed:
                self._idle.append(child)
                self._free.notify()


def _measure(said: object) -> int:
    """What the child says of itself; a child that a hostile file took over may say anything."""
    return min(max(said, 0), _MAX_MEASURE) if isinstance(said, int) else 0


def _raise_error(child: ChildProcess, answer: dict[str, Any], waiting: "list[int] | tuple[()]") -> None:
    """The error that the child reported, if it did. Cells already delivered are never named."""
    if answer["kind"] != "error":
        return
    if answer.get("spent"):
        child.close()
    kind = _KINDS.get(str(answer["error"]))
    message, code = str(answer["message"])[:2000], str(answer["code"])[:100]
    if kind is None:
        raise RuntimeError(f"defect in the decoder: {message}")
    name = describe(child.last_uri)
    if name not in message:
        message = f"{name}: {message}"
    named = [int(segment) for segment in answer["segments"]]
    raise kind(message, code=code, segments=named or waiting)
