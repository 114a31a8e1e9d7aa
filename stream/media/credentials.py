"""Content credentials (C2PA) for finished files, with the certificates of whoever runs the deployment. No network.

Other bytes come out each time: the identifiers of a manifest and the salts of its assertions are random numbers, and so
is an ECDSA signature. Whoever signs keeps the first result (ADR 0062).
"""

import io
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from stream.errors import BadMedia, Fatal

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SIDECAR_TYPE = "application/c2pa"
_EMBEDS = frozenset({"video/mp4", "video/quicktime", "image/png", "image/jpeg"})
_BESIDE = ("video/", "audio/", "application/mxf")
# Of the native library, before it writes to temporary files. Beside that it hashes in blocks of 256 MiB, two at a time.
_MEMORY_MIB = 16


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """`chain`: PEM, the signer's certificate first, those above it after it. `key`: PEM of the signer's private key.
    `embed_bytes`: a larger file gets its credentials beside it, so that it is not written once more.
    """

    chain: bytes
    key: bytes = field(repr=False)
    embed_bytes: int = 4 << 30


@dataclass(frozen=True, slots=True)
class CredentialClaim:
    """What credentials say of a file. `source_type`: a term of IPTC; None where the one ingredient was only written in
    another way. `ingredients`: (name, media type, digest) of what it was made of. `of`: digest of the file without
    credentials.
    """

    title: str
    of: str
    source_type: str | None
    ingredients: Sequence[tuple[str, str, str]]
    release: str


class ContentCredentials:
    """Thread-safe; signs one file at a time, in at most 0.6 GiB of memory. Raises `Fatal` (`credentials_unusable`) for
    certificates and keys with which nothing can be signed, before anything is.
    """

    def __init__(self, settings: CredentialSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._algorithm = _algorithm(settings)
        try:
            self._signed(
                _tiny(), "image/png", CredentialClaim("start", "", "composite", (), "0"), io.BytesIO(), beside=False
            )
        except _errors() as error:
            raise _unusable(f"nothing can be signed with them ({error})") from None

    @cached_property
    def fingerprint(self) -> str:
        """The digest of the signer's certificate."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.x509 import load_pem_x509_certificates

        return f"sha256:{load_pem_x509_certificates(self._settings.chain)[0].fingerprint(SHA256()).hex()}"

    def kind(self, media_type: str, size: int, *, fixed: bool) -> Literal["inside", "beside"] | None:
        """Where the credentials of a file go; None for one that takes none. `fixed`: other files name ranges of it."""
        if media_type in _EMBEDS and not fixed and size <= self._settings.embed_bytes:
            return "inside"
        return "beside" if media_type.startswith(_BESIDE) else None

    def sign(self, path: Path, media_type: str, claim: CredentialClaim, to: Path, *, beside: bool) -> None:
        """Write the file once more with credentials inside, or the credentials alone. Raises `BadMedia`
        (`credentials_failed`).
        """
        # The output holds a copy of the file even where nothing is put into it: that is read by nobody.
        copy = to.with_name(f"{to.name}.copy") if beside else to
        try:
            with self._lock, path.open("rb") as source, copy.open("w+b") as target:
                manifest = self._signed(source, media_type, claim, target, beside=beside)
            self._check(copy, media_type, manifest if beside else None)
            if beside:
                to.write_bytes(manifest)
        except _errors() as error:
            raise BadMedia(f"{claim.title}: no content credentials can be made for it ({error})"[:500],
                           code="credentials_failed") from None  # fmt: skip
        finally:
            if beside:
                copy.unlink(missing_ok=True)

    def _signed(self, source: Any, media_type: str, claim: CredentialClaim, target: Any, *, beside: bool) -> bytes:
        import c2pa

        source = io.BytesIO(source) if isinstance(source, bytes) else source
        info = c2pa.C2paSignerInfo(self._algorithm, self._settings.chain, self._settings.key, None)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(_definition(claim), context=_context()) as builder:
            if beside:
                builder.set_no_embed()
            return bytes(builder.sign(signer, media_type, source, target))

    def _check(self, path: Path, media_type: str, manifest: bytes | None) -> None:
        """Read it as a stranger would. Who trusts the certificate is theirs to say."""
        import c2pa

        with path.open("rb") as file, c2pa.Reader(media_type, file, manifest, context=_context()) as reader:
            state = reader.get_validation_state()
        if state not in {"Valid", "Trusted"}:
            raise ValueError(f"what was signed is {state}")


def _definition(claim: CredentialClaim) -> str:
    ingredients = [
        # By digest alone: an asset is a stranger's file, and is not read here.
        {"title": name, "format": media_type, "relationship": "componentOf", "label": name, "instance_id": digest}
        for name, media_type, digest in claim.ingredients
    ]
    names = [name for name, _, _ in claim.ingredients]
    if claim.source_type is None:
        ingredients[0]["relationship"] = "parentOf"
        actions: list[dict[str, Any]] = [
            {"action": "c2pa.opened", "parameters": {"ingredientIds": names}},
            {"action": "c2pa.transcoded"},
        ]
    else:
        actions = [{"action": "c2pa.created", "digitalSourceType": IPTC + claim.source_type}]
        if names:
            actions.append({"action": "c2pa.placed", "parameters": {"ingredientIds": names}})
    assertions = [{"label": "c2pa.actions", "data": {"actions": actions}}]
    if claim.of:
        assertions.append({"label": "org.rushes.final", "data": {"digest": claim.of}})
    generator = {"name": "rushes", "version": claim.release}
    return json.dumps(
        {
            "claim_generator_info": [generator],
            "title": claim.title,
            "ingredients": ingredients,
            "assertions": assertions,
        }
    )


def _context() -> Any:
    import c2pa

    settings = {
        "core": {"backing_store_memory_threshold_in_mb": _MEMORY_MIB},
        "verify": {"remote_manifest_fetch": False},
    }
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _errors() -> tuple[type[Exception], ...]:
    import c2pa

    return (c2pa.C2paError, ValueError)


def _algorithm(settings: CredentialSettings) -> bytes:
    """Of the key, which has to be that of the first certificate."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    try:
        certificates = load_pem_x509_certificates(settings.chain)
    except ValueError:
        raise _unusable("the file of certificates holds none in PEM form") from None
    try:
        key = load_pem_private_key(settings.key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable("the key is none in PEM form without a password") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != certificates[0].public_key().public_bytes(*form):
        raise _unusable("the key is not that of the first certificate, which has to be the signer's own")
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        case ed25519.Ed25519PrivateKey():
            return b"ed25519"
        case rsa.RSAPrivateKey():
            return b"ps256"
    raise _unusable("C2PA takes keys on P-256, P-384 and P-521, Ed25519 and RSA")


_CURVES = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}


def _unusable(why: str) -> Fatal:
    return Fatal(f"the certificates for content credentials cannot be used: {why}", code="credentials_unusable")


def _tiny() -> bytes:
    """A picture of one point."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    return file.getvalue()
