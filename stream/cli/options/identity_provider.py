"""Options of `rushes serve` about who signs people in."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stream.cli.context import UsageProblem
from stream.cli.rendering.sanitize import shown
from stream.files import read_small

if TYPE_CHECKING:
    from stream.identity.oidc_provider import OidcSettings


def provider_settings(
    public: str | None, issuer: str | None, client_id: str | None, secret_file: Path | None, groups_claim: str | None
) -> "OidcSettings | None":
    """Raises `UsageProblem`."""
    from stream.identity.oidc_provider import OidcSettings, valid_issuer
    from stream.service.browsers import FROM_PROVIDER

    if issuer is None:
        if client_id is not None or secret_file is not None or groups_claim is not None:
            raise UsageProblem("--oidc-client-id, --oidc-client-secret-file and --oidc-groups-claim need --oidc-issuer")
        return None
    if not valid_issuer(issuer):
        raise UsageProblem(f"--oidc-issuer {shown(issuer)!r}: https://…, as the provider writes it, without ? and #")
    if public is None or not client_id:
        raise UsageProblem("--oidc-issuer needs --oidc-client-id, and --public-url, to which the provider sends back")
    return OidcSettings(issuer, client_id, public + FROM_PROVIDER, _client_secret(secret_file), groups_claim)


def _client_secret(path: Path | None) -> str | None:
    """Raises `UsageProblem`."""
    if path is None:
        return os.environ.get("RUSHES_OIDC_CLIENT_SECRET") or None
    try:
        others = path.stat().st_mode & 0o077
        secret = read_small(path, most_bytes=4_096).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise UsageProblem(
            f"--oidc-client-secret-file {shown(str(path))} cannot be read: {type(error).__name__}"
        ) from None
    if others or not secret:
        why = "others may read it: chmod 600" if others else "it is empty"
        raise UsageProblem(f"--oidc-client-secret-file {shown(str(path))}: {why}")
    return secret
