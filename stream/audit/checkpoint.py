"""Signed checkpoints of a tree: C2SP `tlog-checkpoint` 1.0 as signed notes (C2SP `signed-note`) with Ed25519 (pure).

Read strictly: what is read is byte for byte what would be written.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stream.audit.merkle import DIGEST_BYTES
from stream.errors import BadRequest

MOST_BYTES = 16 << 10
# The number that C2SP `signed-note` gives to Ed25519: other tools look for it.
_ED25519 = b"\x01"
_SIGNATURE_BYTES, _KEY_ID_BYTES = 64, 4
# Without leading zeros: a size has one spelling, so what is read is what would be written.
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[!-*,-~]{1,200}")
"""Of a key and a log: printable, without space and `+`."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree of log `origin` at `size` entries. `root`: 32 bytes."""

    origin: str
    size: int
    root: bytes

    def body(self) -> bytes:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n".encode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`name` says who signs."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> "VerifierKey":
        return VerifierKey(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """The note: the checkpoint, a blank line, one signature."""
        body = checkpoint.body()
        signature = self.verifier.key_id + self.key.sign(body)
        return body + f"\n\N{EM DASH} {self.name} {_base64(signature)}\n".encode()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """`public`: 32 bytes."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """`name+id+key`, as `str` writes it. Raises `BadRequest` (`invalid_verifier_key`)."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        if raw is not None and len(raw) == 1 + DIGEST_BYTES and raw[:1] == _ED25519 and _NAME.fullmatch(name):
            key = cls(name, raw[1:])
            # The id is a digest of name and key, so a line that was copied wrongly is refused.
            if key_id == key.key_id.hex():
                return key
        raise BadRequest(
            "no key of an audit log, and no file with one: it is name+id+key in one line, which `rushes audit key`"
            " prints",
            code="invalid_verifier_key",
        )

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public)}"

    @property
    def key_id(self) -> bytes:
        # As C2SP `signed-note` defines it, so that other tools find the signature of this key.
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    def opened(self, note: bytes) -> Checkpoint:
        """The checkpoint of a note that this key signed. Others may have signed it too. Raises `BadRequest`
        (`invalid_checkpoint`).
        """
        checkpoint, signatures = _parsed(note)
        body = checkpoint.body()
        # Others may sign the same note. What they signed is not for this key to judge.
        for name, signature in signatures:
            if name == self.name and signature[:_KEY_ID_BYTES] == self.key_id:
                try:
                    Ed25519PublicKey.from_public_bytes(self.public).verify(signature[_KEY_ID_BYTES:], body)
                except InvalidSignature:
                    raise _invalid("its signature is wrong") from None
                return checkpoint
        raise _invalid(f"key {self.name} has not signed it")


def _parsed(note: bytes) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    # First: a note from elsewhere may be of any length.
    if len(note) > MOST_BYTES:
        raise _invalid(f"it is longer than {MOST_BYTES >> 10} KiB")
    try:
        body, blank, signed = note.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise _invalid("it is no UTF-8") from None
    origin, _, rest = body.partition("\n")
    size, _, root = rest.partition("\n")
    digest = _decoded(root)
    if not blank or not _NAME.fullmatch(origin) or not _SIZE.fullmatch(size):
        raise _invalid("it does not begin with an origin, a size and a root")
    if digest is None or len(digest) != DIGEST_BYTES:
        raise _invalid("its root is not that of a SHA-256 tree")
    return Checkpoint(origin, int(size), digest), _signatures(signed)


def _signatures(text: str) -> list[tuple[str, bytes]]:
    found = []
    if not text.endswith("\n"):
        raise _invalid("it is cut off")
    for line in text[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signature = _decoded(encoded)
        if dash != "\N{EM DASH}" or not _NAME.fullmatch(name) or signature is None:
            raise _invalid("a line of its signatures cannot be read")
        found.append((name, signature))
    return found


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes | None:
    """None for what is not written exactly as `_base64` writes it."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # The unused bits of the last character may be anything: the same bytes have several texts.
    return data if _base64(data) == text else None


def _invalid(why: str) -> BadRequest:
    return BadRequest(f"no checkpoint of an audit log: {why}", code="invalid_checkpoint")


def is_name(text: str) -> bool:
    """Whether a key or a log may be called so."""
    return _NAME.fullmatch(text) is not None
