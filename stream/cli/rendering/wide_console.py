"""A console whose tables are whole where no window bounds them, as in a pipe or a file."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

_MOST = 2_000
"""Characters of a line: of longer ones more than a name would have to be at fault."""


class WideConsole(Console):
    """Text is wrapped as ever; a table is as wide as what is in it, unless `COLUMNS` or a terminal says how wide."""

    def __init__(self, environment: Mapping[str, str], **how: Any) -> None:
        super().__init__(**how)
        self._bounded = self.is_terminal or "COLUMNS" in environment

    def print(self, *objects: Any, **how: Any) -> None:
        before = self.width
        wanted = max((self._wanted(item) for item in objects if isinstance(item, Table)), default=0)
        if wanted <= before or self._bounded:
            super().print(*objects, **how)
            return
        self.width = wanted
        try:
            super().print(*objects, **how)
        finally:
            self.width = before

    def _wanted(self, table: Table) -> int:
        return self.measure(table, options=self.options.update(width=_MOST)).maximum
