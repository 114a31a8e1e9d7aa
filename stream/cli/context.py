"""What every command shares: folders, output, and error messages."""

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

from sinks.location import Location
from sinks.paths import unusable
from stream.broker.names import DEFAULT, Names
from stream.cli.rendering.output import Document, StandardOutput, UsageProblem
from stream.cli.rendering.wide_console import WideConsole
from stream.errors import Fatal, StageError, printable

__all__ = ["AnsweredNo", "Context", "DeploymentCommand", "UsageProblem", "checked", "explain", "make_context"]


class AnsweredNo(typer.Exit):
    """A command did what it was asked, and its answer is no: exit code 1, and no failure to the audit trail."""

    def __init__(self) -> None:
        super().__init__(1)


@dataclass(frozen=True, slots=True)
class NamedDirectory:
    """A directory as it was named, and the option or variable that named it. It need not exist."""

    text: str
    named_by: str

    def path(self) -> Path:
        """The absolute path. Raises `UsageProblem` where there cannot be a directory."""
        if not self.text:
            raise UsageProblem(f"{self.named_by} is empty: name a directory, or leave it out")
        if "://" in self.text:
            raise UsageProblem(f"{self._shown} is a URL: name a directory of this machine")
        # Made absolute at once: a later change of the working folder must not move the stores.
        path = Path(self.text).absolute()
        try:
            found = path.stat()
        except FileNotFoundError:
            return path  # it is made when a command needs it
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
    """Made once per command line by `make_context`, the only place that reads the environment. With `--json`, standard
    output belongs to the document, and text for people goes to standard error.
    """

    state: NamedDirectory
    cache: NamedDirectory
    index: Location | None
    parquet: Location | None
    deployment: str
    console: Console
    errors: Console
    document: Document
    output: StandardOutput
    audit: NamedDirectory | None = None
    require_sandbox: bool = False
    uploads: Location | None = None

    @property
    def state_dir(self) -> Path:
        """The state directory. Raises `UsageProblem` where stores cannot be."""
        path = self.state.path()
        # Checked for stores only: a cache of weights has no such limits (ADR 0037).
        if (why := unusable(path)) is not None:
            raise UsageProblem(f"{self.state.named_by} {printable(str(path))}: {why}; name another directory")
        return path

    @property
    def cache_dir(self) -> Path:
        """The cache directory. Raises `UsageProblem` where there cannot be one."""
        return self.cache.path()

    @property
    def audit_key(self) -> Path:
        """What signs the audit trail."""
        from stream.audit.keys import key_beside

        assert self.audit is not None
        return key_beside(self.audit.path())

    def words(self) -> list[str]:
        """The same context as options for another `rushes` process."""
        named = ["--deployment", self.deployment] if self.deployment != DEFAULT else []
        stores = (("--index", self.index), ("--parquet", self.parquet), ("--uploads", self.uploads))
        named += [word for option, place in stores if place is not None for word in (option, place.uri)]
        named += [] if self.audit is None else ["--audit", str(self.audit.path())]
        return ["--state", str(self.state_dir), "--cache", str(self.cache_dir), *named]

    def print_json(self, value: Any) -> None:
        """Writes the JSON document to standard output."""
        self.document.write(value)

    def write(self, text: str) -> None:
        """Writes text unchanged to standard output, such as an export."""
        # An export is the answer: a document with an error must not follow it.
        self.document.given = True
        self.output.write(text)


def make_context(
    state: str | Path | None,
    cache: str | Path | None,
    deployment: str | None = None,
    document: Document | None = None,
    environment: Mapping[str, str] = os.environ,
    *,
    index: str | None = None,
    parquet: str | None = None,
    audit: str | None = None,
    uploads: str | None = None,
) -> Context:
    """The context from options, else from `RUSHES_STATE`, `RUSHES_CACHE`, `RUSHES_DEPLOYMENT`, `RUSHES_INDEX`,
    `RUSHES_PARQUET`, `RUSHES_UPLOADS` and `RUSHES_AUDIT`, else the defaults: ./state with both stores and uploads, the
    user's cache directory, `rushes`, and no audit trail.
    `RUSHES_SANDBOX` is `required` or `best-effort` (default).
    """
    output = StandardOutput()
    document = document or Document(output, wanted=False)
    errors = Console(stderr=True, highlight=False)
    return Context(
        state=_place("--state", state, "RUSHES_STATE", "state", environment),
        cache=_place("--cache", cache, "RUSHES_CACHE", platformdirs.user_cache_dir("rushes"), environment),
        index=_store("--index", index, "RUSHES_INDEX", environment),
        parquet=_store("--parquet", parquet, "RUSHES_PARQUET", environment),
        deployment=checked(deployment or environment.get("RUSHES_DEPLOYMENT") or DEFAULT),
        # With `--json`, text for people moves to standard error: scripts read standard output.
        console=errors if document.wanted else WideConsole(environment, file=output, highlight=False),
        errors=errors,
        document=document,
        output=output,
        audit=_audit(audit, environment),
        uploads=_store("--uploads", uploads, "RUSHES_UPLOADS", environment),
        require_sandbox=_sandbox_required(environment.get("RUSHES_SANDBOX") or "best-effort"),
    )


def _place(
    option: str, given: str | Path | None, variable: str, default: str, environment: Mapping[str, str]
) -> NamedDirectory:
    if given is not None:
        return NamedDirectory(str(given), option)
    # An empty variable counts as set: it comes from a mistake in a script and is refused.
    if variable in environment:
        return NamedDirectory(environment[variable], variable)
    return NamedDirectory(default, f"{option} (by default)")


def _audit(given: str | None, environment: Mapping[str, str]) -> NamedDirectory | None:
    if given is None and "RUSHES_AUDIT" not in environment:
        return None
    return _place("--audit", given, "RUSHES_AUDIT", "", environment)


def _store(option: str, given: str | None, variable: str, environment: Mapping[str, str]) -> Location | None:
    """Where a store lies; None where nothing names a place."""
    text, named_by = (given, option) if given is not None else (environment.get(variable), variable)
    if text is None:
        return None
    if "://" in text:
        try:
            return Location.of(text)
        except Fatal as error:
            raise UsageProblem(f"{named_by}: {error.message}") from None
    path = NamedDirectory(text, named_by).path()
    if (why := unusable(path)) is not None:
        raise UsageProblem(f"{named_by} {printable(str(path))}: {why}; name another directory")
    return Location.of(path)


def _sandbox_required(word: str) -> bool:
    if word not in {"required", "best-effort"}:
        raise UsageProblem(f"RUSHES_SANDBOX={word!r}: set required or best-effort")
    return word == "required"


def checked(deployment: str) -> str:
    """The name of a deployment. Raises `UsageProblem` for an invalid name."""
    try:
        return Names(deployment).deployment
    except Fatal as error:
        raise UsageProblem(error.message) from None


def _named(context: typer.Context, name: str | None) -> None:
    # The option of the command is parsed after that of `rushes`, so it wins.
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
    """Defines the option `--deployment`: typer makes options from a function's parameters."""


class DeploymentCommand(TyperCommand):
    """A command that works for one deployment. It also accepts `--deployment`, like `rushes` itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Parameters are added to the command and not to each function: the functions would all have to pass it on.
        self.params += get_command(_options).params


def explain(error: Exception) -> str:
    """One line for a person: the message and the error code, which the documentation explains."""
    if isinstance(error, StageError):
        return printable(f"{error.message} [{error.code}]")
    return printable(str(error))


def _words(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
