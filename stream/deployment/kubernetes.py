"""Kubernetes objects of a roll-out as plain values: one Deployment per stage, the exporter, the control plane, and
their services, volumes and policies.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stream.broker.names import DEFAULT
from stream.deployment import job_workers
from stream.deployment.webhook import Webhook
from stream.topology.stage import Stage, Volume
from stream.topology.topics import TASKS
from stream.topology.topology import Topology

Object = dict[str, Any]
PORT = 9108
DRAIN_S = 20
GRACE_S = DRAIN_S + 25
"""Longer than a drain, so that the drain ends before the process is killed."""
# Fixed, so that files on shared volumes keep their owner over roll-outs.
USER = 10001
STATE, CACHE, MEDIA, CLIENT = "/var/lib/rushes/state", "/var/lib/rushes/cache", "/media", "/etc/rushes"
AUDIT = "/var/lib/rushes/audit"
_NOT_PUBLIC = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
]
"""The same addresses as in `stream.net.addresses`: the cluster refuses what the worker refuses."""
CONTROL, CALLING, TELLING = "control", "webhook", "job-webhook"
_WHERE: Mapping[Volume, tuple[str, bool]] = {
    "state": (STATE, False),
    "cache": (CACHE, True),
    "media": (MEDIA, True),
    "audit": (AUDIT, False),
    "register": (STATE, False),
    "scratch": (STATE, False),
}
"""For each volume: its mount path, and whether it is read-only."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """What all objects of a roll-out share. `broker` is host:port[,host:port…]; `client_secret` names a Secret with
    `client.properties`. `epoch_ms` is the roll-out's time. The keys of the Secret `bucket_secret` are the environment
    of stages that read objects. Every `rushes run` gets the same `options`: they decide results, and also the topology
    and therefore which records are trimmed. `private_sources`: footage may be on servers with private addresses.
    Objects have names from `deployment`, so that several deployments can share a namespace. `index` and `parquet` are
    the places of stores on object storage, for which the keys of the Secret `store_secret` are the environment. `jobs`:
    what stages of jobs need, where the topology has them.
    """

    image: str
    broker: str
    namespace: str = "rushes"
    epoch_ms: int = 0
    partitions: int = 8
    topic_partitions: Mapping[str, int] = field(default_factory=dict)
    client_secret: str | None = None
    monitoring: str = "monitoring"
    bucket_secret: str | None = None
    webhook: Webhook | None = None
    options: tuple[str, ...] = ()
    private_sources: bool = False
    deployment: str = DEFAULT
    index: str | None = None
    parquet: str | None = None
    store_secret: str | None = None
    jobs: job_workers.JobRollout | None = None

    @property
    def in_buckets(self) -> bool:
        """Whether no store lies on a volume."""
        return self.index is not None and self.parquet is not None

    @property
    def stores(self) -> list[str]:
        """The options of `rushes` that say where they lie."""
        places = (("--index", self.index), ("--parquet", self.parquet))
        return [word for option, place in places if place is not None for word in (option, place)]

    def partitions_of(self, topic: str) -> int:
        return self.topic_partitions.get(topic, self.partitions)

    @property
    def partition_words(self) -> list[str]:
        declared = [str(self.partitions), *(f"{topic}={count}" for topic, count in self.topic_partitions.items())]
        return [word for each in declared for word in ("--partitions", each)]

    @property
    def broker_ports(self) -> list[int]:
        # A NetworkPolicy knows no host names, so brokers are allowed by their ports.
        return sorted({int(server.rpartition(":")[2]) for server in self.broker.split(",")})


def manifests(topology: Topology, rollout: Rollout) -> Iterator[Object]:
    """Every object, in an order that can be applied."""
    yield _object("Namespace", rollout.namespace, None, {})
    account = _object("ServiceAccount", rollout.deployment, rollout, {})
    # No process asks the cluster's API, so none gets a token.
    yield {**account, "automountServiceAccountToken": False}
    for name, mode in (("state", "ReadWriteMany"), ("cache", "ReadOnlyMany"), ("media", "ReadOnlyMany")):
        if name != "state" or not rollout.in_buckets:
            yield _claim(name, mode, rollout)
    # A trail and a register have one writer.
    for name in ("audit", "register"):
        if any(name in stage.launch.volumes for stage in topology.stages):
            yield _claim(name, "ReadWriteOnce", rollout)
    yield from _network(topology, rollout)
    for stage in topology.stages:
        yield _deployment(stage, rollout)
        # A drain of nodes must not end all workers of a stage at once.
        yield _budget(stage.name, rollout)
    yield _exporter(topology, rollout)
    yield _control(rollout)
    for name in ("worker", "exporter", CONTROL):
        yield _service(name, rollout)


def max_replicas(stage: Stage, partitions: int) -> int:
    """The most replicas of which each can have its own partition."""
    # A replica beyond the partitions would have nothing to read.
    most = max(1, partitions // stage.concurrency)
    return most if stage.max_replicas is None else min(most, stage.max_replicas)


def _deployment(stage: Stage, rollout: Rollout) -> Object:
    single = stage.max_replicas == 1
    volumes = stage.launch.volumes
    of_jobs = job_workers.of_jobs(stage)
    tells = job_workers.posts(stage)
    pod = _pod("worker", stage.name, rollout, _arguments(stage, rollout), _resources(stage), volumes)
    if of_jobs:
        pod["spec"]["terminationGracePeriodSeconds"] = job_workers.GRACE_S
    if "audit" in volumes:
        _keep_trail(pod["spec"], stage.name, rollout)
    # In the environment: every listing shows arguments.
    wanted = (
        (rollout.bucket_secret, "media" in volumes),
        # The coordinator reads what moderation says in the index.
        (rollout.store_secret, bool({"state", "register"} & set(volumes))),
        (rollout.jobs.secret if rollout.jobs else None, of_jobs and not tells),
    )
    if secrets := [{"secretRef": {"name": name}} for name, needed in wanted if name and needed]:
        pod["spec"]["containers"][0]["envFrom"] = secrets
    if tells and rollout.jobs and rollout.jobs.webhook:
        pod["spec"]["containers"][0]["env"] = rollout.jobs.webhook.environment
    spec: Object = {
        "selector": {"matchLabels": _labels(stage.name, rollout)},
        # A rolling update would start a second writer, which waits for the store's lock. Shards are handed over.
        "strategy": {"type": "Recreate" if single else "RollingUpdate"},
        "template": pod,
    }
    # KEDA sets the replicas of the other stages; a number here would reset it at every apply.
    return _object("Deployment", stage.name, rollout, {"replicas": 1, **spec} if single else spec)


def _arguments(stage: Stage, rollout: Rollout) -> list[str]:
    if job_workers.of_jobs(stage):
        assert rollout.jobs is not None, "its topology has stages of jobs"
        words = rollout.jobs.arguments(stage, rollout.image, rollout.partitions_of(TASKS.name))
        return [*words, *rollout.partition_words]
    volumes = stage.launch.volumes
    words = [*stage.launch.command, stage.name, "--epoch-ms", str(rollout.epoch_ms), *rollout.partition_words]
    words += rollout.options
    words += ["--root", MEDIA] if "media" in volumes else []
    words += ["--device", "cuda" if stage.resources.gpus else "cpu"] if "cache" in volumes else []
    return [*words, *stage.launch.arguments]


def _keep_trail(pod: Object, stage: str, rollout: Rollout) -> None:
    """Gives the pod's worker a trail of its own on the volume, whose key is made before it first starts."""
    (worker,) = pod["containers"]
    worker["command"] += ["--audit", f"{AUDIT}/{stage}"]
    same = ("image", "securityContext", "volumeMounts")
    made = {
        "name": "audit-key",
        **{part: worker[part] for part in same},
        "command": worker["command"],
        "args": ["audit", "init", "--keep", "--name", f"{rollout.deployment}/{stage}"],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    }
    pod["initContainers"] = [made]


