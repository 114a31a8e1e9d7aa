"""Opens the bytes of a URI after checking it against the policy. FFmpeg never opens a name."""

from decoders.protocol import Source
from decoders.sources.policy import SourcePolicy
from decoders.sources.uris import INVALID, LOCAL, describe, local_path, split_uri
from stream.errors import BadMedia
from stream.events.redaction import is_malformed, is_opaque


def open_source(uri: str, policy: SourcePolicy) -> Source:
    """Opens `uri` for reading.

    Raises `BadMedia` for faults of the URI or the file (codes `invalid_uri`, `scheme_not_allowed`, `not_found`,
    `permission_denied`, `is_directory`, `not_a_file`, `empty`, `address_not_allowed`, `http_status`,
    `range_not_supported`, `extra_missing`) and `Retryable` for temporary faults. Files outside the roots are
    `not_found` as well: an event must not find out what exists. It never raises `Unavailable` for a server that does
    not answer: otherwise any event could pause the stage.
    """
    scheme = split_uri(uri).scheme.lower() if "://" in uri else "file"
    if scheme not in policy.schemes:
        raise BadMedia(
            f"{describe(uri)}: scheme {scheme[:20]!r} is not allowed here (allowed: {', '.join(policy.schemes)})",
            code="scheme_not_allowed",
        )
    if "://" in uri and is_malformed(uri):
        raise BadMedia(INVALID, code="invalid_uri")
    # Imports wait for the first use of a scheme: http and fsspec cost start-up time.
    if scheme in {"file", LOCAL}:
        from decoders.sources.file import FileSource

        return FileSource(local_path(uri), policy.roots, describe(uri) if is_opaque(uri) else None)
    if scheme in {"http", "https"}:
        from decoders.sources.http import HttpSource

        return HttpSource(uri, policy)
    from decoders.sources.object_store import FsspecSource

    return FsspecSource(uri, scheme, policy.prefixes)
