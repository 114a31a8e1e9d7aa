"""The one description of a run. Made at the command line (or by a test) and passed down; nothing else reads the
environment."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stream.broker.names import DEFAULT

DEFAULT_SCHEMES = ("file", "http", "https")
TENANT_CREDIT_S, TENANT_ASSETS = 150.0, 32
"""What one tenant may have at work in one process: more than one span for each decoder keeps them all busy."""
PARTITION_CREDIT_S, PARTITION_ASSETS = 120.0, 4
"""The same on a cluster, for each partition that spans go over."""
Device = Literal["auto", "cpu", "cuda"]
"""`auto` is CUDA where the NVIDIA driver is loaded."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Registry names, `hf:DIR` or `module:Class` for each family."""

    shots: str = "transnetv2"
    tagger: str = "efficientnet-lite0"
    moderator: str = "open-nsfw"
    embedder: str = "conse"
    captioner: str = "template"

    @property
    def captioned(self) -> bool:
        """Whether a stage replaces the captions that are made of tags."""
        return self.captioner != "template"

    @classmethod
    def light(cls) -> "ModelChoice":
        """The deterministic hashing models: real functions of the pixels that cost next to nothing."""
        return cls(shots="hashing", tagger="hashing", moderator="hashing", embedder="hashing", captioner="template")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie and how much of the machine to use. `roots`, real paths, bound what a `file` uri may name,
    `prefixes` (`s3://bucket/prefix`) what one of an object store may; the `source` times bound one silence and one
    request of a server, `decode_limit_s` a cell and, of an inspection, the time in which nothing is read on.
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
    decode_memory_bytes: int = 3 << 30  # address space of a child, beyond what it starts with
    require_sandbox: bool = False  # no decoding where a measure of `decoders.sandbox.confinement` does not hold
    model_threads: int | None = None  # None: 2, and 8 to prepare what a device computes
    model_device: Device = "auto"
    max_span_s: float = 120.0
    max_span_cost_cpu_s: float = 30.0
    tenant_credit_s: float = TENANT_CREDIT_S  # of footage
    tenant_assets: int = TENANT_ASSETS  # at work at once, however short
    bucket_rules: tuple[str, ...] = ()  # see `stream.operators.notifications`; none: no such stage
    drain_timeout_s: float = 20.0
    deployment: str = DEFAULT  # whose stores lie in `state_dir`
    min_free_bytes: int = 64 << 20  # the sinks pause before the disk has less

    @property
    def index_dir(self) -> Path:
        return self.state_dir / "lancedb"

    @property
    def parquet_dir(self) -> Path:
        return self.state_dir / "parquet"

    @property
    def stores(self) -> tuple[Path, Path]:
        return self.index_dir, self.parquet_dir

    @property
    def usage_file(self) -> Path:
        return self.state_dir / "usage.log"
