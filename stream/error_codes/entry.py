"""One row of the table of error codes."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class ErrorKind(StrEnum):
    """What is done with the record or the process that meets the error; `stream.errors` has a class for most."""

    BAD_EVENT = "BadEvent"
    BAD_MEDIA = "BadMedia"
    BAD_REQUEST = "BadRequest"
    SUPERSEDED = "Superseded"
    RETRYABLE = "Retryable"
    UNAVAILABLE = "Unavailable"
    FATAL = "Fatal"
    UNEXPECTED = "StageError"
    STATUS = "status"
    USAGE = "usage"
    RESPONSE = "response"


EFFECTS = {
    ErrorKind.BAD_EVENT: "The event is invalid. Its record becomes a dead letter at once.",
    ErrorKind.BAD_MEDIA: "The footage cannot be read. Its record becomes a dead letter at once.",
    ErrorKind.BAD_REQUEST: "What was asked cannot be answered as it stands. No record is concerned; ask again.",
    ErrorKind.SUPERSEDED: "The source changed. The cells of the old version are void; the new one is planned.",
    ErrorKind.RETRYABLE: "The fault may pass. The record is tried again a few times, then it becomes a dead letter.",
    ErrorKind.UNAVAILABLE: "Something that the stage needs is away. The stage waits, and no attempt is used up.",
    ErrorKind.FATAL: "The process cannot go on. It ends and acknowledges nothing, so no work is lost.",
    ErrorKind.UNEXPECTED: "A defect. The record that fails alone becomes a dead letter; a command ends with 3.",
    ErrorKind.STATUS: "No fault of a record: the status of an asset, in a completion.",
    ErrorKind.USAGE: "A command was refused or cut off. It appears only in the output of `--json`.",
    ErrorKind.RESPONSE: "A request to the service was refused. It appears only in its answer and in the audit trail.",
}


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """`meaning` and `advice` are one or two sentences each; `kinds` are all kinds that carry the code."""

    code: str
    kinds: tuple[ErrorKind, ...]
    meaning: str
    advice: str


def _rows_of(kind: ErrorKind) -> Callable[[str, str, str], ErrorCode]:
    """Makes rows of one kind from code, meaning and advice."""

    def row(code: str, meaning: str, advice: str) -> ErrorCode:
        return ErrorCode(code, (kind,), meaning, advice)

    return row


bad_event = _rows_of(ErrorKind.BAD_EVENT)
bad_media = _rows_of(ErrorKind.BAD_MEDIA)
bad_request = _rows_of(ErrorKind.BAD_REQUEST)
retryable = _rows_of(ErrorKind.RETRYABLE)
unavailable = _rows_of(ErrorKind.UNAVAILABLE)
fatal = _rows_of(ErrorKind.FATAL)
status = _rows_of(ErrorKind.STATUS)
usage = _rows_of(ErrorKind.USAGE)
response = _rows_of(ErrorKind.RESPONSE)
