"""The child that renders: it runs one media operator at a time, in folders of its own, confined by the kernel."""

import errno
import importlib
import signal
import socket
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stream.children.confinement import Rights, confine, die_with, die_with_lifeline
from stream.children.loading import loaded
from stream.children.messages import REPORT_EVERY_S, Messages
from stream.clock import SystemClock
from stream.errors import BadMedia, BadRequest, StageError
from stream.media.catalogue import load
from stream.media.model_files import ModelFiles
from stream.media.processor import instruction_set
from stream.media.protocol import MediaOperator, Task

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
INPUTS, OUTPUTS, SCRATCH, PARTS = "in", "out", "scratch", "parts"
"""The folders of a child, in the order in which a task fills them."""
_RANDOM = Path("/dev/urandom")


def main(control_fd: int, lifeline_fd: int) -> None:
    """Serves requests until the parent goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    messages = Messages(socket.socket(fileno=control_fd))
    setup = messages.receive()
    die_with(setup["parent"])
    models = ModelFiles.from_json(setup["models"])
    operators = {name: load(target, models) for name, target in setup["operators"].items()}
    folder = Path(setup["folder"])
    # Code of operators from other packages stays readable, as libraries import some of theirs late.
    packages = {target.partition(".")[0] for target in setup["operators"].values()}
    readable = [path for name in packages for path in getattr(importlib.import_module(name), "__path__", ())]
    rights = Rights(
        setup["memory_bytes"],
        "stream",
        reads=(str(folder / INPUTS), str(folder / PARTS), *models.folders(), *_library_folders(), *readable),
        writes=(str(folder / OUTPUTS), str(folder / SCRATCH)),
        file_bytes=setup["file_bytes"],
        files=256,
    )
    # Nobody may read it once confined, and encoders choose their code by it.
    instruction_set()
    # Libraries ask for one when they are loaded, and find none among those of the system.
    tempfile.tempdir = str(folder / SCRATCH)
    held = confine(rights)
    threading.Thread(target=die_with_lifeline, args=(lifeline_fd,), daemon=True).start()
    loaded()
    messages.send({"kind": "ready", "held": held})
    _Child(messages, operators, folder).serve()


def _library_folders() -> set[str]:
    """Where the system's C library lies, and its random numbers. Torch takes seconds and half a gigabyte, so only an
    operator that uses it loads it, and torch needs both to load.
    """
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else ()
    paths = (Path(line.split(maxsplit=5)[5]) for line in lines if "/" in line)
    folders = {str(path.parent) for path in paths if path.name.startswith(("libc.so", "libc-", "ld-musl"))}
    return folders | {str(_RANDOM)} if _RANDOM.exists() else folders


class _Child:
    def __init__(self, messages: Messages, operators: dict[str, Any], folder: Path) -> None:
        self._messages = messages
        self._operators = operators
        self._folder = folder
        self._clock = SystemClock()
        self._reported_s = float("-inf")

    def serve(self) -> None:
        actions: dict[str, Callable[[MediaOperator, Task, dict[str, Any]], dict[str, Any]]] = {
            "divide": self._divide,
            "render": self._render,
            "join": self._join,
        }
        while True:
            request = self._messages.receive()
            self._messages.send(self._answer(actions[request["do"]], request))

    def _answer(
        self, action: Callable[[MediaOperator, Task, dict[str, Any]], dict[str, Any]], request: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            return {"kind": "done"} | action(self._operators[request["operator"]], self._task(request), request)
        except (BadMedia, BadRequest) as error:
            return _error(error)
        except StageError as error:
            return _error(BadMedia(error.message, code=error.code))
        except MemoryError:
            message = "the work needs more memory than is allowed: use smaller pictures, or raise the limit"
            return _error(BadMedia(message, code="media_out_of_memory"))
        except Exception as error:  # noqa: BLE001 - a defect of the operator; names type and place, never content
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                return {"kind": "full"}
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            return _error(BadMedia(f"a defect: {type(error).__name__} in {place}", code="operator_defect"))

    def _task(self, request: dict[str, Any]) -> Task:
        return Task(
            settings=request["settings"],
            inputs={name: self._folder / INPUTS / file for name, file in request["inputs"].items()},
            folder=self._folder / OUTPUTS,
            scratch=self._folder / SCRATCH,
            seed=request["seed"],
            part=request["part"],
            before=self._folder / PARTS / "0" if request["do"] == "render" and request["part_count"] else None,
            report=self._report,
        )

    def _divide(self, operator: MediaOperator, task: Task, _: dict[str, Any]) -> dict[str, Any]:
        parts = [dict(part) for part in operator.divide(task)]
        if not parts:
            operator.render(task)
        return {"parts": parts}

    def _render(self, operator: MediaOperator, task: Task, _: dict[str, Any]) -> dict[str, Any]:
        operator.render(task)
        return {}

    def _join(self, operator: MediaOperator, task: Task, request: dict[str, Any]) -> dict[str, Any]:
        operator.join(task, [self._folder / PARTS / str(index) for index in range(request["part_count"])])
        return {}

    def _report(self, share: float) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._reported_s >= REPORT_EVERY_S:
            self._reported_s = now_s
            self._messages.send({"kind": "progress", "share": min(1.0, max(0.0, float(share)))})


def _error(error: StageError) -> dict[str, Any]:
    return {"kind": "error", "code": error.code, "message": error.message}
