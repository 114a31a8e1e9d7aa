"""Judges a store's troubles: what passes (a full disk, a conflict) is `Unavailable`, what cannot pass is `Fatal`."""

import errno
import os
import re
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from sinks.location import Location, Place
from sinks.storage.troubles import trouble
from stream.errors import Fatal, StageError, Unavailable

MIN_FREE_BYTES = 64 << 20
_PROBE_BYTES = 1 << 20

_PASSING = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file may not grow any further",
    errno.EACCES: "it is not writable",
    errno.EPERM: "it is not writable",
    errno.EROFS: "its file system is read-only",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
    errno.EIO: "the disk reports an input/output error",
}
_LASTING = {
    errno.ENOTDIR: "it, or a folder above it, is not a directory",
    errno.EISDIR: "a directory stands where a file belongs",
    errno.ENAMETOOLONG: "its path is too long for this file system",
    errno.ELOOP: "its path is a loop of symbolic links",
    errno.EINVAL: "its path is not valid here",
}
"""No waiting changes these: whoever waits for them waits for ever."""

_TIDIED = ("_delta_log/", "not found", "no such file")
"""What a reader finds while a writer tidies, and a writer, who is alone, only where something is lost."""
_SIGNS = {os.strerror(number).lower(): words for number, words in _PASSING.items()} | {
    "disk quota": "the disk quota is used up",
    "commit conflict": "another process writes to it at the same time",
    "failed to commit": "another process writes to it at the same time",
    "concurrent": "another process writes to it at the same time",
    "timed out": "it did not answer in time",
    **dict.fromkeys(_TIDIED, "another process may be tidying it; `rushes verify` tells if it stays so"),
    "lanceerror(io)": "its files cannot be read or written",
}
"""The stores wrap the system's errors in their own: what the system calls them, and what only they can say."""

_DAMAGED = (
    *("json error", "no table metadata or protocol", "parse parquet", "parquet error", "invalid parquet"),
    *("file size is too small", "invalid range", "failed to fill whole buffer", "corrupt"),
)
_OTHER_SHAPE = ("no field named", "schema mismatch", "schema of data does not match")

_LIBRARIES = {"lancedb", "lance", "deltalake", "pyarrow", "_internal"}  # the last is deltalake's Rust half
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")
_PANIC = "PanicException"
"""What a Rust library raises instead of an error. It is no `Exception`: nobody is meant to go on after it."""


@contextmanager
def guarded(place: Place, store: str, *, writer: bool = False) -> Iterator[None]:
    """Raises `Unavailable` (code `store_unavailable`) for what passes by itself or by an operator's hand: the batch
    stays unacknowledged and is written later. Raises `Fatal` (code `store_unusable`) for what lasts: a path that can
    never work, damaged files, tables of another shape. Anything else is a defect and passes through.

    The system's errors are judged by their number. The stores' libraries raise plain `RuntimeError` and `ValueError`
    for nearly everything, so of what they raised, and of nothing else, the words count.

    `writer`: nobody else tidies the store meanwhile, so files that are missing are lost.
    """
    try:
        yield
    # Judged already where it arose.
    except StageError:
        raise
    except Exception as error:
        _judge(error, place, store, writer=writer)
        raise
    except BaseException as error:
        # Interrupts and exits pass. Of all others only a panic is known to come from a store.
        if type(error).__name__ != _PANIC:
            raise
        text = " ".join(str(error).split())[:200]
        raise Fatal(f"{store} at {place} cannot be used: its library broke down ({text})", code="store_unusable") \
            from error  # fmt: skip


@contextmanager
def guarded_both(index: Place, parquet: Place, *, writer: bool = False) -> Iterator[None]:
    """As `guarded`, for what uses the index and the Delta table in turn: the error tells whose it is."""
    try:
        yield
    except StageError:
        raise
    except BaseException as error:
        # deltalake's Rust errors come from a module `_internal`. Of others the path in the message tells.
        of_delta = type(error).__module__ == "_internal" or str(parquet).strip("/") in str(error)
        place, store = (parquet, "the Delta table") if of_delta else (index, "the index")
        # Raised again inside, so that one set of rules judges both stores.
        with guarded(place, store, writer=writer):
            raise


def require_space(place: Place, min_free_bytes: int) -> None:
    """Raises `Unavailable` (code `disk_full`) before a write would leave less than `min_free_bytes` free."""
    directory = Location.of(place).path
    if directory is None:
        return
    free = shutil.disk_usage(directory).free
    # Before the write: a full disk in the middle of a commit leaves files that nobody removes.
    if free < min_free_bytes:
        message = f"only {free >> 20} MiB are free under {place}, {min_free_bytes >> 20} MiB are needed: make room"
        raise Unavailable(message, code="disk_full")


