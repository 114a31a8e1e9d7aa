"""The label that all metrics of a process share, its deployment, and queries for one deployment."""

import re
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

LABEL = "deployment"
_NAMED = re.compile(r"\b(rushes_\w+)(?:\{([^}]*)\})?")


class LabelledRegistry(Collector):
    """The metrics of `registry`, each sample with the deployment's name."""

    def __init__(self, registry: CollectorRegistry, deployment: str) -> None:
        self._registry = registry
        self._deployment = deployment

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            labelled = Metric(family.name, family.documentation, family.type, family.unit)
            labelled.samples = [
                sample._replace(labels={LABEL: self._deployment, **sample.labels}) for sample in family.samples
            ]
            yield labelled


def labelled(registry: CollectorRegistry, deployment: str) -> CollectorRegistry:
    """A registry that shows the metrics of `registry` with this label."""
    # With `auto_describe`, registration would collect every metric once.
    shown = CollectorRegistry(auto_describe=False)
    shown.register(LabelledRegistry(registry, deployment))
    return shown


def of_deployment(query: str, matcher: str) -> str:
    """The PromQL query with `deployment` + `matcher` (such as `="rushes"`) at each of our metrics."""

    def labelled_query(found: re.Match[str]) -> str:
        others = f",{found[2]}" if found[2] else ""
        return f"{found[1]}{{{LABEL}{matcher}{others}}}"

    return _NAMED.sub(labelled_query, query)
