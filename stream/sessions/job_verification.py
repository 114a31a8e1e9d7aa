"""Checking a manifest and the files that it names, without the deployment that made them.

What must hold: 1. the envelope is written byte for byte as one is; 2. the key signed it, where one is given; 3. it is
of a variant; 4. each file of the delivery is there; 5. each has the digest that the manifest says. The key is handed in
and never looked up. Whether content credentials are trusted is for a C2PA validator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sinks.objects.store import hashed
from stream.jobs.manifest import delivered_of, opened


@dataclass(frozen=True, slots=True)
class Verification:
    """`files`: the name of each file to what is wrong with it, empty where nothing is."""

    signature_checked: bool
    files: Mapping[str, str]

    @property
    def holds(self) -> bool:
        return not any(self.files.values())


def verify_delivery(envelope: bytes, key: Ed25519PublicKey | None, folder: Path) -> Verification:
    """Compare a delivery with its manifest. Raises `BadRequest` (`manifest_invalid`) where 1 to 3 do not hold."""
    statement = opened(envelope, key)
    files = {each.name: _fault(folder, each.name, each.digest) for each in delivered_of(statement)}
    return Verification(key is not None, files)


def _fault(folder: Path, name: str, digest: str) -> str:
    path = folder / name
    # Names of a manifest that nobody signed may lead anywhere.
    if name in {"", ".", ".."} or "/" in name or "\0" in name or path.is_symlink():
        return "its name is none of a file beside the manifest"
    try:
        found, _ = hashed(path)
    except FileNotFoundError:
        return "it is not there"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return "" if found == digest else f"its bytes are others: {digest} was delivered, and this is {found}"
