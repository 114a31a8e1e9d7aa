"""The output of a command: tables for people or one JSON document. Handles a standard output that closes or fills."""

import errno
import json
import math
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, cast

from stream.errors import printable


class UsageProblem(Exception):
    """A problem that the person at the command line can solve. The message says what, where and what to do."""


class OutputClosed(Exception):
    """The reader of standard output has closed it (`| head`). This is no error, and no message is necessary."""


class StandardOutput:
    """`sys.stdout` for commands. A write error is a `UsageProblem` or `OutputClosed`, never an `OSError`.

    Characters that it cannot encode are escaped: file names are bytes, and a terminal may support few characters.
    """

    def __init__(self) -> None:
        # If standard output is closed at the start (`>&-`), Python has no `sys.stdout`.
        self._stream: TextIO = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        # A stream that tests or other programs put there may not be a `TextIOWrapper`.
        with suppress(AttributeError, ValueError):
            cast("TextIOWrapper", self._stream).reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            raise _refused(error) from None

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise _refused(error) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Document:
    """The only JSON document of a command with `--json`. `wanted` is known before the options are parsed, so that
    errors in options are JSON too.
    """

    def __init__(self, output: StandardOutput, *, wanted: bool) -> None:
        self._output = output
        self.wanted = wanted
        self.given = False

    def write(self, value: Any) -> None:
        self.given = True
        self._output.write(as_json(value))

    def fail(self, code: str, message: str) -> None:
        """Writes the error, unless the command has already written its answer."""
        if self.wanted and not self.given:
            self.write({"error": {"code": code, "message": message}})


def as_json(value: Any) -> str:
    """Strict JSON: NaN and infinite numbers become null. Only ASCII, because terminals obey some other characters."""
    return json.dumps(_finite(value), indent=2, default=str, allow_nan=False) + "\n"


def write_file(path: Path, text: str, option: str) -> None:
    """Writes text to a file, or to a pipe that has a reader. Raises `UsageProblem`."""
    try:
        # O_NONBLOCK: opening a pipe without a reader then fails and does not wait for ever.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            # Only opening must not block. A reader that is slow may make writing wait.
            os.set_blocking(descriptor, True)
            file.write(text)
    except OSError as error:
        raise UsageProblem(f"{option} {printable(str(path))} cannot be written: {error.strerror}") from None


def wants_document(arguments: list[str]) -> bool:
    """Whether the options include `--json`."""
    # Anywhere in the line, because options are not parsed yet.
    return "--json" in arguments


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _refused(error: OSError) -> Exception:
    if error.errno == errno.EPIPE:
        return OutputClosed()
    return UsageProblem(f"cannot write to standard output ({error.strerror}): send it elsewhere or make room")
