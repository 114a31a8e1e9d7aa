"""What every command shares: where things lie, how to print, how errors end."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer
from rich.console import Console
from typer.core import TyperCommand
from typer.main import get_command

from stream.errors import Fatal, StageError, printable
from stream.names import DEFAULT, Names


class UsageProblem(Exception):
    """Something the person at the command line can put right. The message says what, where and what to do."""


@dataclass(frozen=True, slots=True)
class Context:
    """Made once in `app.main`; the only place that reads the environment."""

    state_dir: Path
    cache_dir: Path
    deployment: str
    console: Console
    errors: Console
    require_sandbox: bool = False

    def words(self) -> list[str]:
        """The same on the command line of another `rushes`."""
        named = ["--deployment", self.deployment] if self.deployment != DEFAULT else []
        return ["--state", str(self.state_dir), "--cache", str(self.cache_dir), *named]

    def print_json(self, value: Any) -> None:
        """Machine-readable output, alone on standard output. ASCII, as a terminal obeys some other characters."""
        self.console.file.write(json.dumps(value, indent=2, default=str) + "\n")


def make_context(state: Path | None, cache: Path | None, deployment: str | None = None) -> Context:
    """Options first, then `RUSHES_STATE`, `RUSHES_CACHE` and `RUSHES_DEPLOYMENT`, then ./state, the user's cache
    directory and `rushes`. `RUSHES_SANDBOX` is `required` or, by default, `best-effort`.
    """
    state_dir = state or Path(os.environ.get("RUSHES_STATE", "state"))
    default_cache = os.environ.get("RUSHES_CACHE") or platformdirs.user_cache_dir("rushes")
    return Context(
        state_dir=state_dir.absolute(),
        cache_dir=(cache or Path(default_cache)).absolute(),
        deployment=checked(deployment or os.environ.get("RUSHES_DEPLOYMENT") or DEFAULT),
        console=Console(highlight=False),
        errors=Console(stderr=True, highlight=False),
        require_sandbox=_sandbox_required(os.environ.get("RUSHES_SANDBOX") or "best-effort"),
    )


def _sandbox_required(word: str) -> bool:
    if word not in {"required", "best-effort"}:
        raise UsageProblem(f"RUSHES_SANDBOX={word!r}: set required or best-effort")
    return word == "required"


def checked(deployment: str) -> str:
    """The name. Raises `UsageProblem` for what is none."""
    try:
        return Names(deployment).deployment
    except Fatal as error:
        raise UsageProblem(error.message) from None


def _named(context: typer.Context, name: str | None) -> None:
    if name is not None:
        context.obj = replace(context.obj, deployment=checked(name))


_options = typer.Typer(add_completion=False)


@_options.command()
def _option(
    deployment: Annotated[
        str | None,
        typer.Option(
            callback=_named,
            expose_value=False,
            metavar="NAME",
            help="Which of the deployments on a cluster. [env RUSHES_DEPLOYMENT; default rushes]",
        ),
    ] = None,
) -> None:
    """An option is made of a function's parameter."""


class OfDeployment(TyperCommand):
    """A command that works for one deployment: it takes `--deployment` too, as `rushes` itself does before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += get_command(_options).params


def explain(error: Exception) -> str:
    """One line for a person: the message, and the code to search the documentation for."""
    if isinstance(error, StageError):
        return printable(f"{error.message} [{error.code}]")
    return printable(str(error))
