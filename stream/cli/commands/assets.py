"""`rushes status` and `rushes moments`: what the index holds."""

from typing import Annotated, Any

import typer
from rich import box
from rich.console import Group
from rich.table import Table

from stream.cli.commands.spaces import chosen_space
from stream.cli.context import Context
from stream.cli.options.bounds import MAX_ROWS
from stream.cli.options.sessions import BrokerUri, ClientProperties, Cluster
from stream.cli.options.stored_settings import file_settings
from stream.cli.rendering.live import STYLES, reason
from stream.cli.rendering.overview import status_on_cluster
from stream.cli.rendering.sanitize import shown
from stream.cli.rendering.search_results import freshness_line
from stream.clock import SystemClock
from stream.events.grid import SECOND_NS, timecode
from stream.events.ids import clip_name, without_secrets

_UPLOADS = "uploads/"


def status(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's assets.")] = None,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """List assets with their status and the reason. With --broker: assets of the last week, and the stages."""
    from sinks.query.catalogue import Catalogue
    from stream.search.freshness import freshness_now

    shared: Context = context.obj
    # A cluster's status is in a topic, so no store is opened for it.
    if cluster := Cluster.named(broker, client_properties, shared.deployment):
        status_on_cluster(shared, cluster, tenant, json_output=json_output)
        return
    catalogue = Catalogue(file_settings(shared).index_dir)
    views = catalogue.assets(tenant)
    if json_output:
        shared.print_json([_asset_json(view) for view in views])
        return
    table = Table(title=f"Assets under {shared.state_dir}", title_justify="left")
    for column in ("tenant", "asset", "status", "length", "cells", "reason"):
        table.add_column(column, justify="right" if column in ("length", "cells") else "left", overflow="fold")
    for view in views:
        table.add_row(
            shown(view.tenant),
            # Names come from producers: markup or control sequences in them must not reach the terminal.
            shown(_clip(view)),
            f"[{STYLES[view.status]}]{view.status}[/]",
            timecode(view.duration_ns) if view.duration_ns else "",
            f"{view.segments_done}/{view.segment_count}" if view.segment_count else "",
            shown(reason(view)),
        )
    shared.console.print(table)
    shared.console.print(freshness_line(freshness_now(catalogue, SystemClock())), style="dim")


def _clip(view: Any) -> str:
    # What is on the disk of an upload is called by its number; its asset has the name that people gave it.
    return clip_name(view.asset_id if view.asset_id.startswith(_UPLOADS) else view.uri or view.asset_id)


def _asset_json(view: Any) -> dict[str, Any]:
    return {
        "tenant": view.tenant,
        "project": view.project,
        "asset_id": view.asset_id,
        # A signed URL holds credentials.
        "uri": without_secrets(view.uri),
        "status": view.status,
        "segments": view.segment_count,
        "segments_done": view.segments_done,
        "duration_s": view.duration_ns / SECOND_NS,
        "missing_s": [[start / SECOND_NS, end / SECOND_NS] for start, end in view.missing_ns],
        "damaged_s": [[start / SECOND_NS, end / SECOND_NS] for start, end in view.damaged_ns],
        "notes": list(view.notes),
        "code": view.code,
        "reason": view.reason,
        "searchable": view.live_content_key is not None,
    }


def moments(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's footage.")] = None,
    space: Annotated[str | None, typer.Option(help="Another space than search uses.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_ROWS, help="How many at most.")] = 200,
    json_output: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """List every visible moment, clip by clip, in time order."""
    from sinks.query.filters import Filters
    from sinks.query.moments import MomentIndex

    shared: Context = context.obj
    chosen = chosen_space(shared, space)
    found = MomentIndex(file_settings(shared).index_dir).moments(chosen.key, Filters(tenant=tenant), limit)
    if json_output:
        shared.print_json([_moment_json(hit) for hit in found])
    else:
        shared.console.print(moments_table(found))


def moments_table(found: list[Any]) -> Group:
    """One table per clip, in the given order."""
    tables: list[Table] = []
    clip = None
    for hit in found:
        # Moments come clip by clip, so a new content begins a new table.
        if hit.content_key != clip:
            tables.append(_clip_table(clip_name(hit.uri)))
            clip = hit.content_key
        tables[-1].add_row(
            timecode(hit.start_ns),
            timecode(hit.end_ns),
            shot_mark(hit),
            ", ".join(f"{shown(label)} {score:.2f}" for label, score in hit.tags[:3])
            or ("not looked for" if "tags" in hit.not_looked_for else "-"),
            "" if hit.moderation_nsfw is None else f"{hit.moderation_nsfw:.2f}",
            f"{shown(hit.caption)} [dim]({shown(hit.caption_method)})[/]{' [yellow]damaged[/]' if hit.damaged else ''}",
        )
    return Group(*tables)


def _clip_table(name: str) -> Table:
    table = Table(title=shown(name), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("from", "to", "shot"):
        table.add_column(column, no_wrap=True)
    table.add_column("tags", overflow="fold")
    table.add_column("nsfw", justify="right", no_wrap=True)
    table.add_column("caption (method)", overflow="fold")
    return table


def shot_mark(hit: Any) -> str:
    """The edges of a moment: `|` is a cut, `·` is the edge of a cell or of the asset."""
    if hit.shot_method == "none":
        return "none"
    return f"{'|' if hit.starts_at_cut else '·'}─{'|' if hit.ends_at_cut else '·'}"


def _moment_json(hit: Any) -> dict[str, Any]:
    return {
        "moment_id": hit.moment_id,
        "uri": without_secrets(hit.uri),
        "tenant": hit.tenant,
        "start_s": hit.start_ns / SECOND_NS,
        "end_s": hit.end_ns / SECOND_NS,
        "file_start_s": (hit.start_ns + hit.file_offset_ns) / SECOND_NS,
        "file_end_s": (hit.end_ns + hit.file_offset_ns) / SECOND_NS,
        "starts_at_cut": hit.starts_at_cut,
        "ends_at_cut": hit.ends_at_cut,
        "shot_method": hit.shot_method,
        "tags": [{"label": label, "score": score} for label, score in hit.tags],
        "moderation_nsfw": hit.moderation_nsfw,
        "caption": hit.caption,
        "caption_method": hit.caption_method,
        "not_looked_for": list(hit.not_looked_for),
        "damaged": hit.damaged,
    }
