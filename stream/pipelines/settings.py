"""The settings of a run. The command line (or a test) makes them and passes them down; nothing else reads the
environment.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sinks.location import Location
from stream.broker.names import DEFAULT

DEFAULT_SCHEMES = ("file", "http", "https")
TENANT_CREDIT_S, TENANT_ASSETS = 150.0, 32
"""The work in progress of one tenant in one process. More than one span per decoder keeps all decoders busy."""
PARTITION_CREDIT_S, PARTITION_ASSETS = 120.0, 4
"""The same on a cluster, for each partition of `spans`."""
Device = Literal["auto", "cpu", "cuda"]
"""`auto` is CUDA where the NVIDIA driver is loaded."""


NONE = "none"
LOOKS = {"shots": "shots", "tags": "tagger", "moderation": "moderator", "vectors": "embedder"}
"""What models look for, each with the field of `ModelChoice` that names who does."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Registry names, `hf:DIR` or `module:Class` for each family; `NONE` for what is not looked for."""

    shots: str = "transnetv2"
    tagger: str = "efficientnet-lite0"
    moderator: str = "open-nsfw"
    embedder: str = "conse"
    captioner: str = "template"

    def looking_for(self, wanted: Collection[str]) -> "ModelChoice":
        """These models for the `LOOKS` among `wanted`, and none for the others. Raises `ValueError` for a name that is
        none of them, for none at all, and for what is made of tags without tags.
        """
        unknown = sorted(set(wanted) - set(LOOKS))
        if unknown or not wanted:
            names = ", ".join(map(repr, unknown)) or "nothing"
            raise ValueError(f"{names} cannot be looked for; name some of {', '.join(LOOKS)}")
        chosen = replace(self, **{field: NONE for look, field in LOOKS.items() if look not in wanted})
        if chosen.tagger == NONE and (chosen.embedder == "conse" or chosen.captioned):
            raise ValueError("vectors of conse and captions are made of tags; name tags too, or leave these out")
        return chosen

    @property
    def captioned(self) -> bool:
        """Whether a stage replaces the template captions."""
        return self.captioner != "template"

    @classmethod
    def light(cls) -> "ModelChoice":
        """The deterministic hashing models: real functions of the pixels, almost free."""
        return cls(shots="hashing", tagger="hashing", moderator="hashing", embedder="hashing", captioner="template")


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders, limits and how much of the machine to use. A `file` URI must be under one of `roots` (real paths), the
    URI of an object under one of `prefixes` (`s3://bucket/prefix`). `source_silence_s` limits a server's silence,
    `source_request_s` one request. `decode_limit_s` limits the decoding of a cell, and the time without progress in an
    inspection.
    """

    state_dir: Path
    cache_dir: Path
    roots: tuple[Path, ...] = ()
    prefixes: tuple[str, ...] = ()
    schemes: tuple[str, ...] = DEFAULT_SCHEMES
    allow_private_addresses: bool = False
    source_silence_s: float = 20.0
    source_request_s: float = 60.0
    decode_limit_s: float = 90.0
    models: ModelChoice = field(default_factory=ModelChoice)
    decode_children: int = 2
    decode_memory_bytes: int = 3 << 30  # address space of a child, in addition to what it starts with
    require_sandbox: bool = False  # refuse to decode where a measure of `stream.children.confinement` does not hold
    model_threads: int | None = None  # None: 2 on a CPU, and 8 to prepare pictures for an accelerator
    model_device: Device = "auto"
    max_span_s: float = 120.0
    max_span_cost_cpu_s: float = 30.0
    tenant_credit_s: float = TENANT_CREDIT_S  # of footage
    tenant_assets: int = TENANT_ASSETS  # in progress at one time, of any length
    bucket_rules: tuple[str, ...] = ()  # see `stream.operators.notifications`; without rules there is no such stage
    drain_timeout_s: float = 20.0
    deployment: str = DEFAULT  # the owner of the stores in `state_dir` (ADR 0034)
    min_free_bytes: int = 64 << 20  # the sinks pause before less than this is free on the disk
    index: Location | None = None  # where the index lies; None: under `state_dir`
    parquet: Location | None = None
    index_shards: int = 1  # parts with a writer each, fixed when the store is made
    parquet_shards: int = 1
    uploads: Location | None = None  # where uploaded footage lies; None: under `state_dir`
    audit: Path | None = None  # the directory of the audit trail; its key lies beside it

    @property
    def index_dir(self) -> Location:
        return self.index or Location.of(self.state_dir / "lancedb")

    @property
    def parquet_dir(self) -> Location:
        return self.parquet or Location.of(self.state_dir / "parquet")

    @property
    def uploads_dir(self) -> Location:
        return self.uploads or Location.of(self.state_dir / "uploads")

    @property
    def stores(self) -> tuple[Location, Location]:
        return self.index_dir, self.parquet_dir

    @property
    def usage_file(self) -> Path:
        return self.state_dir / "usage.log"