def _exporter(topology: Topology, rollout: Rollout) -> Object:
    """The exporter. It gets options for the optional stages, because KEDA also reads their replicas from it."""
    options = {stage.launch.observed_with for stage in topology.stages} - {None}
    arguments = ["exporter", *sorted(option for option in options if option is not None)]
    resources = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}
    pod = _pod("exporter", "exporter", rollout, arguments, resources)
    spec = {"replicas": 1, "selector": {"matchLabels": _labels("exporter", rollout)}, "template": pod}
    return _object("Deployment", "exporter", rollout, spec)


def _control(rollout: Rollout) -> Object:
    """The control plane: one replica, because a second one that wakes late could write an older value (ADR 0023). Its
    table is in Kafka.
    """
    resources = {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}
    arguments = [CONTROL, *rollout.partition_words]
    arguments += ["--webhook", rollout.webhook.url] if rollout.webhook else []
    pod = _pod(CONTROL, CONTROL, rollout, arguments, resources)
    if rollout.webhook:
        pod["spec"]["containers"][0]["env"] = rollout.webhook.environment
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": _labels(CONTROL, rollout)},
        "template": pod,
    }
    return _object("Deployment", CONTROL, rollout, spec)


def _pod(
    role: str,
    name: str,
    rollout: Rollout,
    arguments: list[str],
    resources: Object,
    needed: Collection[Volume] = (),
) -> Object:
    volumes, mounts = _volumes(name, rollout, needed)
    secured = ["--client-properties", f"{CLIENT}/client.properties"] if rollout.client_secret else []
    named = ["--deployment", rollout.deployment] if rollout.deployment != DEFAULT else []
    where = ["--broker", f"kafka://{rollout.broker}", "--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104 - a pod
    container = {
        "name": "rushes",
        "image": rollout.image,
        # `--state` and the like belong to `rushes` itself, so they stand before the command's name.
        "command": ["rushes", "--state", STATE, "--cache", CACHE, *rollout.stores, *named],
        "args": [*arguments, *where, *secured],
        "ports": [{"name": "metrics", "containerPort": PORT}],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            # Only mounted volumes can be written, also by a process that was taken over.
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": {**_probe("/healthz"), "periodSeconds": 5, "failureThreshold": 60},
        "livenessProbe": {**_probe("/healthz"), "periodSeconds": 10, "failureThreshold": 3},
        # Ready is not alive: a worker that waits for a dependency must not be restarted.
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 5},
        "volumeMounts": mounts,
    }
    spec = {
        "serviceAccountName": rollout.deployment,
        "automountServiceAccountToken": False,
        # Service links would set environment variables for every service of the namespace.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }
    return {"metadata": {"labels": {**_labels(name, rollout), "app.kubernetes.io/component": role}}, "spec": spec}


def _volumes(name: str, rollout: Rollout, needed: Collection[Volume]) -> tuple[list[Object], list[Object]]:
    # The root file system is read-only, so temporary files need a volume.
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]
    mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - of the pod alone
    # Of the pod itself: stores that lie elsewhere need only small files.
    own = {"scratch": "100Gi"} | ({"state": "1Gi"} if rollout.in_buckets else {})
    for volume, (path, read_only) in _WHERE.items():
        if volume in needed and volume in own:
            volumes.append({"name": volume, "emptyDir": {"sizeLimit": own[volume]}})
            mounts.append({"name": volume, "mountPath": path})
        elif volume in needed:
            claim = {"claimName": f"{rollout.deployment}-{volume}", "readOnly": read_only}
            volumes.append({"name": volume, "persistentVolumeClaim": claim})
            mounts.append({"name": volume, "mountPath": path, "readOnly": read_only})
    if "media" in needed:  # decode children pass pictures in shared memory
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "512Mi"}})
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 - of the pod alone
    if name == CONTROL:
        volumes.append({"name": "table", "emptyDir": {"sizeLimit": "10Gi"}})
        mounts.append({"name": "table", "mountPath": STATE})
    if rollout.client_secret:
        volumes.append({"name": "client", "secret": {"secretName": rollout.client_secret, "defaultMode": 0o440}})
        mounts.append({"name": "client", "mountPath": CLIENT, "readOnly": True})
    return volumes, mounts


