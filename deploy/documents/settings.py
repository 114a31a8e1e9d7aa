"""Settings and environment variables as a reference page."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from deploy.documents.markdown import code, table
from stream.pipelines.reference import whole_topology
from stream.pipelines.settings import ModelChoice, Settings
from stream.topology.stage import Stage

ENVIRONMENT: Mapping[str, tuple[str, str]] = {
    "RUSHES_STATE": ("`./state`", "State directory: stores, dead letters, lock. The option `--state` comes first."),
    "RUSHES_CACHE": ("the user's cache directory", "Weights, samples, Kafka's jars. The option `--cache` comes first."),
    "RUSHES_DEPLOYMENT": ("`rushes`", "Name of the deployment. The option `--deployment` comes first."),
    "RUSHES_INDEX": (
        "in the state directory",
        "Where the index lies: a directory, or a place on an object store. The option `--index` comes first.",
    ),
    "RUSHES_PARQUET": (
        "in the state directory",
        "Where the Delta table lies, as the index. The option `--parquet` comes first.",
    ),
    "RUSHES_UPLOADS": (
        "in the state directory",
        "Where uploaded footage lies, as the index. The option `--uploads` comes first.",
    ),
    "RUSHES_AUDIT": (
        "none",
        "The directory of the audit trail; its key lies beside it. The option `--audit` comes first.",
    ),
    "RUSHES_SPLUNK_TOKEN": ("", "The token of the HTTP event collector that `rushes audit export` delivers to."),
    "RUSHES_SIEM_AUTHORIZATION": ("", "The `Authorization` header of what `rushes audit export` posts over HTTPS."),
    "RUSHES_OBJECTS": (
        "`jobs/store` in the state directory",
        "Where files, results and states of jobs lie, for `jobs` and for `serve`. The option `--objects` comes first.",
    ),
    "RUSHES_PRICES": (
        "none",
        "A file of prices, TOML, for the cost of jobs in money. The option `--prices` comes first.",
    ),
    "RUSHES_OIDC_ISSUER": ("", "Who signs people in to `rushes serve`. The option `--oidc-issuer` comes first."),
    "RUSHES_OIDC_CLIENT_ID": ("", "The service's name at that provider. The option `--oidc-client-id` comes first."),
    "RUSHES_OIDC_CLIENT_SECRET": ("", "The secret of that client. The option `--oidc-client-secret-file` comes first."),
    "RUSHES_OIDC_GROUPS_CLAIM": ("", "The claim with people's groups. The option `--oidc-groups-claim` comes first."),
    "RUSHES_SANDBOX": (
        "`best-effort`",
        "With `required` a worker refuses to decode where a measure of the sandbox does not hold.",
    ),
    "RUSHES_WEBHOOK_SECRET": ("", "The secret that signs what `--webhook` posts, of `rushes control` and of jobs."),
    "RUSHES_MANIFEST_KEY": ("", "The Ed25519 key in PEM that signs manifests of jobs, instead of `--manifest-key`."),
    "RUSHES_CREDENTIALS_KEY": ("", "The key in PEM of `--c2pa-certificates`, instead of `--c2pa-key`."),
    "RUSHES_IMAGE_DIGEST": ("", "The digest of the container image, which manifests of jobs name."),
    "RUSHES_DEBUG": ("", "With `1` a defect (exit code 3) shows its traceback."),
}
"""Default and meaning. A test compares the names with those that the code reads."""

SETTINGS: Mapping[str, tuple[str, str]] = {
    "state_dir": ("--state", "Where the stores lie."),
    "cache_dir": ("--cache", "Where weights lie."),
    "roots": ("--root", "Folders that may be read."),
    "prefixes": ("--root", "Prefixes of object stores that may be read."),
    "schemes": ("--scheme", "Schemes that a uri may have."),
    "allow_private_addresses": ("--private-network", "Whether a uri may lead to a private or loopback address."),
    "source_silence_s": ("", "How long a server may send nothing."),
    "source_request_s": ("", "How long one request may take."),
    "decode_limit_s": ("", "How long a cell may take to decode, and how long an inspection may read nothing."),
    "models": ("--embedder, --captioner, --light", "The models; see the next table."),
    "decode_children": ("", "Decode processes of a worker."),
    "decode_memory_bytes": ("", "Address space that a decode process may take beyond what it starts with."),
    "require_sandbox": ("RUSHES_SANDBOX", "Whether decoding needs every measure of the sandbox."),
    "model_threads": ("", "Threads of a model: by default 2, and 8 to prepare pictures for a CUDA device."),
    "model_device": ("--device", "Where models run. `auto` is CUDA where its driver is loaded."),
    "max_span_s": ("--span", "The longest span. Results do not depend on it."),
    "max_span_cost_cpu_s": ("", "The CPU time that a span may be expected to cost."),
    "tenant_credit_s": ("--tenant-credit", "Footage of one tenant that may be at work at once."),
    "tenant_assets": ("--tenant-assets", "Assets of one tenant that may be at work at once."),
    "bucket_rules": ("--bucket", "Buckets whose notifications become asset events."),
    "drain_timeout_s": ("", "How long a worker finishes what is in flight after SIGTERM."),
    "deployment": ("--deployment", "Whose stores lie in the state directory."),
    "min_free_bytes": ("", "The sinks pause before the disk has less."),
    "index": ("--index", "Where the index lies; by default in `state_dir`."),
    "parquet": ("--parquet", "Where the Delta table lies; by default in `state_dir`."),
    "index_shards": ("--shards", "Parts of the index with a writer each; fixed when it is made."),
    "parquet_shards": ("--shards", "The same of the Delta table."),
    "uploads": ("--uploads", "Where uploaded footage lies; by default in `state_dir`."),
    "audit": ("--audit", "The directory of the audit trail."),
}
"""What sets each field of `Settings`, and its meaning. A test compares the names with the fields."""


def environment() -> str:
    """Every variable that rushes itself reads."""
    return table(("variable", "default", "meaning"), [(code(name), *row) for name, row in ENVIRONMENT.items()])


def settings() -> str:
    """Every field of the settings of a run, and the choice of models."""
    rows = [
        (code(it.name), _default(it), ", ".join(map(code, SETTINGS[it.name][0].split(", "))), SETTINGS[it.name][1])
        for it in fields(Settings)
    ]
    models = [(code(it.name), code(str(it.default))) for it in fields(ModelChoice)]
    whole = table(("setting", "default", "set by", "meaning"), rows)
    return f"{whole}\nThe choice of models:\n\n{table(('family', 'default'), models)}"


def stages() -> str:
    """How each stage batches, retries, scales and is throttled."""
    heads = ("stage", "batch", "attempts", "workers", "replicas", "pauses while unread in", "CPUs", "memory")
    return table(heads, [_stage(it) for it in whole_topology().stages])


def _stage(stage: Stage) -> tuple[str, ...]:
    batch = f"{stage.batch.max_records} records or {stage.batch.max_bytes // 1024**2} MiB, {stage.batch.max_wait_s:g} s"
    over = f"{stage.max_unread_bytes // 1024**2} MiB"
    throttled = ", ".join(f"`{topic}` over {over}" for topic in stage.throttled_by)
    replicas = "any" if stage.max_replicas is None else f"at most {stage.max_replicas}"
    memory = f"{stage.resources.memory_bytes / 1024**3:g} GiB"
    attempts, workers = str(stage.retry.max_attempts), str(stage.concurrency)
    return code(stage.name), batch, attempts, workers, replicas, throttled, f"{stage.resources.cpus:g}", memory


def _default(field: Any) -> str:
    if field.name == "models":
        return ""
    if field.default is MISSING:
        return "required"
    value = field.default
    if value in ((), None):
        return ""
    return code(", ".join(value) if isinstance(value, tuple) else str(value))
