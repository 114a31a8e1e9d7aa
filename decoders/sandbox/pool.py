"""A warm pool of decode children: a crash, a hang or a file that needs too much costs one child, not the worker."""

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from decoders import REGISTRY
from decoders.protocol import Inspection
from decoders.sandbox.child import SLOTS
from decoders.sandbox.helper import Helper, measure
from decoders.sandbox.process import ChildProcess, reported_in_words
from decoders.sources.policy import SourcePolicy
from decoders.sources.uris import describe
from stream.children.process import NONSENSE, ChildDied, ChildHung, ChildSlow
from stream.errors import BadMedia, Fatal, Retryable, StageError, Superseded, Unavailable
from stream.events.asset import Media, SourceVersion, SpanPlanned
from stream.events.frames import EncodedFrames
from stream.events.grid import SECOND_NS, SEGMENT_NS

_KINDS: dict[str, type[StageError]] = {kind.__name__: kind for kind in (BadMedia, Superseded, Retryable)}
"""The errors that a child may report. A child works for one file, so it must not pause or stop the stage."""
_RUN_IN_S_PER_S = 0.5
"""Extra time to decode up to a span's first cell, in the worst case from byte 0, at twice real time."""
_MAX_RUN_IN_S = 1800.0
"""Upper limit of that extra time: a file may claim any position, and a hang must still end."""
_AHEAD = SLOTS + 1
"""Cells that a child may have in progress before its parent updates the CPU limit."""
_PATIENCE_S = 1.0
"""How long an inspection waits for a busy child before one more child is started."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one child may use. `wall_s` and `cpu_s` apply to each cell and to each stretch of an inspection: reading on
    restarts them (`decoders.sources.counting_source`), up to `longest_s` in total. A file without an index is read to
    its end, which can take long. But Kafka expels a worker that does not poll for five minutes, and its successor would
    begin again.
    """

    memory_bytes: int = 3 << 30
    wall_s: float = 90.0
    cpu_s: float = 90.0
    longest_s: float = 240.0


@dataclass(slots=True, eq=False)
class _Seat:
    """A place in the pool. It outlives its child: if the child ended or never started, the next request starts one."""

    child: ChildProcess | None = None