def _resources(stage: Stage) -> Object:
    asked = stage.resources
    limits: Object = {"memory": _mebibytes(asked.memory_bytes + asked.spare_bytes)}
    if asked.gpus:
        limits["nvidia.com/gpu"] = str(asked.gpus)
    requests = {"cpu": f"{round(asked.cpus * 1000)}m", "memory": _mebibytes(asked.memory_bytes)}
    return {"requests": requests, "limits": limits}


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes >> 20}Mi"


def _network(topology: Topology, rollout: Rollout) -> Iterator[Object]:
    """Network policies. Inbound: scrapes. Outbound: DNS and brokers; for stages that read footage or open stores in
    buckets also HTTP(S), for webhooks their ports.
    """
    scraping = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": rollout.monitoring}}}
    names = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    brokers = [{"port": port, "protocol": "TCP"} for port in rollout.broker_ports]
    everyone = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": rollout.deployment}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [scraping], "ports": [{"port": PORT, "protocol": "TCP"}]}],
        # DNS and brokers only. Stages that read footage and webhooks get more below.
        "egress": [{"ports": [*names, *brokers]}],
    }
    yield _object("NetworkPolicy", rollout.deployment, rollout, everyone)
    if reading := [stage.name for stage in topology.stages if "media" in stage.launch.volumes]:
        yield _outward("reading", reading, (80, 443), rollout, private=rollout.private_sources)
    if rollout.stores:
        storing = [stage.name for stage in topology.stages if "state" in stage.launch.volumes]
        yield _outward("storing", storing, (80, 443), rollout, private=rollout.private_sources)
    of_jobs = [stage for stage in topology.stages if job_workers.of_jobs(stage)]
    if jobs := [stage.name for stage in of_jobs if not job_workers.posts(stage)]:
        yield _outward("jobs", jobs, (80, 443), rollout, private=rollout.private_sources)
    if rollout.webhook:
        yield _outward(CALLING, (CONTROL,), (rollout.webhook.port,), rollout)
    if rollout.jobs and rollout.jobs.webhook:
        telling = [stage.name for stage in of_jobs if job_workers.posts(stage)]
        yield _outward(TELLING, telling, (rollout.jobs.webhook.port,), rollout)


