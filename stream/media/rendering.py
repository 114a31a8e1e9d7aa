"""Media operators at work in a child of this process. What a file does to it costs the child and that task alone."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stream.children.process import Child, ChildDied, ChildHung, ChildSlow
from stream.clock import Clock, SystemClock
from stream.errors import BadMedia, Retryable, StageError, Unavailable
from stream.media import REGISTRY
from stream.media.child import INPUTS, OUTPUTS, PARTS, SCRATCH
from stream.media.model_files import ModelFiles
from stream.media.protocol import Part, Settings

_ASK_S, _WHOLE_S = 0.25, 10.0
_WORN_OUT_CPU_S = 1800.0
_FULL_BYTES = 1 << 20
"""With less than this left, nothing that was written can be believed: not every library tells that a write failed."""
_ROOM_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """Of one task. `silence_s`: an operator says at least that often that it goes on. `longest_s`: what takes longer is
    taken for an operator that never ends. Memory is address space, and not what is used.
    """

    memory_bytes: int = 6 << 30
    file_bytes: int = 32 << 30
    silence_s: float = 90.0
    longest_s: float = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class RenderWork:
    """A task for a child. `begin` finds the parts, and does the work as a whole where there are none. `inputs`: local
    files. `parts`: of a join, by part, the files by name; of a part that follows another, the files of that one.
    """

    do: Literal["begin", "part", "join"]
    operator: str
    settings: Settings
    inputs: Mapping[str, Path]
    seed: int = 0
    part: Part | None = None
    parts: Sequence[Mapping[str, Path]] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """`parts` of a beginning that does not do the work as a whole; else `files`, there until the next task."""

    parts: tuple[dict[str, Any], ...]
    files: Mapping[str, Path]


class Stopped(Exception):
    """The work was stopped on request."""


class Renderer:
    """One child and its folders, for one thread. The child starts with the first task and is kept warm.

    `folder`: a temporary folder of its own, on the file system of the objects where that is possible, as inputs are
    linked and not copied then.
    """

    def __init__(
        self,
        folder: Path,
        *,
        operators: Mapping[str, str] = REGISTRY,
        models: ModelFiles | None = None,
        limits: RenderLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._folder = folder
        self._operators = dict(operators)
        self._models = models or ModelFiles()
        self._limits = limits or RenderLimits()
        self._clock = clock or SystemClock()
        self._child: Child | None = None
        self._spent = (0.0, 0.0)

    @property
    def spent(self) -> tuple[float, float]:
        """CPU and wall seconds of the last task, however it ended."""
        return self._spent

    @property
    def scratch(self) -> Path:
        """For files that the next task reads; it is emptied before each task."""
        return self._folder / "fetched"

    def prepare(self) -> None:
        """Empty folders for the next task. Raises `OSError`."""
        for name in (INPUTS, OUTPUTS, SCRATCH, PARTS, self.scratch.name):
            path = self._folder / name
            path.mkdir(parents=True, exist_ok=True)
            # What is in it, and not the folder: a child's rights hold for this very folder.
            for inner in path.iterdir():
                shutil.rmtree(inner) if inner.is_dir() and not inner.is_symlink() else inner.unlink()

    def run(self, work: RenderWork, *, stop: Callable[[], bool], progress: Callable[[float], None]) -> Rendered:
        """Do a task after `prepare`. `stop` is asked several times a second. Raises `BadMedia` for what the operator
        refuses, `Retryable` (`media_child_died`, `media_hung`, `media_disk_full`), `Unavailable` (`media_child_start`,
        `disk_full`), and `Stopped`.
        """
        self._spent = (0.0, 0.0)
        child = self._started()
        begun_s, used_s, ended = self._clock.monotonic_s(), child.cpu_s(), True
        try:
            child.send(self._request(work))
            answer = self._followed(child, stop, progress)
            # Whatever else happens, it is still at this task: its answer must not be taken for the next one's.
            ended = False
        except (ChildDied, ChildHung, ChildSlow, Stopped) as error:
            # A page that finds no room ends its process too.
            if isinstance(error, ChildDied) and self._full():
                raise self._without_room(work.operator) from None
            raise _judged(error, work.operator) from None
        finally:
            # Before the child is ended: the kernel forgets what it used.
            self._spent = max(0.0, child.cpu_s() - used_s), self._clock.monotonic_s() - begun_s
            if ended:
                self.close()
        if answer["kind"] == "full" or self._full():
            raise self._without_room(work.operator)
        if answer["kind"] == "error":
            raise BadMedia(str(answer["message"])[:2000], code=str(answer["code"])[:100])
        return Rendered(
            parts=tuple(dict(part) for part in answer.get("parts", ())),
            files=self._files(),
        )

    def close(self) -> None:
        """Idempotent."""
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _full(self) -> bool:
        return shutil.disk_usage(self._folder).free < _FULL_BYTES

    def _without_room(self, operator: str) -> StageError:
        """Whether others fill the disk, or this task alone does, which no waiting changes."""
        self.close()
        self.prepare()
        disk = shutil.disk_usage(self._folder)
        if disk.free < min(_ROOM_BYTES, disk.total // 2):
            return Unavailable("the folder for temporary files is full", code="disk_full")
        return Retryable(
            f"{operator}: it needs more temporary room than this worker has; make its parts shorter, or give the folder"
            " for temporary files more",
            code="media_disk_full",
        )

    def _started(self) -> Child:
        if self._child is not None and self._child.usable and self._child.cpu_s() < _WORN_OUT_CPU_S:
            return self._child
        self.close()
        setup = {
            "operators": self._operators,
            "models": self._models.as_json(),
            "folder": str(self._folder),
            "memory_bytes": self._limits.memory_bytes,
            "file_bytes": self._limits.file_bytes,
        }
        try:
            self._child = Child("stream.media.child", setup)
            self._child.wait_ready()
        except (OSError, ChildDied, ChildHung) as error:
            self.close()
            why = error.strerror if isinstance(error, OSError) else "it did not start"
            raise Unavailable(f"no child for media operators: {why}", code="media_child_start") from None
        return self._child

    def _request(self, work: RenderWork) -> dict[str, Any]:
        inputs = {name: f"{index}{path.suffix}" for index, (name, path) in enumerate(sorted(work.inputs.items()))}
        for name, path in work.inputs.items():
            _link(path, self._folder / INPUTS / inputs[name])
        for index, files in enumerate(work.parts):
            folder = self._folder / PARTS / str(index)
            folder.mkdir()
            for name, path in files.items():
                _link(path, folder / name)
        return {
            "do": {"begin": "divide", "part": "render", "join": "join"}[work.do],
            "operator": work.operator,
            "settings": dict(work.settings),
            "inputs": inputs,
            "seed": work.seed,
            "part": None if work.part is None else dict(work.part),
            "part_count": len(work.parts),
        }

    def _followed(self, child: Child, stop: Callable[[], bool], progress: Callable[[float], None]) -> dict[str, Any]:
        begun_s = heard_s = self._clock.monotonic_s()
        while True:
            child.allow_cpu(self._limits.silence_s)
            if stop():
                raise Stopped
            if not child.waits(_ASK_S):
                now_s = self._clock.monotonic_s()
                if now_s - heard_s > self._limits.silence_s:
                    raise ChildHung
                if now_s - begun_s > self._limits.longest_s:
                    raise ChildSlow
                continue
            answer = child.receive(_WHOLE_S)
            heard_s = self._clock.monotonic_s()
            if answer["kind"] != "progress":
                return answer
            progress(float(answer.get("share", 0.0)))

    def _files(self) -> dict[str, Path]:
        folder = self._folder / OUTPUTS
        # Only files, never links: a child that was taken over must not name what it could not read.
        return {path.name: path for path in sorted(folder.iterdir()) if path.is_file() and not path.is_symlink()}


def _judged(error: Exception, operator: str) -> Exception:
    match error:
        case Stopped():
            return error
        case ChildSlow():
            return BadMedia(f"{operator}: the work took too long; make its parts shorter", code="media_too_slow")
        case ChildHung():
            return Retryable(f"{operator}: its child said nothing for too long", code="media_hung")
        case _:
            how = error.how if isinstance(error, ChildDied) else type(error).__name__
            return Retryable(f"{operator}: its child ended ({how})", code="media_child_died")


def _link(path: Path, place: Path) -> None:
    """Another name for a file that nobody changes; a copy where a name cannot be had."""
    try:
        os.link(path, place)
    except OSError:
        shutil.copyfile(path, place)