class DecodePool:
    """Thread-safe. `decode` waits for a free child, and an open iterator holds one. `inspect` does not wait for long:
    where all children decode, one more is started for inspections. `policy`: what may be read; `policy_of`: by whose it
    is.

    Raises the decoder's errors; `Retryable` `decoder_died` or `decoder_hung`, and `BadMedia` `decoder_out_of_memory` or
    `too_slow`, when a child ended; `Unavailable` `decoder_start` when no child starts; and `Fatal` `sandbox_required`
    when the sandbox is required and this machine cannot provide all of it.
    """

    def __init__(
        self,
        *,
        children: int = 2,
        policy: SourcePolicy | None = None,
        policy_of: Callable[[str], SourcePolicy] | None = None,
        limits: ChildLimits | None = None,
        decoder: str = REGISTRY["pyav"],
        require_sandbox: bool = False,
    ) -> None:
        self._limits = limits or ChildLimits()
        everyone = policy or SourcePolicy()
        self._policy_of = policy_of or (lambda _tenant: everyone)
        self._setup = {"decoder": decoder, "memory_bytes": self._limits.memory_bytes}
        self._require_sandbox = require_sandbox
        self._held: dict[str, bool] = {}
        self._starter = ThreadPoolExecutor(1, "rushes-decoders")  # a child ends with the thread that started it
        self._free = threading.Condition()
        self._warming, self._warm = threading.Lock(), False
        self._brief = 0  # who waits for a child that they need only briefly
        self._closed = False
        self._seats = tuple(_Seat() for _ in range(children))
        # Longest idle first, so that all children are used and wear out alike.
        self._idle = list(self._seats)
        self._one_more = _Seat()
        self._spare = [self._one_more]
        # All start at once: they import at the same time, and early requests find them ready.
        for seat in self._seats:
            with suppress(Unavailable):  # the request that needs the child reports it
                self._start(seat)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pids(self) -> set[int]:
        """Process ids of the last child of each seat, alive or not."""
        return {seat.child.pid for seat in (*self._seats, self._one_more) if seat.child is not None}

    @property
    def ready(self) -> int:
        """How many children are started and idle: this many requests need not wait for a start."""
        with self._free:
            return sum(seat.child is not None and seat.child.ready for seat in self._idle)

    @property
    def held(self) -> dict[str, bool]:
        """Which `confinement.MEASURES` hold for children on this machine; empty before the first child has started."""
        return dict(self._held)

    def warm(self) -> None:
        """Waits until each child has started, once. Raises `Unavailable` (`decoder_start`) and
        `Fatal` (`sandbox_required`).
        """
        with self._warming:
            # Once for all that wait: a second round would wait for children that work for the first, and a member that
            # joins its group late takes partitions from the others, whose work would be done again.
            if not self._warm:
                for _ in self._seats:
                    with self._child("", "", ()):
                        pass
            self._warm = True

    def close(self) -> None:
        """Ends all children; calls in flight fail with `decoder_died`. Idempotent."""
        with self._free:
            # Under the lock: a thread that waits for a seat wakes up and sees it.
            self._closed = True
            self._idle.clear()
            self._free.notify_all()
        for seat in (*self._seats, self._one_more):
            if seat.child is not None:
                seat.child.close()
        self._starter.shutdown()

    def inspect(self, uri: str, tenant: str = "default") -> Inspection:
        """What the plan stage must know about a source of the tenant; see `decoders.protocol.Inspection`."""
        with self._child(uri, tenant, (), brief=True) as child:
            child.allow_cpu(self._limits.cpu_s)
            child.send({"do": "inspect"})
            child.busy = True
            answer = self._inspected(child, uri)
            child.busy = False
            _check_answer(child, answer, "inspection", ())
            return Inspection(
                source=SourceVersion.model_validate(answer["source"]),
                content_digest=str(answer["content_digest"]),
                media=Media.model_validate(answer["media"]),
                keyframes_ns=tuple(int(time_ns) for time_ns in answer["keyframes_ns"]),
            )

    def _inspected(self, child: ChildProcess, uri: str) -> dict[str, Any]:
        try:
            return child.follow(self._limits.wall_s, self._limits.cpu_s, self._limits.longest_s)
        except ChildSlow:
            child.close()
            raise BadMedia(
                f"{describe(uri)}: read for {self._limits.longest_s:g} s without reaching its end; copy it to faster "
                "storage or rewrite it with an index (ffmpeg -i IN -c copy OUT.mp4), and replay it",
                code="too_slow",
            ) from None

    def decode(self, span: SpanPlanned) -> Generator[EncodedFrames]:
        """Yields one encoded `Frames` per cell, ascending, when it is complete. Errors name the undelivered cells."""
        waiting = list(range(span.first_segment, span.end_segment))
        run_in_s = min(span.first_segment * SEGMENT_NS / SECOND_NS * _RUN_IN_S_PER_S, _MAX_RUN_IN_S)
        limits = self._limits
        with self._child(span.uri, span.asset.tenant, waiting) as child, self._helper(span) as helper:
            child.allow_cpu(_AHEAD * limits.cpu_s + run_in_s)
            shared = helper is not None
            child.send({"do": "decode", "span": span.model_dump(mode="json"), "shared": shared})
            child.busy = True
            wall_s = limits.wall_s + run_in_s
            spent_s = child.cpu_s()
            while True:
                answer = child.receive(wall_s)
                if answer["kind"] == "later" and helper is not None and shared:
                    shared = False  # asked for once: who asks again and again would never end
                    child.give(helper.later())
                    continue
                if answer["kind"] != "frames":
                    break
                wall_s = limits.wall_s
                before_s, spent_s = spent_s, child.cpu_s()
                child.allow_cpu(_AHEAD * limits.cpu_s)
                segment = int(answer["segment"])
                # Copied before the slot is freed: the child overwrites it at once.
                value = child.pixels(int(answer["offset"]), int(answer["size"]))
                child.send({"do": "free"})
                if segment not in waiting:
                    raise ChildDied(NONSENSE)
                waiting.remove(segment)
                yield EncodedFrames(
                    segment,
                    span.segment_id(segment),
                    value,
                    cpu_us=measure(round((spent_s - before_s) * 1e6)) + (helper.cpu_us if helper else 0),
                    read_bytes=measure(answer.get("read_bytes")) + (helper.read_bytes if helper else 0),
                    priority=span.priority,
                )
            child.busy = False
            _check_answer(child, answer, "done", waiting)
            if waiting:  # the child said "done" without these cells
                raise ChildDied(NONSENSE)

    @contextmanager
    def _helper(self, span: SpanPlanned) -> "Iterator[Helper | None]":
        """Another child that decodes the later part of a span that can be shared, if one has nothing to do."""
        seat = self._take_idle() if span.settings.split_ns is not None else None
        if seat is None or seat.child is None:
            yield None
            return
        try:
            policy, limits = self._policy_of(span.asset.tenant), self._limits
            yield Helper(seat.child, span, policy, wall_s=limits.wall_s, cpu_s=limits.cpu_s)
        finally:
            self._give_back(seat)

    def _take_idle(self) -> _Seat | None:
        """A seat whose child is ready at once, while nobody waits for one."""
        with self._free:
            if self._closed or self._brief:
                return None
            ready = (each for each in self._idle if each.child and each.child.ready and not each.child.busy)
            seat = next((each for each in ready if each.child and each.child.usable and not each.child.worn_out), None)
            if seat is not None:
                self._idle.remove(seat)
            return seat

    @contextmanager
    def _child(
        self, uri: str, tenant: str, waiting: "list[int] | tuple[()]", *, brief: bool = False
    ) -> Iterator[ChildProcess]:
        """A free child, started and idle. If it ends, the error names the URI and the cells that are still missing."""
        seat, child = self._seat_and_child(uri, brief=brief)
        try:
            child.serve(uri, self._policy_of(tenant))
            with reported_in_words(child, waiting):
                yield child
        finally:
            self._give_back(seat)

    def _seat_and_child(self, uri: str, *, brief: bool) -> tuple[_Seat, ChildProcess]:
        """Where the spare child does not start, there is no room for it: the others are waited for from then on."""
        while True:
            seat = self._take(uri, brief=brief)
            try:
                return seat, self._idle_child(seat)
            except BaseException as error:
                if seat is not self._one_more or not isinstance(error, Unavailable):
                    self._give_back(seat)
                    raise
                if seat.child is not None:
                    seat.child.close()

    def _take(self, uri: str, *, brief: bool) -> _Seat:
        """The idle seat whose child has this source open, else the seat that is idle for longest. Who needs it only
        briefly goes first, or gets one more: otherwise a clip would not even be looked at before the spans of a film
        are decoded.
        """
        with self._free:
            self._brief += brief
            try:
                while not self._free.wait_for(
                    lambda: self._closed or (self._idle and (brief or not self._brief)), self._patience_s(brief=brief)
                ):
                    if self._spare:
                        return self._spare.pop()
            finally:
                self._brief -= brief
                self._free.notify_all()
            if self._closed:
                raise _pool_closed()
            # A child that has the source open saves the open and the blocks in its memory.
            seat = next((each for each in self._idle if each.child and each.child.last_uri == uri), self._idle[0])
            self._idle.remove(seat)
        return seat

    def _patience_s(self, *, brief: bool) -> float | None:
        """How long to wait for an idle seat before the spare one is taken; None for ever."""
        if not brief:
            return None
        started = any(seat.child is not None for seat in self._spare)
        return 0.0 if started else _PATIENCE_S

    def _idle_child(self, seat: _Seat) -> ChildProcess:
        """The seat's child, idle: it finishes a span that was closed early, and a child that ended is replaced."""
        if seat.child is not None and seat.child.usable and not seat.child.worn_out:
            # A failure here only costs the child: the request gets a fresh one.
            with suppress(ChildDied, ChildHung):
                seat.child.rest(self._limits.wall_s)
                self._check_sandbox(seat.child)
                return seat.child
        child = self._start(seat)
        try:
            child.wait_ready()
            self._check_sandbox(child)
        except (ChildDied, ChildHung) as death:
            raise Unavailable(
                f"no decode process starts ({death}); check that the installation is complete", code="decoder_start"
            ) from None
        return child

    def _check_sandbox(self, child: ChildProcess) -> None:
        """Logs once which measures hold. Raises `Fatal` where all are required and some are missing."""
        missing = [name for name, held in child.held.items() if not held]
        if not self._held:
            holds = "holds" if not missing else f"holds except for: {', '.join(missing)}"
            _log.info("the sandbox of decode processes %s", holds)
        self._held = child.held
        if missing and self._require_sandbox:
            raise Fatal(
                f"the sandbox of decode processes is required, but this machine does not enforce: {', '.join(missing)};"
                " `rushes doctor` says what to do, or run without RUSHES_SANDBOX=required",
                code="sandbox_required",
            )

    def _start(self, seat: _Seat) -> ChildProcess:
        """Replaces the seat's child with a fresh one. It holds the lock, so `close` either ends the child or stops its
        start.
        """
        if seat.child is not None:
            seat.child.close()
        with self._free:
            if self._closed:
                raise _pool_closed()
            try:
                seat.child = self._starter.submit(ChildProcess, self._setup).result()
            except OSError as error:
                raise Unavailable(
                    f"no decode process can be started ({error.strerror or type(error).__name__}): this machine or "
                    "container has reached its limit of processes, memory or open files; raise the limit or run fewer "
                    "processes",
                    code="decoder_start",
                ) from None
            return seat.child

    def _give_back(self, seat: _Seat) -> None:
        if seat.child is not None and seat.child.busy and seat.child.usable:
            # Only asks. The next user waits for the rest, so that closing an iterator takes no time.
            seat.child.send({"do": "stop"})
        with self._free:
            if not self._closed:
                (self._spare if seat is self._one_more else self._idle).append(seat)
                self._free.notify_all()


def _pool_closed() -> Unavailable:
    return Unavailable("the decode pool is closed", code="decoder_closed")


def _check_answer(child: ChildProcess, answer: dict[str, Any], expected: str, waiting: "list[int] | tuple[()]") -> None:
    """Raises the error that the child reported, if any. It names only cells that were requested and not delivered."""
    if answer["kind"] == expected:
        return
    if answer["kind"] != "error":
        raise ChildDied(NONSENSE)
    if answer.get("spent"):
        child.close()
    kind = _KINDS.get(str(answer["error"]))
    message, code = str(answer["message"])[:2000], str(answer["code"])[:100]
    if kind is None:
        raise RuntimeError(f"defect in the decoder: {message}")
    name = describe(child.last_uri)
    if name not in message:
        message = f"{name}: {message}"
    # Cells that were never asked for are left out: a child must not fail others.
    named = set(answer["segments"])
    raise kind(message, code=code, segments=[segment for segment in waiting if segment in named] or waiting)