def _outward(
    name: str, stages: Sequence[str], ports: Sequence[int], rollout: Rollout, *, private: bool = False
) -> Object:
    """Allows pods of these stages to connect to public addresses, and with `private` to all."""
    # Link-local and private addresses hold the cloud's metadata service and the cluster itself.
    block: Object = {"cidr": "0.0.0.0/0"} if private else {"cidr": "0.0.0.0/0", "except": _NOT_PUBLIC}
    way = {"to": [{"ipBlock": block}], "ports": [{"port": port, "protocol": "TCP"} for port in ports]}
    selector = {
        "matchLabels": {"app.kubernetes.io/name": rollout.deployment},
        "matchExpressions": [{"key": "rushes/stage", "operator": "In", "values": list(stages)}],
    }
    spec = {"podSelector": selector, "policyTypes": ["Egress"], "egress": [way]}
    return _object("NetworkPolicy", name, rollout, spec)


def _budget(stage: str, rollout: Rollout) -> Object:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": _labels(stage, rollout)}}
    return _object("PodDisruptionBudget", stage, rollout, spec)


def _service(role: str, rollout: Rollout) -> Object:
    """A headless service for scrapes. It also lists pods that are not ready: their metrics matter most."""
    selector = {"app.kubernetes.io/name": rollout.deployment, "app.kubernetes.io/component": role}
    ports = [{"name": "metrics", "port": PORT, "targetPort": "metrics"}]
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": selector, "ports": ports}
    return _object("Service", role, rollout, spec)


def _claim(name: str, mode: str, rollout: Rollout) -> Object:
    return _object(
        "PersistentVolumeClaim",
        name,
        rollout,
        {"accessModes": [mode], "resources": {"requests": {"storage": "100Gi"}}},
    )


def _probe(path: str) -> Object:
    return {"httpGet": {"path": path, "port": "metrics"}, "timeoutSeconds": 3}


def _labels(name: str, rollout: Rollout) -> Mapping[str, str]:
    return {"app.kubernetes.io/name": rollout.deployment, "rushes/stage": name}


_VERSIONS = {
    "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}


def _object(kind: str, name: str, rollout: Rollout | None, spec: Object) -> Object:
    deployment = DEFAULT if rollout is None else rollout.deployment
    # The object of the deployment's own name does not repeat it.
    full = name if rollout is None or name == deployment else f"{deployment}-{name}"
    metadata: Object = {"name": full, "labels": {"app.kubernetes.io/name": deployment}}
    if rollout is not None:
        metadata["namespace"] = rollout.namespace
    made: Object = {"apiVersion": _VERSIONS.get(kind, "v1"), "kind": kind, "metadata": metadata}
    return {**made, "spec": spec} if spec else made
