"""SQL filters that are safe for any string (pure). LanceDB and Delta share the dialect (DataFusion)."""

from collections.abc import Iterable

from sinks.assets.tombstones import Retirement


def literal(value: str) -> str:
    """A string as an SQL literal; quotes doubled, which is all the filter language asks for."""
    return "'" + value.replace("'", "''") + "'"


def one_of(column: str, values: Iterable[str]) -> str:
    """`column IN (…)`; false for no value."""
    listed = ", ".join(literal(value) for value in sorted(set(values)))
    return f"{column} IN ({listed})" if listed else "false"


def list_of(values: Iterable[str]) -> str:
    """An SQL list of strings. An empty one needs its type."""
    listed = ", ".join(literal(value) for value in values)
    return f"make_array({listed})" if listed else "arrow_cast(make_array(), 'List(Utf8)')"


def void_rows(asset_key: str, retirement: Retirement) -> str:
    """A filter for the rows that `retirement` voids, in any table with asset, content and version columns."""
    clauses = []
    if retirement.deleted is not None:
        clauses.append(_up_to(*retirement.deleted))
    if retirement.up_to is not None:
        clauses.append(f"({_up_to(*retirement.up_to)} AND content_key <> {literal(retirement.keep or '')})")
    if retirement.kept_above is not None:
        clauses.append(_up_to(*retirement.kept_above))
    voided = " OR ".join(clauses) or "false"
    return f"(asset_key = {literal(asset_key)} AND ({voided}))"


def _up_to(append_ms: int, offset: int) -> str:
    return f"(version_ms < {append_ms:d} OR (version_ms = {append_ms:d} AND version_offset <= {offset:d}))"
