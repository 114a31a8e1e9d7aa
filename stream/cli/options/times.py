"""Parses points in time that a person types."""

import re
from datetime import UTC, datetime

from stream.cli.context import UsageProblem

# At most six digits: more could overflow the 64-bit times of the stores.
_AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def moment_ms(text: str, now_ms: int) -> int:
    """Milliseconds since the epoch of an ISO 8601 date or time (UTC unless it says otherwise), or of `90m`, `24h`, `7d`
    before now. Raises `UsageProblem`.
    """
    if ago := _AGO.fullmatch(text):
        return now_ms - int(ago[1]) * _UNIT_MS[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
        # A time without a zone is UTC and not local: scripts run on many machines.
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise UsageProblem(f"{text!r} is no time: say 2026-01-31, 2026-01-31T08:30 or 24h (ago)") from None
