"""Files by content: what names one, what a result is, and what it cost. JSON, on topics and in stores."""

import hashlib
import re
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""The digest of an object's bytes, with its algorithm."""
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Amount = Annotated[float, Field(ge=0, le=1e15)]
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


def own_folder(tenant: str) -> str:
    """The name of a tenant's own folder, of one tenant alone."""
    name = quote(tenant, safe="")
    # `..` is the folder above, and what begins with a dot is passed over as unfinished.
    return f"%2E{name[1:]}" if name.startswith(".") else name


def digest_of(content: bytes) -> Digest:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


class LostObject(Exception):
    """Objects are gone, or their bytes are not those of their digests; then they have been removed."""

    def __init__(self, *digests: Digest) -> None:
        super().__init__(*digests)
        self.digests = digests


class StoredFile(BaseModel):
    """A file among the objects of a tenant. `media_type` as the operator names it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: FileName
    digest: Digest
    size: Count
    media_type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.+-]+/[a-z0-9.+-]+$", max_length=100)]


class TaskCost(BaseModel):
    """What a piece of work used: seconds of CPU and GPU, seconds of waiting included, bytes read and written."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    cpu_s: Amount = 0.0
    gpu_s: Amount = 0.0
    wall_s: Amount = 0.0
    read_bytes: Count = 0
    written_bytes: Count = 0

    def __add__(self, other: "TaskCost") -> "TaskCost":
        return TaskCost(
            cpu_s=self.cpu_s + other.cpu_s,
            gpu_s=self.gpu_s + other.gpu_s,
            wall_s=self.wall_s + other.wall_s,
            read_bytes=self.read_bytes + other.read_bytes,
            written_bytes=self.written_bytes + other.written_bytes,
        )


class Known(BaseModel):
    """What the ledger says of a key: the outputs, or of a beginning the parts that follow, and what it cost."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    outputs: tuple[StoredFile, ...] = ()
    parts: tuple[dict[str, JsonValue], ...] = ()
    cost: TaskCost = TaskCost()
    made_ms: Count = 0
