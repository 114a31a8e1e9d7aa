"""Runs a command line and reports its end: a message, an exit code, and with `--json` always a JSON document."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from functools import cache, partial
from typing import Any, TextIO, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from stream.cli.command_table import CommandTable
from stream.cli.context import Context, UsageProblem, explain
from stream.cli.rendering.output import Document, OutputClosed, StandardOutput, wants_document
from stream.errors import StageError, printable, unexpected

# 130 is 128 + SIGINT and 141 is 128 + SIGPIPE, as shells count.
CANNOT_RUN, DEFECT, INTERRUPTED, CLOSED = 2, 3, 130, 141
_EMPTY_ADVICE = "give it a value, or leave it out"


def finished(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Like `execute`, for a process that ends afterwards."""
    code = execute(app, arguments)
    if code in {CLOSED, CANNOT_RUN}:
        _discard_output()
    return code


def execute(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Runs a command line, prints errors, and returns the exit code. With `--json` standard output holds exactly one
    JSON document; a failure is `{"error": {"code": …, "message": …}}`.
    """
    arguments = list(arguments)
    output = StandardOutput()
    document = Document(output, wanted=wants_document(arguments))
    try:
        # What libraries print goes through `output` as well: a closed pipe then ends every command alike.
        with redirect_stdout(cast("TextIO", output)):
            code = _run_command(tree(app), arguments, document)
        output.flush()
    except OutputClosed:
        return CLOSED
    except UsageProblem as refused:  # standard output took no more
        _print_error(explain(refused))
        return CANNOT_RUN
    return code


# Built once: it inspects every function that is called.
@cache
def tree(app: typer.Typer) -> Any:
    """The command tree. Its commands refuse options that are not UTF-8 text, because stores take only text. Roots and
    repeatable arguments name files, which may have any bytes.
    """
    root: Any = get_command(app)
    if isinstance(root.commands, CommandTable):
        root.commands.prepare = _prepared
    else:
        for name, command in root.commands.items():
            _prepared(name, command)
    return root


def _prepared(name: str, command: Any) -> None:
    for path, leaf in leaves(command, (name,)).items():
        leaf.callback = partial(_require_text, leaf, leaf.callback)
        leaf.invoke = partial(_audited, path, leaf.invoke)


def leaves(command: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every command without subcommands, by its words."""
    if not isinstance(command, TyperGroup):
        return {path: command}
    inner = (leaves(each, (*path, name)) for name, each in command.commands.items())
    return {words: leaf for found in inner for words, leaf in found.items()}


def _require_text(leaf: Any, callback: Callable[..., Any], **values: Any) -> Any:
    for parameter in leaf.params:
        if parameter.name == "root":
            continue
        value = values.get(parameter.name or "")
        listed = value if isinstance(value, list) and parameter.param_type_name == "option" else [value]
        for text in listed:
            if isinstance(text, str) and not _is_text(text):
                name = parameter.opts[-1]
                raise UsageProblem(f"{name} {printable(text[:100])!r} is not UTF-8 text")
    return callback(**values)


def _audited(path: tuple[str, ...], invoke: Callable[[Any], Any], context: Any) -> Any:
    shared = context.obj
    if not isinstance(shared, Context) or shared.audit is None:
        return invoke(context)
    # Imported only for a trail: it loads a library of cryptography.
    from stream.cli.auditing import audited

    with audited(path, shared, context.params, context.meta):
        return invoke(context)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _run_command(root: Any, arguments: list[str], document: Document) -> int:
    try:
        _require_values(arguments)
        with root.make_context("rushes", arguments, obj=document) as context:
            root.invoke(context)
    except typer.Exit as ended:
        if ended.exit_code:
            # The command has said why on standard error. Scripts still get a document.
            document.fail("interrupted" if ended.exit_code == INTERRUPTED else "failed", "see standard error")
        return ended.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _failed(document, INTERRUPTED, "interrupted", "interrupted; run the same command again to resume")
    except (UsageProblem, StageError) as error:
        code = error.code if isinstance(error, StageError) else "usage"
        return _failed(document, CANNOT_RUN, code, explain(error))
    except typer.TyperException as error:
        return _refused_options(document, error)
    # Not a defect: `execute` knows its exit code.
    except OutputClosed:
        raise
    except OSError as error:
        # An OSError about a named file is the user's to put right; one without a file is a defect.
        if error.filename is None:
            return _defect(document, error)
        words = f"{error.filename!s}: {error.strerror}"
        return _failed(document, CANNOT_RUN, "file_error", printable(words))
    except Exception as error:  # noqa: BLE001 - a traceback is shown only on request (RUSHES_DEBUG)
        return _defect(document, error)
    return 0


def _require_values(arguments: Sequence[str]) -> None:
    """Raises `UsageProblem` for an empty value: it comes from an unset variable of a script and is never intended."""
    for at, argument in enumerate(arguments):
        # An option in front makes the message precise: an empty text alone is hard to find in a script.
        option = arguments[at - 1] if at else ""
        before = option if option.startswith("-") and option != "--" else None
        if argument == "":
            raise UsageProblem(f"{f'the value after {before}' if before else 'an argument'} is empty: {_EMPTY_ADVICE}")
        if argument.startswith("--") and argument.find("=") == len(argument) - 1:
            raise UsageProblem(f"{argument[:-1]} is empty: {_EMPTY_ADVICE}")


def _refused_options(document: Document, error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has been shown
        return _failed(document, CANNOT_RUN, "usage", "say which command")
    # The path names the command whose help says more.
    path = context.command_path if context is not None else "rushes"
    # What a choice refuses comes with the name of Python's error.
    words = " ".join(error.format_message().split()).replace(" Value error,", "").removesuffix(".")
    return _failed(document, CANNOT_RUN, "usage", printable(f"{words} (see `{path} --help`)"))


def _failed(document: Document, exit_code: int, code: str, message: str) -> int:
    _print_error(message)
    document.fail(code, message)
    return exit_code


def _defect(document: Document, error: Exception) -> int:
    """Reports an unexpected error. No input should lead here."""
    # Asked for here and not at the start: it serves only people who look for a defect.
    if os.environ.get("RUSHES_DEBUG"):
        traceback.print_exception(error)
    found = unexpected(error)
    advice = "this is a defect of rushes, please report it; RUSHES_DEBUG=1 shows the traceback"
    return _failed(document, DEFECT, found.code, f"{explain(found)}: {advice}")


def _print_error(message: str) -> None:
    with suppress(OSError, AttributeError, ValueError):  # standard error is closed: only the exit code is left
        sys.stderr.write(f"rushes: {message}\n")
        sys.stderr.flush()


def _discard_output() -> None:
    """Sends the rest of standard output to nowhere: the interpreter would write it at its end and print an error."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # The descriptor, because the interpreter flushes through it at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
