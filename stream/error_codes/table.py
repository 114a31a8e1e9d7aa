"""Every error code: what it means and what to do."""

from collections.abc import Mapping

from stream.error_codes.access import ACCESS
from stream.error_codes.audit import AUDIT
from stream.error_codes.brokers import BROKERS
from stream.error_codes.composite import COMPOSITE
from stream.error_codes.entry import EFFECTS, ErrorCode
from stream.error_codes.events import EVENTS
from stream.error_codes.footage import FOOTAGE
from stream.error_codes.generation import GENERATION
from stream.error_codes.jobs import JOBS
from stream.error_codes.media import MEDIA
from stream.error_codes.processes import PROCESSES
from stream.error_codes.requests import REQUESTS
from stream.error_codes.sources import SOURCES
from stream.error_codes.stores import STORES
from stream.error_codes.tenants import TENANTS

GROUPS: Mapping[str, tuple[ErrorCode, ...]] = {
    "Events and assets": EVENTS,
    "Reading the source": SOURCES,
    "Footage and decoding": FOOTAGE,
    "Tenants": TENANTS,
    "Kafka and deployments": BROKERS,
    "Stores and disk": STORES,
    "Search requests": REQUESTS,
    "Audit": AUDIT,
    "Access and the service": ACCESS,
    "Media operators": MEDIA,
    "Composing layers": COMPOSITE,
    "Generating pictures": GENERATION,
    "Jobs": JOBS,
    "Models, processes and commands": PROCESSES,
}
ERROR_CODES: Mapping[str, ErrorCode] = {row.code: row for rows in GROUPS.values() for row in rows}


def advice_for(code: str) -> str | None:
    """What to do; None for a code of a plug-in from outside or of another release."""
    row = ERROR_CODES.get(code)
    return None if row is None else row.advice


def words_for(code: str) -> str | None:
    """What it means, and what to do; None as for `advice_for`."""
    row = ERROR_CODES.get(code)
    return None if row is None else f"{row.meaning} {row.advice}"


def markdown_kinds() -> str:
    """The kinds and what each does, for the reference."""
    rows = "\n".join(f"| `{kind}` | {effect} |" for kind, effect in EFFECTS.items())
    return f"| kind | effect |\n|---|---|\n{rows}\n"


def markdown_codes() -> str:
    """All rows by subject, in order of their names, for the reference."""
    return "\n".join(_section(title, rows) for title, rows in GROUPS.items())


def _section(title: str, rows: tuple[ErrorCode, ...]) -> str:
    lines = [
        f"| `{row.code}` | {', '.join(f'`{kind}`' for kind in row.kinds)} | {row.meaning} | {row.advice} |"
        for row in sorted(rows, key=lambda row: row.code)
    ]
    head = "| code | kind | meaning | what to do |\n|---|---|---|---|"
    return "\n".join((f"## {title}", "", head, *lines, ""))
