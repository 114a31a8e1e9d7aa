"""The decode child: a fresh interpreter that opens sources and decodes them for `decoders.sandbox`. No torch in it.

Messages are JSON, so a child that a hostile file took over cannot make its parent run anything. Pixels go through a
slab of memory that belongs to the parent.
"""

import dataclasses
import importlib
import mmap
import os
import resource
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decoders.messages import Messages
from decoders.metered import Metered
from decoders.protocol import Decoder, Source
from decoders.source import SourcePolicy, open_source
from stream.errors import BadMedia, StageError
from stream.events.asset import SourceVersion, SpanPlanned
from stream.events.frames import MAX_FRAMES_BYTES

SLOTS = 2
SLOT_BYTES = MAX_FRAMES_BYTES


class _Stopped(Exception):
    """The parent no longer wants the rest of the span."""


def main(control_fd: int, lifeline_fd: int, slab_fd: int) -> None:
    """Serve requests until the parent goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_die_with_parent, args=(lifeline_fd,), daemon=True).start()
    messages = Messages(socket.socket(fileno=control_fd))
    setup = messages.receive()
    policy = policy_of(setup["policy"])
    module, _, name = setup["decoder"].partition(":")
    decoder: Decoder = getattr(importlib.import_module(module), name)()
    _limit_memory(setup["memory_bytes"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what a hostile file crashes leaves no gigabytes behind
    child = _Child(messages, mmap.mmap(slab_fd, SLOTS * SLOT_BYTES), policy, decoder)
    child.send({"kind": "ready"})
    child.serve()


class _Child:
    def __init__(self, messages: Messages, slab: mmap.mmap, policy: SourcePolicy, decoder: Decoder) -> None:
        self._messages = messages
        self._slab = slab
        self._policy = policy
        self._decoder = decoder
        self._opened: tuple[str, SourceVersion, Metered] | None = None
        self._sent = self._freed = 0

    def send(self, message: dict[str, Any]) -> None:
        self._messages.send(message)

    def serve(self) -> None:
        actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "inspect": self._inspect,
            "decode": self._decode,
        }
        while True:
            request = self._messages.receive()
            action = actions.get(request["do"])
            if action is None:
                continue  # "free" and "stop" that crossed with the end of a span
            answer = self._answer(action, request)
            self.send(answer)
            if answer.get("spent"):
                return

    def _answer(self, action: Callable[[dict[str, Any]], dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        try:
            return action(request)
        except _Stopped:
            return {"kind": "done"}
        except StageError as error:
            return _error(type(error).__name__, error.code, error.message, error.segments)
        except MemoryError:
            self._forget()
            message = "decoding needs more memory than is allowed; the file claims more than it can be"
            return _error("BadMedia", "decoder_out_of_memory", message, ()) | {"spent": True}
        except Exception as error:  # noqa: BLE001 - a defect of the decoder; only where and what, never content
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            return _error("", "decoder_defect", f"{type(error).__name__} in {place}", ())

    def _inspect(self, request: dict[str, Any]) -> dict[str, Any]:
        def progressed() -> None:
            _limit_cpu(request["cpu_s"])
            self.send({"kind": "progress"})

        _limit_cpu(request["cpu_s"])
        source = self._source(request["uri"])
        with source.reporting(progressed):
            found = self._decoder.inspect(source)
        return {
            "kind": "inspection",
            "source": found.source.model_dump(),
            "content_digest": found.content_digest,
            "media": found.media.model_dump(),
            "keyframes_ns": found.keyframes_ns,
        }

    def _decode(self, request: dict[str, Any]) -> dict[str, Any]:
        self._sent = self._freed = 0
        span = SpanPlanned.model_validate_json(request["span"])
        _limit_cpu(request["first_cpu_s"])
        source = self._source(span.uri)
        spent = _spent(source)
        for frames in self._decoder.decode(source, span):
            value = frames.to_bytes()
            if len(value) > SLOT_BYTES:
                raise BadMedia(f"segment {frames.segment} is too large", code="too_large", segments=[frames.segment])
            self._wait_for_slot()
            offset = (self._sent % SLOTS) * SLOT_BYTES
            self._slab[offset : offset + len(value)] = value
            self._sent += 1
            before, spent = spent, _spent(source)
            cost = {"cpu_us": spent[0] - before[0], "read_bytes": spent[1] - before[1]}
            self.send({"kind": "frames", "offset": offset, "size": len(value), "segment": frames.segment} | cost)
            _limit_cpu(request["cpu_s"])
        return {"kind": "done"}

    def _wait_for_slot(self) -> None:
        """Takes what the parent said meanwhile; blocks only while both slots are full."""
        while self._sent - self._freed >= SLOTS or self._messages.pending():
            request = self._messages.receive()
            if request["do"] == "stop":
                raise _Stopped
            self._freed += 1

    def _source(self, uri: str) -> Metered:
        """Kept open over consecutive requests for the same, unchanged source."""
        if self._opened is not None:
            opened_uri, version, source = self._opened
            if opened_uri == uri and _is_still(source, version):
                return source
            self._forget()
        opened = open_source(uri, self._policy)
        version = opened.version
        source = Metered(opened, version.size_bytes)
        self._opened = (uri, version, source)
        return source

    def _forget(self) -> None:
        if self._opened is not None:
            self._opened[2].close()
            self._opened = None


def _spent(source: Metered) -> tuple[int, int]:
    """(CPU time of this process in µs, bytes read of the source)."""
    return time.process_time_ns() // 1000, source.read_bytes


def _is_still(source: Source, version: SourceVersion) -> bool:
    try:
        return source.version == version
    except StageError:
        return False


def _error(kind: str, code: str, message: str, segments: tuple[int, ...]) -> dict[str, Any]:
    return {"kind": "error", "error": kind, "code": code, "message": message, "segments": segments}


def _die_with_parent(lifeline_fd: int) -> None:
    """The parent holds the other end and never writes: the read returns when the parent is gone, however it went."""
    os.read(lifeline_fd, 1)
    os._exit(0)


def _limit_memory(more_bytes: int) -> None:
    """Address space beyond what the interpreter and its libraries have reserved already. Linux only."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + more_bytes, used + more_bytes))


def _limit_cpu(more_s: float) -> None:
    """SIGXCPU ends the process when it has used this much more CPU time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime + more_s) + 1, hard))


def policy_as_json(policy: SourcePolicy) -> dict[str, Any]:
    """What `policy_of` makes a `SourcePolicy` of."""
    return dataclasses.asdict(policy) | {"roots": sorted(policy.roots)}


def policy_of(values: dict[str, Any]) -> SourcePolicy:
    """The policy as it was: its roots are taken as they are, not resolved anew."""
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return SourcePolicy(**frozen | {"roots": frozenset(values["roots"])})


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
