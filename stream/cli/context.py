"""What every command shares: where things lie, how to print, how errors end."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer
from rich.console import Console
from typer.core import TyperCommand
from typer.main import get_command

from sinks.paths import unusable
from stream.broker.names import DEFAULT, Names
from stream.cli.rendering.output import Document, StandardOutput, UsageProblem
from stream.errors import Fatal, StageError, printable

__all__ = ["Context", "OfDeployment", "UsageProblem", "checked", "explain", "make_context"]


@dataclass(frozen=True, slots=True)
class NamedDirectory:
    """A directory that need not exist, as it was named, and where that was."""

    text: str
    named_by: str

    def path(self) -> Path:
        """Absolute. Raises `UsageProblem` where no directory can be."""
        if not self.text:
            raise UsageProblem(f"{self.named_by} is empty: name a directory, or leave it out")
        if "://" in self.text:
            raise UsageProblem(f"{self._shown} is a URL: name a directory of this machine")
        path = Path(self.text).absolute()
        try:
            found = path.stat()
        except FileNotFoundError:
            return path  # made when it is needed
        except (OSError, ValueError) as error:
            raise UsageProblem(f"{self._shown} cannot be a directory ({_words(error)}): name another") from None
        if not stat.S_ISDIR(found.st_mode):
            raise UsageProblem(f"{self._shown} is a file: name a directory")
        return path

    @property
    def _shown(self) -> str:
        text = printable(self.text)
        return f"{self.named_by} {text if len(text) <= 200 else text[:197] + '…'}"


@dataclass(frozen=True, slots=True)
class Context:
    """Made once in `app.run`; the only place that reads the environment. Standard output belongs to the document where
    one is wanted: what is for people goes to standard error then.
    """

    state: NamedDirectory
    cache: NamedDirectory
    deployment: str
    console: Console
    errors: Console
    document: Document
    output: StandardOutput
    require_sandbox: bool = False

    @property
    def state_dir(self) -> Path:
        """Raises `UsageProblem` where no stores can lie."""
        path = self.state.path()
        if (why := unusable(path)) is not None:
            raise UsageProblem(f"{self.state.named_by} {printable(str(path))}: {why}; name another directory")
        return path

    @property
    def cache_dir(self) -> Path:
        """Raises `UsageProblem`."""
        return self.cache.path()

    def words(self) -> list[str]:
        """The same on the command line of another `rushes`."""
        named = ["--deployment", self.deployment] if self.deployment != DEFAULT else []
        return ["--state", str(self.state_dir), "--cache", str(self.cache_dir), *named]

    def print_json(self, value: Any) -> None:
        """Machine-readable output, alone on standard output."""
        self.document.write(value)

    def write(self, text: str) -> None:
        """Text as it is, such as an export."""
        self.document.given = True
        self.output.write(text)


def make_context(
    state: str | Path | None,
    cache: str | Path | None,
    deployment: str | None = None,
    document: Document | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Context:
    """Options first, then `RUSHES_STATE`, `RUSHES_CACHE` and `RUSHES_DEPLOYMENT`, then ./state, the user's cache
    directory and `rushes`. `RUSHES_SANDBOX` is `required` or, by default, `best-effort`.
    """
    output = StandardOutput()
    document = document or Document(output, wanted=False)
    errors = Console(stderr=True, highlight=False)
    return Context(
        state=_place("--state", state, "RUSHES_STATE", "state", environment),
        cache=_place("--cache", cache, "RUSHES_CACHE", platformdirs.user_cache_dir("rushes"), environment),
        deployment=checked(deployment or environment.get("RUSHES_DEPLOYMENT") or DEFAULT),
        console=errors if document.wanted else Console(file=output, highlight=False),  # type: ignore[arg-type]
        errors=errors,
        document=document,
        output=output,
        require_sandbox=_sandbox_required(environment.get("RUSHES_SANDBOX") or "best-effort"),
    )


def _place(
    option: str, given: str | Path | None, variable: str, default: str, environment: Mapping[str, str]
) -> NamedDirectory:
    if given is not None:
        return NamedDirectory(str(given), option)
    if variable in environment:
        return NamedDirectory(environment[variable], variable)
    return NamedDirectory(default, f"{option} (by default)")


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
    if name is not None and isinstance(context.obj, Context):
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


def _words(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
