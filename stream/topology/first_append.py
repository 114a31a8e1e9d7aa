"""When a broker first took an event that a gate passed on: `assets` alone says when the gate was through with it."""

from collections.abc import Mapping

from stream.broker.contract import Record
from stream.events.dead_letter import REPLAY_HEADER

APPENDED_HEADER = "rushes_appended_ms"
"""Milliseconds of the broker's clock, in digits. The gate writes it, and drops what a producer wrote there. Who may
write `assets` itself may write it as well: they speak for every tenant anyway, and only an earlier time counts.
"""
_YEAR_2000_MS = 946_684_800_000
_MOST_DIGITS = 15


def appended_header(first_append_ms: int) -> Mapping[str, bytes]:
    return {APPENDED_HEADER: b"%d" % first_append_ms} if first_append_ms else {}


def first_append_ms(record: Record, *, owned: bool) -> int:
    """0 where the record's own time counts. `owned`: the topic is a tenant's, whose producers may write any header."""
    raw = record.headers.get(APPENDED_HEADER, b"")
    # Nobody has waited for a replay since its first publication.
    if owned or REPLAY_HEADER in record.headers or not raw.isdigit() or len(raw) > _MOST_DIGITS:
        return 0
    found = int(raw)
    return found if _YEAR_2000_MS <= found <= record.append_time_ms else 0
