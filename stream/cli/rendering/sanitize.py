"""What strangers named, as a terminal or a page may show it: no markup, no control sequence, no secret of a uri."""

from rich.markup import escape

from stream.errors import printable
from stream.events.ids import without_secrets


def shown(text: object) -> str:
    """For a rich table or line: `printable`, and no markup."""
    return escape(printable(str(text)))


def clip_name(uri: str) -> str:
    """The last part of a path or URL, without its query."""
    address = without_secrets(uri).rstrip("/")
    return printable(address.rsplit("/", 1)[-1] or address)
