"""KEDA `ScaledObject`s: stages with several replicas follow `rushes_desired_replicas` (keda.sh/v1alpha1)."""

from collections.abc import Iterator

from stream.deployment.kubernetes import Object, Rollout, max_replicas
from stream.observability.labels import of_deployment
from stream.observability.metrics import DESIRED_REPLICAS
from stream.topology.topology import Topology


def scaled_objects(topology: Topology, rollout: Rollout, *, prometheus: str) -> Iterator[Object]:
    """One for each stage that may have several replicas. Without the metric, `fallback` keeps two replicas: an exporter
    that is down must not stop the workers.
    """
    for stage in topology.stages:
        # A single writer is not scaled: a second one would only wait for the lock (ADR 0012).
        if stage.max_replicas == 1:
            continue
        most = max_replicas(stage, max(rollout.partitions_of(topic) for topic in stage.sources))
        trigger = {
            "serverAddress": prometheus,
            "query": of_deployment(f'max({DESIRED_REPLICAS.name}{{stage="{stage.name}"}})', f'="{rollout.deployment}"'),
            "threshold": "1",
            "ignoreNullValues": "false",  # a missing value is an error, not zero
        }
        # The metric has its own hysteresis, so KEDA applies it directly, like `rushes autoscale` (ADR 0027).
        at_once = {"stabilizationWindowSeconds": 0}
        behavior = {
            "scaleUp": {**at_once, "policies": [{"type": "Pods", "value": most, "periodSeconds": 15}]},
            "scaleDown": at_once,
        }
        spec = {
            "scaleTargetRef": {"name": f"{rollout.deployment}-{stage.name}"},
            "pollingInterval": 10,
            "minReplicaCount": 1,
            "maxReplicaCount": most,
            "fallback": {"failureThreshold": 3, "replicas": min(2, most)},
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}},
            "triggers": [{"type": "prometheus", "metricType": "AverageValue", "metadata": trigger}],
        }
        yield {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": f"{rollout.deployment}-{stage.name}", "namespace": rollout.namespace},
            "spec": spec,
        }
