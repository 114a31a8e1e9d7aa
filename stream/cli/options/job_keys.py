"""Keys of manifests: the private one, which signs, and the public one, which checks."""

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from stream.cli.context import UsageProblem
from stream.cli.rendering.sanitize import shown
from stream.files import read_small

if TYPE_CHECKING:
    from stream.media.credentials import CredentialSettings

KEY_VARIABLE = "RUSHES_MANIFEST_KEY"
C2PA_VARIABLE = "RUSHES_CREDENTIALS_KEY"
_MOST_BYTES = 16 << 10
ManifestKey = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"Signs manifests: an Ed25519 key, PEM. {KEY_VARIABLE} may hold its text instead.",
    ),
]
C2paCertificates = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Certificates for content credentials in finals, PEM: the signer's first, then those above it.",
    ),
]
C2paKey = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"The private key of the first of --c2pa-certificates, PEM. {C2PA_VARIABLE} may hold its text instead.",
    ),
]
C2paKeyText = Annotated[str | None, typer.Option(envvar=C2PA_VARIABLE, hidden=True)]
ManifestKeyText = Annotated[str | None, typer.Option(envvar=KEY_VARIABLE, hidden=True)]


def signing_key(file: Path | None, given: str | None) -> Ed25519PrivateKey | None:
    """From a file or the text of the environment, in PEM (PKCS #8); None where there is neither. Raises `UsageProblem`
    without a word of the key.
    """
    if file is None and not given:
        return None
    where = KEY_VARIABLE if file is None else f"--manifest-key {shown(file)}"
    content = (given or "").encode() if file is None else _content(file, where)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageProblem(
            f"{where}: it holds no private key in PEM form without a password: `openssl genpkey -algorithm ed25519`"
            " makes one"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageProblem(f"{where}: it is no Ed25519 key: `openssl genpkey -algorithm ed25519` makes one")
    return key


def credential_settings(chain: Path | None, key: Path | None, given: str | None) -> "CredentialSettings | None":
    """What signs content credentials; None without certificates. Raises `UsageProblem`."""
    from stream.media.credentials import CredentialSettings

    if chain is None:
        if key is not None:
            raise UsageProblem("--c2pa-key needs --c2pa-certificates")
        return None
    if key is None and not given:
        raise UsageProblem(f"--c2pa-certificates needs a key: --c2pa-key FILE or {C2PA_VARIABLE}")
    secret = (given or "").encode() if key is None else _content(key, f"--c2pa-key {shown(key)}")
    return CredentialSettings(_content(chain, f"--c2pa-certificates {shown(chain)}"), secret)


def public_key(file: Path, option: str) -> Ed25519PublicKey:
    """From PEM, or the key's 32 bytes in base64. Raises `UsageProblem`."""
    where = f"{option} {shown(file)}"
    content = _content(file, where)
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(content.strip(), validate=True))
    except (binascii.Error, ValueError):
        pass  # then it is PEM, or nothing
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise UsageProblem(f"{where}: it holds no public key in PEM form or base64") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageProblem(f"{where}: it is no Ed25519 key")
    return key


def _content(file: Path, where: str) -> bytes:
    try:
        return read_small(file, most_bytes=_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise UsageProblem(f"{where} cannot be read: {getattr(error, 'strerror', None) or 'no file name'}") from None
