"""What a command says: tables for people, or one JSON document; and a standard output that goes away or fills up."""

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
    """Something the person at the command line can put right. The message says what, where and what to do."""


class OutputClosed(Exception):
    """Whoever read standard output has gone (`| head`): nothing is wrong, and nothing more needs to be said."""


class StandardOutput:
    """`sys.stdout` for commands. A refusal to take more is a `UsageProblem` or `OutputClosed`, never an `OSError`.

    What it cannot encode it escapes: names of files are bytes, and a terminal may know few characters.
    """

    def __init__(self) -> None:
        # Closed at the start (`>&-`), Python has none.
        self._stream: TextIO = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
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
    """The one JSON document of a command with `--json`. `wanted` is known before the options are parsed, so that what
    is wrong with them is JSON, too.
    """

    def __init__(self, output: StandardOutput, *, wanted: bool) -> None:
        self._output = output
        self.wanted = wanted
        self.given = False

    def write(self, value: Any) -> None:
        self.given = True
        self._output.write(as_json(value))

    def fail(self, code: str, message: str) -> None:
        """Say what went wrong, unless the command has given its answer already."""
        if self.wanted and not self.given:
            self.write({"error": {"code": code, "message": message}})


def as_json(value: Any) -> str:
    """Strictly JSON: what is no number (not a number, infinite) is null. ASCII, as a terminal obeys some other
    characters.
    """
    return json.dumps(_finite(value), indent=2, default=str, allow_nan=False) + "\n"


def write_file(path: Path, text: str, option: str) -> None:
    """What a person asked to have in a file (or a pipe that somebody reads). Raises `UsageProblem`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            os.set_blocking(descriptor, True)
            file.write(text)
    except OSError as error:
        raise UsageProblem(f"{option} {printable(str(path))} cannot be written: {error.strerror}") from None


def wants_document(arguments: list[str]) -> bool:
    """Whether `--json` stands among the options."""
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
    return UsageProblem(f"standard output takes no more ({error.strerror}): send it elsewhere or make room")
