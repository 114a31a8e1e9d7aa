"""A trail to all of its targets at once: each in a thread of its own, watched by metrics."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from sinks.siem.target import Target
from stream.clock import Clock
from stream.observability.metrics import AuditMetrics
from stream.sessions.audit_export import AuditExport
from stream.sessions.audit_feed import AuditFeed, FeedEnd


class AuditFeeds:
    """`targets` by their names, which are uris. Call `run` once."""

    def __init__(self, directory: Path, targets: Mapping[str, Target], clock: Clock, metrics: AuditMetrics) -> None:
        named = labels(targets)
        self._feeds = [
            _feed(AuditExport(directory, name, target), named[name], clock, metrics) for name, target in targets.items()
        ]

    def run(self, stop: threading.Event, interval_s: float | None) -> None:
        """Until `stop`; or once, if `interval_s` is None."""
        # A thread for each, as a target that is away may block only itself.
        with ThreadPoolExecutor(len(self._feeds), "audit export") as threads:
            for feed in self._feeds:
                threads.submit(feed.run, stop, interval_s)

    def ends(self) -> Sequence[FeedEnd]:
        return [feed.end() for feed in self._feeds]


def _feed(export: AuditExport, label: str, clock: Clock, metrics: AuditMetrics) -> AuditFeed:
    taken = metrics.watch(label, lambda: feed.lag_s(clock.now_ms()))
    feed = AuditFeed(export, taken.inc)
    return feed


def labels(uris: Mapping[str, object]) -> dict[str, str]:
    """What a target is called in metrics: without path and query, which may hold a secret."""
    found: dict[str, str] = {}
    for uri in uris:
        scheme, _, rest = uri.partition(":")
        plain = f"{scheme}://{urlsplit(uri).netloc}" if rest.startswith("//") else f"{scheme}:{Path(rest).name}"
        same = sum(label == plain or label.startswith(f"{plain} ") for label in found.values())
        found[uri] = f"{plain} {same + 1}" if same else plain
    return found
