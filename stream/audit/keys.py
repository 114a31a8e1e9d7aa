"""Keys of a trail in files of their owner alone: what signs checkpoints, and what digests queries."""

import base64
import hmac
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stream.audit.checkpoint import SigningKey
from stream.errors import Fatal
from stream.files import make_folder, read_small, sync

_HEAD = "rushes-audit-key"
_KEY_BYTES = 32


def key_beside(trail: Path) -> Path:
    """The key of a trail: beside its directory, so that who may write the one need not have the other."""
    return trail.with_name(f"{trail.name}.key")


def read_key(path: Path) -> SigningKey:
    """Raises `Fatal` (`invalid_audit_key`) for a file that holds none or that others may read."""
    try:
        mode = path.stat().st_mode
        words = read_small(path, most_bytes=4_096).decode("ascii", "replace").split()
    except FileNotFoundError:
        raise _invalid(path, "there is none; `rushes audit init` makes it") from None
    except OSError as error:
        raise _invalid(path, error.strerror or "it cannot be read") from None
    # Who has the key can write a new trail, and only a checkpoint kept elsewhere shows it.
    if mode & 0o077:
        raise _invalid(path, "others may read it: `chmod 600` it, and make another if they have")
    if len(words) == 3 and words[0] == _HEAD:
        try:
            raw = base64.b64decode(words[2], validate=True)
        except ValueError:
            raw = b""
        if len(raw) == _KEY_BYTES:
            return SigningKey(words[1], Ed25519PrivateKey.from_private_bytes(raw))
    raise _invalid(path, "it holds no key")


def make_key(path: Path, name: str) -> SigningKey:
    """A new key in a new file. Raises `FileExistsError` where there is a file, and other `OSError`s."""
    make_folder(path.parent)
    raw = secrets.token_bytes(_KEY_BYTES)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    # With its rights from the first moment, so that nobody else can open it in between.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{_HEAD} {name} {base64.b64encode(raw).decode()}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces a key, as only the old one verifies what it signed; and who is killed leaves none that
        # is cut off.
        os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    sync(path.parent)
    return SigningKey(name, Ed25519PrivateKey.from_private_bytes(raw))


def _invalid(path: Path, why: str) -> Fatal:
    return Fatal(f"the audit key {path} cannot be used: {why}", code="invalid_audit_key")


def secret_of(key: SigningKey) -> bytes:
    """32 bytes for digests that only who has the key can make."""
    # Separated by a label: the key that signs is used for nothing else itself.
    return hmac.digest(key.key.private_bytes_raw(), b"digests", "sha256")
