"""Events of the audit trail for people: as a table, or as lines where there is no room for one."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table

from stream.audit.wanted import named_in
from stream.cli.rendering.sanitize import shown

_COLUMNS = ("event", "time (UTC)", "who", "from", "what", "tenant", "about", "result")
_DIGEST, _DIGEST_SHOWN, _NAMES = 64, 12, 3
TABLE_COLUMNS = 140
"""A narrower table breaks times and names into several lines."""


def events_table(events: Sequence[Mapping[str, Any]]) -> Table:
    """In their order."""
    table = Table(title="Audit trail", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column == "event" else "left", overflow="fold")
    for event in events:
        table.add_row(*map(shown, _row(event)))
    return table


def events_lines(events: Sequence[Mapping[str, Any]]) -> str:
    """One event a line, in their order."""
    rows = [_row(event) for event in events]
    return "\n".join(shown(_line(*row)) for row in rows)


def _line(number: str, at: str, who: str, origin: str, what: str, tenant: str, about: str, result: str) -> str:
    whose, named = f" of {tenant}" if tenant else "", f" ({about})" if about else ""
    return f"{number} {at} {result}: {who} from {origin or 'unknown'}, {what}{whose}{named}"


def _row(event: Mapping[str, Any]) -> list[str]:
    at = datetime.fromtimestamp(event["time"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    origin = event["src_endpoint"]
    return [
        str(event["metadata"]["sequence"]),
        at,
        event["actor"]["user"]["uid"],
        origin.get("ip") or origin.get("hostname") or "",
        event["message"],
        event["metadata"].get("tenant_uid", ""),
        _about(named_in(event)),
        " ".join(filter(None, [event["status"], event.get("status_code")])),
    ]


def _about(named: Sequence[str]) -> str:
    """A few names; of digests their beginning, which is enough to see that two are the same."""
    first = [f"{each[:_DIGEST_SHOWN]}…" if len(each) == _DIGEST else each for each in named[:_NAMES]]
    more = len(named) - len(first)
    return ", ".join([*first, *([f"{more} more"] if more > 0 else [])])
