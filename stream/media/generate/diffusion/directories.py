"""A directory with a pipeline: what is in it is looked at before anything of it is loaded."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stream.errors import BadRequest, Unavailable
from stream.media.generate.diffusion.families import CLASSES, FAMILIES, WITHOUT_WEIGHTS, Family

PREFIX = "hf:"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}){0,3}")
MAX_FILES, MAX_JSON_BYTES, MAX_WEIGHT_BYTES = 500, 32 << 20, 64 << 30
_INDEX, _WEIGHTS = "model_index.json", ".safetensors"
_READ = frozenset({".json", ".model", ".safetensors", ".txt"})
"""The suffixes of files that loading reads; what else lies there changes nothing."""
_PICKLES = frozenset({".bin", ".ckpt", ".pkl", ".pickle", ".pt", ".pth"})


@dataclass(frozen=True, slots=True)
class Directory:
    """A pipeline that may be loaded. `digest`: sha256 over the names and bytes of all that loading reads."""

    name: str
    path: Path
    pipeline: str
    components: Mapping[str, tuple[str, str]]
    digest: str

    @property
    def family(self) -> Family:
        return FAMILIES[self.pipeline]


def directory(model: str, roots: Sequence[Path]) -> Directory:
    """Of `hf:NAME`. Raises `BadRequest` (`model_refused`) that says what is wrong with it, and `Unavailable`
    (`toolchain_lacks`) where no root has it.
    """
    name = model.removeprefix(PREFIX)
    path = _found(name, roots)
    return _looked_at(name, path, tuple((str(file.relative_to(path)), *_stamp(file)) for file in _files(name, path)))


@lru_cache(maxsize=64)
def _looked_at(name: str, path: Path, facts: tuple[tuple[str, int, int, int], ...]) -> Directory:
    """Once for files that do not change, as it is asked for with each part; `facts` are what tells that they did."""
    index = _json(name, path / _INDEX)
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str) or pipeline not in FAMILIES:
        raise _refused(name, f"its {_INDEX} names no pipeline that is known; known are {', '.join(FAMILIES)}")
    components = dict(_components(name, index))
    for component, (_, kind) in components.items():
        _check_component(name, path, component, kind)
    return Directory(name, path, pipeline, components, _digest(path, [name for name, *_ in facts]))


def _found(name: str, roots: Sequence[Path]) -> Path:
    if not NAME.fullmatch(name) or ".." in name:
        raise _refused("the model", f"{PREFIX}NAME names a directory below the folder of models, and no other path")
    for root in roots:
        real = root.resolve()
        path = real / name
        if path.resolve() != path:
            # Also where a folder on the way is one.
            raise _refused(name, "its directory is a link: put the directory itself there")
        if path.is_dir():
            return path
    raise Unavailable(
        f"model: {name} is not in the folder of models on this machine: put its directory below `models` in the state"
        " directory",
        code="toolchain_lacks",
    )


def _files(name: str, path: Path) -> Iterator[Path]:
    """The files that loading reads, in the order of their names."""
    count = total = 0
    for folder, folders, files in os.walk(path):
        folders.sort()
        for entry in sorted([*files, *folders]):
            file = Path(folder) / entry
            count += 1
            if count > MAX_FILES:
                raise _refused(name, f"it holds more than {MAX_FILES} files")
            mode = file.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise _refused(name, f"{entry} is a link: copy the files themselves (`hf download --local-dir`)")
            if stat.S_ISDIR(mode) or file.suffix not in _READ:
                continue
            if not stat.S_ISREG(mode):
                raise _refused(name, f"{entry} is no file")
            size = file.lstat().st_size
            total += size
            if total > MAX_WEIGHT_BYTES or (file.suffix != _WEIGHTS and size > MAX_JSON_BYTES):
                raise _refused(name, f"{entry} makes it larger than is allowed")
            yield file


def _components(name: str, index: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    for component, value in index.items():
        if component.startswith("_") or not isinstance(value, list) or value == [None, None]:
            continue
        if component not in CLASSES:
            raise _refused(name, f"its {_INDEX} has the component {component[:40]!r}, which is not known")
        library, kind = value if len(value) == 2 else (None, None)
        if library not in {"diffusers", "transformers"} or kind not in CLASSES[component]:
            raise _refused(name, f"{component}: its class is none that may be loaded; these may: {_some(component)}")
        yield component, (str(library), str(kind))


def _check_component(name: str, path: Path, component: str, kind: str) -> None:
    folder = path / component
    if not folder.is_dir():
        raise _refused(name, f"the folder {component} is missing")
    for config in sorted(folder.glob("*.json")):
        told = _json(name, config)
        # Code that a model brings would run with this process's rights.
        if "auto_map" in told or "custom_pipelines" in told:
            raise _refused(name, f"{component}/{config.name} asks for code of its own, which is never run")
        own = told.get("_class_name", kind)
        if config.name in {"config.json", "scheduler_config.json"} and own != kind:
            raise _refused(name, f"{component}/{config.name} is of another class than {_INDEX} says")
    if component in WITHOUT_WEIGHTS:
        return
    if not (folder / "config.json").is_file():
        raise _refused(name, f"{component}/config.json is missing")
    weights = sorted(folder.glob(f"*{_WEIGHTS}"))
    if not weights:
        pickled = any(file.suffix in _PICKLES for file in folder.iterdir())
        why = "its weights are pickled, which can run code: convert them" if pickled else "it has no weights"
        raise _refused(name, f"{component}: {why}; a {_WEIGHTS} file is needed")
    for file in weights:
        _check_header(name, file)


def _check_header(name: str, file: Path) -> None:
    """The header of safetensors: a length of 8 bytes, then JSON with the place of each tensor."""
    where = f"{file.parent.name}/{file.name}"
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        size = file.stat().st_size
        if not 2 <= length <= min(MAX_JSON_BYTES, size - 8):
            raise _refused(name, f"{where} is no safetensors file")
        try:
            header = json.loads(opened.read(length))
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
            whole = max(ends, default=0) == size - 8 - length
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            whole = False
    if not whole:
        raise _refused(name, f"{where} is cut off or damaged: its tensors are not as long as it says")


def _json(name: str, path: Path) -> dict[str, Any]:
    where = path.name if path.name == _INDEX else f"{path.parent.name}/{path.name}"
    try:
        told = json.loads(path.read_bytes())
    except OSError:
        raise _refused(name, f"{where} is missing") from None
    except (ValueError, RecursionError):
        raise _refused(name, f"{where} is no JSON") from None
    # Some tokenizers keep lists.
    if not isinstance(told, dict):
        if path.name == _INDEX:
            raise _refused(name, f"{where} is no JSON object")
        return {}
    return told


def _stamp(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _digest(path: Path, names: Sequence[str]) -> str:
    hasher = hashlib.sha256()
    for name in names:
        hasher.update(name.encode() + b"\0")
        with (path / name).open("rb") as file:
            hasher.update(hashlib.file_digest(file, "sha256").digest())
    return hasher.hexdigest()


def _some(component: str) -> str:
    return ", ".join(sorted(CLASSES[component])[:6])


def _refused(name: str, problem: str) -> BadRequest:
    return BadRequest(f"model: {name}: {problem}", code="model_refused")
