"""The plain look of a table, and of a time in it."""

from datetime import UTC, datetime

from rich import box
from rich.table import Table


def plain_table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    """Names to the left, numbers to the right."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in left:
        # Folded and not cut: a name that is cut off cannot be copied.
        table.add_column(column, overflow="fold")
    for column in right:
        table.add_column(column, justify="right")
    return table


def utc(time_ms: int) -> str:
    """To the minute."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
