"""What a question is narrowed to, as values and as conditions on rows that scalar indexes answer (pure)."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sinks.filters import literal, one_of
from stream.events.ids import asset_key

LIVE_COLUMNS = ("visible", "live_project", "live_labels")
"""What a row of moments says of the asset that shows it. Rows of an older release do not say it."""

MOST_TAGS = 8
"""That a moment has."""

VISIBLE, EVERYTHING = "visible = true", "true"


@dataclass(frozen=True, slots=True)
class Scope:
    """A tenant's assets, or those of one of its projects."""

    tenant: str
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """All given conditions hold. `labels` must all be on the asset, `tags` on the moment. [start_ns, end_ns) overlaps
    the moment's range. Its score of moderation is `nsfw_from` or more and less than `nsfw_below`. `model` is the name
    or the digest of one that made it. `scopes` are what may be read at all; None is everything, none at all is nothing.
    """

    tenant: str | None = None
    project: str | None = None
    asset_ids: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    scopes: tuple[Scope, ...] | None = None
    tags: tuple[str, ...] = ()
    nsfw_from: float | None = None
    nsfw_below: float | None = None
    model: str | None = None

    @property
    def wanted_labels(self) -> tuple[str, ...]:
        """As rows hold them."""
        return tuple(sorted(f"{key}={value}" for key, value in self.labels.items()))

    @property
    def by_asset_state(self) -> bool:
        """Whether anything is asked that a publication can change: older rows may say something else."""
        scoped = self.scopes is not None and any(scope.project is not None for scope in self.scopes)
        return self.project is not None or bool(self.labels) or scoped

    def allowing(self) -> Callable[[str, str, str, Collection[str]], bool]:
        """Whether an asset that shows under a tenant, project, asset id and labels is asked for."""
        labels, scopes = set(self.wanted_labels), None if self.scopes is None else frozenset(self.scopes)

        def allows(tenant: str, project: str, asset_id: str, held: Collection[str]) -> bool:
            return (
                (self.tenant is None or self.tenant == tenant)
                and (self.project is None or self.project == project)
                and (not self.asset_ids or asset_id in self.asset_ids)
                and labels <= set(held)
                and (scopes is None or not scopes.isdisjoint((Scope(tenant), Scope(tenant, project))))
            )

        return allows


def status_where(tenant: str | None, asset_ids: Collection[str], scopes: Sequence[Scope] | None) -> str:
    """On rows of assets, by their newest version, whether they show something or not."""
    clauses = [f"tenant = {literal(tenant)}"] if tenant is not None else []
    clauses += _of_assets(tenant, asset_ids)
    clauses += [_scoped(scopes, "project")] if scopes is not None else []
    return " AND ".join(clauses)


def assets_where(filters: Filters) -> str:
    """On rows of assets: those that show something and are asked for."""
    clauses = ["live_content_key IS NOT NULL", *_names(filters, "live_project", "live_labels")]
    return " AND ".join([*clauses, *_of_assets(filters.tenant, filters.asset_ids)])


def _of_assets(tenant: str | None, asset_ids: Collection[str]) -> list[str]:
    """By their keys where the tenant is known, too: they have an index, and names have none."""
    if not asset_ids:
        return []
    if tenant is None:
        return [one_of("asset_id", asset_ids)]
    return [one_of("asset_key", (asset_key(tenant, name) for name in asset_ids))]


def moments_where(filters: Filters, asset_keys: Collection[str] | None, columns: Collection[str]) -> str:
    """On rows of moments, which have `columns`. `asset_keys` are those of `filters.asset_ids`, where it names some.

    Rows may say more than is true and never less: the asset decides. A table without `LIVE_COLUMNS` cannot tell
    projects and labels, so `by_asset_state` filters need the contents too.
    """
    told = set(LIVE_COLUMNS) <= set(columns)
    clauses = [VISIBLE, *_names(filters, "live_project", "live_labels")] if told else _tenants(filters)
    clauses += [one_of("asset_key", asset_keys)] if asset_keys is not None else []
    return " AND ".join([*clauses, *rows_where(filters)]) or EVERYTHING


def rows_where(filters: Filters) -> list[str]:
    """Conditions on the moment itself."""
    clauses = []
    if filters.kind is not None:
        clauses.append(f"kind = {literal(filters.kind)}")
    if filters.end_ns is not None:
        clauses.append(f"start_ns < {filters.end_ns:d}")
    if filters.start_ns is not None:
        clauses.append(f"end_ns > {filters.start_ns:d}")
    clauses += [_tagged(tag) for tag in filters.tags]
    if filters.nsfw_from is not None:
        clauses.append(f"moderation_nsfw >= {filters.nsfw_from:.17f}")
    if filters.nsfw_below is not None:
        clauses.append(f"moderation_nsfw < {filters.nsfw_below:.17f}")
    if filters.model is not None:
        clauses.append(_made_with(filters.model))
    return clauses


def _tagged(label: str) -> str:
    # The dialect has no condition on all elements of a list of structures.
    places = (f"tags[{number}].label = {literal(label)}" for number in range(1, MOST_TAGS + 1))
    return f"({' OR '.join(places)})"


def _made_with(model: str) -> str:
    """In the JSON of a row, as `sinks.schema` writes it."""
    keys = (f'"{key}": {json.dumps(model)},' for key in ("digest", "name"))
    return f"({' OR '.join(f'contains(models, {literal(text)})' for text in keys)})"


def _names(filters: Filters, project: str, labels: str) -> list[str]:
    clauses = [f"tenant = {literal(filters.tenant)}"] if filters.tenant is not None else []
    clauses += [f"{project} = {literal(filters.project)}"] if filters.project is not None else []
    clauses += [f"array_has({labels}, {literal(label)})" for label in filters.wanted_labels]
    return clauses + ([_scoped(filters.scopes, project)] if filters.scopes is not None else [])


def _tenants(filters: Filters) -> list[str]:
    clauses = [f"tenant = {literal(filters.tenant)}"] if filters.tenant is not None else []
    return clauses + (
        [one_of("tenant", {scope.tenant for scope in filters.scopes})] if filters.scopes is not None else []
    )


def _scoped(scopes: Sequence[Scope], project: str) -> str:
    """Whole tenants in one list; the others by equal sets of projects, or of tenants, whichever are fewer: each set is
    a condition of its own, and a thousand of them take a third of a second.
    """
    whole = {scope.tenant for scope in scopes if scope.project is None}
    parts = [
        (scope.tenant, scope.project) for scope in scopes if scope.project is not None and scope.tenant not in whole
    ]
    by_tenant = _grouped(parts)
    by_project = _grouped((name, tenant) for tenant, name in parts)
    if len(by_project) < len(by_tenant):
        by_tenant = {tenants: names for names, tenants in by_project.items()}
    clauses = [one_of("tenant", whole)] if whole or not parts else []
    clauses += [f"({one_of('tenant', tenants)} AND {one_of(project, names)})" for names, tenants in by_tenant.items()]
    return f"({' OR '.join(clauses)})"


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Keys by the set of values they have: values to keys."""
    values: dict[str, set[str]] = {}
    for key, value in pairs:
        values.setdefault(key, set()).add(value)
    found: dict[tuple[str, ...], list[str]] = {}
    for key, held in values.items():
        found.setdefault(tuple(sorted(held)), []).append(key)
    return {held: tuple(keys) for held, keys in found.items()}
