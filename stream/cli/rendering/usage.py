"""What tenants used, as rows for scripts and as a table for people, in whatever units it was counted."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from stream.cli.rendering.sanitize import shown
from stream.cli.rendering.tables import plain_table, utc
from stream.control.view import Usage, UsageKey
from stream.topology.unit import VIDEO_SECONDS

_VIDEO = VIDEO_SECONDS.counts


def usage_rows(found: Mapping[UsageKey, Usage]) -> list[dict[str, Any]]:
    """`quantity` is counted in `unit`; video stands in seconds too, as `video_s`."""
    return [
        {
            "window": utc(key.window_ms),
            "tenant": key.tenant,
            "stage": key.stage,
            # Kept for scripts from before there were other units.
            "video_s": used.quantity / VIDEO_SECONDS.scale if key.unit == _VIDEO else 0.0,
            "cpu_s": used.cpu_us / 1e6,
            "device_s": used.device_us / 1e6,
            "read_bytes": used.read_bytes,
            "quantity": used.quantity,
            "unit": key.unit,
        }
        for key, used in found.items()
    ]


def usage_table(found: Mapping[UsageKey, Usage]) -> Table:
    """One column for each unit that was used."""
    units = list(dict.fromkeys(key.unit for key in found))
    names = ("video s" if unit == _VIDEO else shown(unit) for unit in units)
    table = plain_table(
        "Usage, by time of publication", ("window", "tenant", "stage"), (*names, "CPU s", "device s", "MB")
    )
    for key, used in found.items():
        table.add_row(
            *(shown(text) for text in (utc(key.window_ms), key.tenant, key.stage)),
            *(_quantity(used.quantity, unit) if unit == key.unit else "" for unit in units),
            *(f"{cost / 1e6:.1f}" for cost in (used.cpu_us, used.device_us, used.read_bytes)),
        )
    return table


def _quantity(quantity: int, unit: str) -> str:
    return f"{quantity / VIDEO_SECONDS.scale:.1f}" if unit == _VIDEO else str(quantity)
