"""Checkpoints of torch, read without torch: to import it takes longer than the models of a short clip run.

Both layouts of `torch.save`: an archive (`data.pkl`, then a file per storage), and the older one (five pickles, then
the storages one after the other). Only plain tensors in a dictionary are understood, and nothing is executed.
"""

import io
import pickle  # noqa: TID251 - read by an unpickler that knows tensors alone
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stream.errors import Fatal

Array = npt.NDArray[Any]
_BROKEN = (EOFError, KeyError, ValueError, TypeError, AttributeError, struct.error, zipfile.BadZipFile, zlib.error)
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
}


class _Stored(NamedTuple):
    """A tensor whose values are read later."""

    key: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]

    def of(self, storage: bytes) -> Array:
        values = np.frombuffer(storage, self.dtype)[self.offset :]
        last = sum((size - 1) * step for size, step in zip(self.shape, self.steps, strict=True))
        # Checked, because a view by steps may read outside of its memory.
        if min(self.offset, *self.shape, *self.steps, 0) < 0 or (0 not in self.shape and last >= len(values)):
            raise ValueError("a tensor is larger than what is stored of it")
        bytes_apart = [step * self.dtype.itemsize for step in self.steps]
        return np.lib.stride_tricks.as_strided(values, self.shape, bytes_apart, writeable=False).copy()


def read_checkpoint(path: Path) -> dict[str, Array]:
    """Tensors by name. Raises `Fatal` (`wrong_checkpoint`) for anything but plain tensors, and `OSError`."""
    try:
        tensors, storages = _archive(path) if zipfile.is_zipfile(path) else _legacy(path)
        return {name: tensor.of(storages(tensor.key)) for name, tensor in tensors.items()}
    except (*_BROKEN, pickle.UnpicklingError) as error:
        raise Fatal(f"{path.name} is no checkpoint of plain tensors: {error}", code="wrong_checkpoint") from error


def _archive(path: Path) -> tuple[dict[str, _Stored], Callable[[str], bytes]]:
    with zipfile.ZipFile(path) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        tensors = _Tensors(io.BytesIO(archive.read(pickled))).load()
        # A storage may hold several tensors, so each is read once.
        keys = {tensor.key for tensor in tensors.values()}
        storages = {key: archive.read(f"{folder}data/{key}") for key in keys}
    return tensors, storages.__getitem__


def _legacy(path: Path) -> tuple[dict[str, _Stored], Callable[[str], bytes]]:
    storages: dict[str, bytes] = {}
    with path.open("rb") as file:
        magic, _protocol, _system = (_Tensors(file).load() for _ in range(3))
        if magic != LEGACY_MAGIC:
            raise pickle.UnpicklingError("its first number is not that of torch")
        tensors = _Tensors(file).load()
        sizes = {tensor.key: tensor.dtype.itemsize for tensor in tensors.values()}
        for key in _Tensors(file).load():
            (count,) = struct.unpack("<q", file.read(8))
            storages[key] = file.read(count * sizes[key])
    return tensors, storages.__getitem__


class _Tensors(pickle.Unpickler):
    """An unpickler that knows dictionaries of tensors and nothing else, so a pickle cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        _kind, dtype, key, *_rest = pid
        return str(key), dtype


def _rebuilt(storage: tuple[str, np.dtype[Any]], offset: int, shape: Any, steps: Any, *_: Any) -> _Stored:
    key, dtype = storage
    return _Stored(key, dtype, offset, tuple(shape), tuple(steps))
