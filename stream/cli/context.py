"""What every command shares: where things lie, how to print, how errors end."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from rich.console import Console

from stream.errors import StageError, printable


class UsageProblem(Exception):
    """Something the person at the command line can put right. The message says what, where and what to do."""


@dataclass(frozen=True, slots=True)
class Context:
    """Made once in `app.main`; the only place that reads the environment."""

    state_dir: Path
    cache_dir: Path
    console: Console
    errors: Console

    def print_json(self, value: Any) -> None:
        """Machine-readable output, alone on standard output. ASCII, as a terminal obeys some other characters."""
        self.console.file.write(json.dumps(value, indent=2, default=str) + "\n")


def make_context(state: Path | None, cache: Path | None) -> Context:
    """Options first, then `RUSHES_STATE` and `RUSHES_CACHE`, then ./state and the user's cache directory."""
    state_dir = state or Path(os.environ.get("RUSHES_STATE", "state"))
    default_cache = os.environ.get("RUSHES_CACHE") or platformdirs.user_cache_dir("rushes")
    return Context(
        state_dir=state_dir.absolute(),
        cache_dir=(cache or Path(default_cache)).absolute(),
        console=Console(highlight=False),
        errors=Console(stderr=True, highlight=False),
    )


def explain(error: Exception) -> str:
    """One line for a person: the message, and the code to search the documentation for."""
    if isinstance(error, StageError):
        return printable(f"{error.message} [{error.code}]")
    return printable(str(error))
