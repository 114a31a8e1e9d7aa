"""The error kinds that decide what happens to a record: dead letter, retry, pause or exit."""

import traceback
from collections.abc import Iterable
from pathlib import Path


class StageError(Exception):
    """An error with a stable machine `code` and a message that a person can act on, free of media content. The message
    is valid UTF-8, like events and tables: other bytes, as in names of files, are shown as `?`. `segments` names the
    cells of the asset that the error is about; empty means every cell of the record.
    """

    def __init__(self, message: str, *, code: str, segments: Iterable[int] = ()) -> None:
        message = message.encode("utf-8", "replace").decode()
        super().__init__(message)
        self.code = code
        self.message = message
        self.segments: tuple[int, ...] = tuple(segments)

    def __reduce__(self) -> tuple[object, ...]:
        # Pickle and copy would call the class with the message alone, without its `code`.
        return _rebuild, (type(self), self.message, self.code, self.segments)


def _rebuild(kind: type[StageError], message: str, code: str, segments: tuple[int, ...]) -> StageError:
    return kind(message, code=code, segments=segments)


class BadEvent(StageError):
    """The event itself is invalid: dead letter at once."""


class BadRequest(StageError):
    """A request cannot be answered as it stands; the person who asks can change it. No record is involved."""


class BadMedia(StageError):
    """The footage cannot be read or decoded: dead letter at once."""


class Superseded(StageError):
    """The source changed between plan and decode: its segments do not count, so that two contents never mix."""


class Retryable(StageError):
    """A passing fault of this record: bounded backoff with jitter, then dead letter."""


class Unavailable(StageError):
    """A dependency is unavailable: the stage pauses with backoff, without limit and without using up an attempt."""


class Fatal(StageError):
    """This process cannot continue (device, disk): it exits without acknowledging."""


def printable(text: str) -> str:
    """For a terminal, a log or a page. Control characters, terminal escapes, marks that change the direction of writing
    (bidi) or have no width, and lone surrogates are shown as `?`.
    """
    return "".join(char if char.isprintable() else "?" for char in text)


def unexpected(error: Exception) -> StageError:
    """An exception as an error that is safe to show: its type and where it was raised, never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {'/'.join(Path(frames[-1].filename).parts[-2:])}:{frames[-1].lineno}" if frames else ""
    return StageError(f"unexpected {type(error).__name__}{where}", code="unexpected_error")
