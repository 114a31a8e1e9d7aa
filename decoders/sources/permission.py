"""Whether a URI may be named, by its text alone: nobody is asked whether anything is there."""

import os

from decoders.sources.limits import is_under_url
from decoders.sources.object_names import checked_name
from decoders.sources.policy import SourcePolicy
from decoders.sources.uris import INVALID, LOCAL, local_path, split_uri
from stream.errors import BadMedia
from stream.events.redaction import is_malformed


def require_allowed(uri: str, policy: SourcePolicy) -> None:
    """Raises `BadMedia` (`invalid_uri`, `source_not_allowed`) for what `open_source` would refuse whatever is there.
    Its words do not repeat the URI, which may hold a secret.
    """
    scheme = split_uri(uri).scheme.lower() if "://" in uri else "file"
    if "://" in uri and is_malformed(uri):
        raise BadMedia(INVALID, code="invalid_uri")
    if scheme not in policy.schemes or not _is_allowed(uri, scheme, policy):
        raise BadMedia(
            "the uri lies nowhere that this tenant may publish from; have its place allowed (`rushes tenants add"
            " --source`, and --root of the service)",
            code="source_not_allowed",
        )


def _is_allowed(uri: str, scheme: str, policy: SourcePolicy) -> bool:
    if scheme in {"file", LOCAL}:
        return _is_under_root(uri, policy)
    if scheme in {"http", "https"}:
        parts = split_uri(uri)
        if not parts.hostname:
            raise BadMedia(INVALID, code="invalid_uri")
        urls = policy.urls
        return urls is None or is_under_url(scheme, parts.hostname, parts.port, parts.path, urls)
    try:
        checked_name(uri, scheme, policy.prefixes)
    except BadMedia as error:
        if error.code == "invalid_uri":
            raise
        return False
    return True


def _is_under_root(uri: str, policy: SourcePolicy) -> bool:
    path = local_path(uri)
    # One process has another working folder than another.
    if not path.is_absolute():
        raise BadMedia("a path is absolute: write /folder/file", code="invalid_uri")
    whole = os.path.realpath(path)
    return any(whole == root or whole.startswith(root.rstrip("/") + "/") for root in policy.roots)