def _judge(error: Exception, place: Place, store: str, *, writer: bool) -> None:
    """Raise what the error means; return where it means nothing but itself."""
    scheme = Location.of(place).scheme
    if scheme is not None and _may_be_of_an_object_store(error):
        _judge_object_store(error, place, store, scheme)
    # What lasts comes first: a damaged file on a full disk stays damaged when there is room again.
    if (lasting := _lasting(error, writer=writer)) is not None:
        raise Fatal(f"{store} at {place} cannot be used: {lasting}", code="store_unusable") from error
    why = _passing(error, place) if isinstance(error, OSError) or _of_a_library(error) else None
    if why is not None:
        message = f"{store} at {place} cannot be used: {why}; nothing is lost, writing resumes when that is mended"
        raise Unavailable(message, code="store_unavailable") from error


def _may_be_of_an_object_store(error: Exception) -> bool:
    """DataFusion raises errors that have no class and no frame of their own."""
    return isinstance(error, OSError) or _of_a_library(error) or type(error) is Exception


def _judge_object_store(error: Exception, place: Place, store: str, scheme: str) -> None:
    """Before words for files are looked for: an answer of 404 may mean the bucket."""
    if (why := trouble(str(error), scheme)) is not None:
        message = f"{store} at {place} cannot be used: {why}; nothing is lost, writing resumes when that is mended"
        raise Unavailable(message, code="store_unavailable") from error


def _lasting(error: Exception, *, writer: bool) -> str | None:
    number = _number(error)
    if number is not None:
        # ENOENT lasts only for the writer: a reader may have come upon files that the writer was replacing.
        return _LASTING.get(number) or (_gone(error) if writer and number == errno.ENOENT else None)
    if not (isinstance(error, OSError) or _of_a_library(error)):
        return None
    text = str(error).lower()
    # By name: importing the stores for their types would slow every command.
    if any(sign in text for sign in _OTHER_SHAPE) or type(error).__name__ in {
        "SchemaMismatchError",
        "DeltaProtocolError",
    }:
        return "its tables have another shape (another release made them): use that release, or another --state"
    if any(sign in text for sign in _DAMAGED):
        return f"its files are damaged; {_REBUILD}"
    return _gone(error) if writer else None


def _gone(error: Exception) -> str | None:
    lost = isinstance(error, FileNotFoundError) or any(sign in str(error).lower() for sign in _TIDIED)
    return f"files of it are missing; {_REBUILD}" if lost else None


_REBUILD = "move the directory away and let `rushes verify --repair` make it anew from the other store"


def _of_a_library(error: Exception) -> bool:
    """Whether a store's library raised it: its class is theirs, or the innermost frame is. LanceDB waits for its own
    event loop, whose frames lie between.
    """
    if _package(type(error).__module__) in _LIBRARIES:
        return True
    frames = [_package(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((name in _LIBRARIES for name in reversed(frames) if name not in {"concurrent", "asyncio"}), False)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _number(error: Exception) -> int | None:
    """The system's own number of an error, which Rust libraries put into their text."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if not (isinstance(error, OSError) or _of_a_library(error)):
        return None
    found = _SYSTEM_ERROR.findall(str(error))
    # The last one: libraries append the cause.
    return int(found[-1]) if found else None


def _passing(error: Exception, place: Place) -> str | None:
    """What the system says, else what the disk says when it is asked, else what the store's words admit."""
    number = _number(error)
    if number is not None and number in _PASSING:
        return _PASSING[number]
    # The disk is asked before the words are read: the stores say the same for a full disk and for a defect.
    return _refusal(place) or _said(error) or (type(error).__name__ if isinstance(error, OSError) else None)


def _refusal(place: Place) -> str | None:
    """Why the directory takes no file of 1 MiB; None where it does. The file has no name and leaves nothing."""
    directory = Location.of(place).path
    if directory is None:
        return None
    try:
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
            # Only fsync makes some file systems admit that there is no room.
            os.fsync(probe.fileno())
    except OSError as error:
        return _PASSING.get(error.errno or 0, type(error).__name__)
    return None


def _said(error: Exception) -> str | None:
    text = str(error).lower()
    return next((words for sign, words in _SIGNS.items() if sign in text), None)
