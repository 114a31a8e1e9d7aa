"""What strangers named, as a terminal may show it: no markup, no control sequence."""

from rich.markup import escape

from stream.errors import printable


def shown(text: object) -> str:
    """For a rich table or line: `printable`, and no markup."""
    return escape(printable(str(text)))
