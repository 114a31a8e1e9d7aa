"""Makes names from producers safe for a terminal: no markup, no control sequences."""

from rich.markup import escape

from stream.errors import printable


def shown(text: object) -> str:
    """Text for a rich table or line: `printable`, with markup escaped."""
    return escape(printable(str(text)))
