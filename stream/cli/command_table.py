"""The commands by name, each imported when it is asked for: one command needs few of the libraries of all."""

import importlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from stream.cli.context import DeploymentCommand


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """`target`: `module:attribute` of a function, or of a `Typer` with commands of its own. `deployment`: the command
    takes `--deployment` behind its name too.
    """

    target: str
    deployment: bool = False
    hidden: bool = False

    def load(self, name: str) -> Any:
        """The command as typer makes it."""
        module, _, attribute = self.target.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        holder = typer.Typer(add_completion=False)
        # With a callback it stays a group, however few commands it has.
        holder.callback()(_nothing)
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name, hidden=self.hidden)
        else:
            holder.command(name, cls=DeploymentCommand if self.deployment else None, hidden=self.hidden)(found)
        group: Any = get_command(holder)
        return group.commands[name]


class CommandTable(MutableMapping[str, Any]):
    """In the order of `entries`. `prepare` is called with each command that is loaded, and with its name."""

    def __init__(self, entries: Mapping[str, CommandEntry]) -> None:
        self._entries = entries
        self._loaded: dict[str, Any] = {}
        self.prepare: Callable[[str, Any], None] = lambda _name, _command: None

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            command = self._entries[name].load(name)
            self.prepare(name, command)
            self._loaded[name] = command
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __setitem__(self, name: str, command: Any) -> None:
        raise TypeError(f"{name}: commands are named in the table")

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"{name}: commands are named in the table")


def group_of(entries: Mapping[str, CommandEntry]) -> type[TyperGroup]:
    """A class of typer groups with these commands."""

    class CommandGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = CommandTable(entries)

    return CommandGroup


def _nothing() -> None:
    """A group's callback."""
