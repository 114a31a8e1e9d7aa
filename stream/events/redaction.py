"""Which part of a uri may be kept, shown and compared: no user, no password, no query and no fragment. Pure.

Everything stored, shown or logged goes through `without_secrets`. The whole uri exists only on topics and in the value
of a dead letter, for whoever fetches the footage (ADR 0036).
"""

import re
from urllib.parse import urlsplit

_SCHEME = re.compile("[A-Za-z][A-Za-z0-9+.-]*")
_BY_NAME = r"(?:x-(?:amz|goog|oss|cos)-[a-z-]+|sig|signature|token|access_token|auth|password|passwd|secret|api_?key)"
_ASSIGNED = re.compile(rf"(?:^|[^a-z0-9])(?:{_BY_NAME})=", re.IGNORECASE)
_PARAMETER = re.compile(rf"[?&;#](?:{_BY_NAME})=", re.IGNORECASE)
_LIKE_URL = re.compile(r"[a-z][a-z0-9+.-]*:/|https?[:/]|//|[^/]*://|[^/]*:[^/]*@[^/]+/", re.IGNORECASE)
_SIGNING = re.compile(r"x-(?:amz|goog|oss|cos)-[a-z0-9-]+", re.IGNORECASE)
_SIGNED_BY = (
    frozenset({"awsaccesskeyid", "signature", "expires"}),
    frozenset({"googleaccessid", "signature", "expires"}),
    frozenset({"ossaccesskeyid", "signature", "expires"}),
    frozenset({"key-pair-id", "signature", "expires", "policy"}),
    frozenset(
        [
            *("sig", "sv", "se", "st", "sp", "sr", "spr", "sip", "ss", "srt", "sdd"),
            *("skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "rscc", "rscd", "rsce"),
        ]
    ),
)
"""Parameters of signed URLs other than `X-Amz-*` and similar: Amazon S3, Google, Alibaba, CloudFront, Azure (SAS)."""


def is_malformed(uri: str) -> bool:
    """Whether a uri cannot be parsed with certainty, so any part may be a secret. False for an absolute path."""
    if "://" not in uri:
        absolute = uri.startswith("/") and not uri.startswith("//")
        return not absolute and re.search(r":.*@|[?&#;][^=]*=", uri, re.DOTALL) is not None
    scheme, _, rest = re.split("[?#]", uri, maxsplit=1)[0].partition("://")
    host = rest.partition("/")[0]
    try:
        parts = urlsplit(uri)
        # `port` is parsed only when it is read, and a bad one raises here.
        _ = parts.port
    except ValueError:
        return True
    host = host.rpartition("@")[2]
    hostless = not host and scheme.lower() not in {"file", "local"}
    cut = "/" not in rest and ":" in rest and "@" in uri and "@" not in rest  # a password with a mark in it
    odd = hostless or cut or re.search(r"%40|\s", host) is not None
    return _SCHEME.fullmatch(scheme) is None or odd


def is_opaque(uri: str) -> bool:
    """Whether no part of a uri may be shown: it is malformed, or its path holds a secret, as some signatures do."""
    if is_malformed(uri):
        return True
    scheme, mark, rest = re.split("[?#]", uri, maxsplit=1)[0].partition("://")
    return bool(mark) and scheme.lower() in {"http", "https"} and _ASSIGNED.search(rest) is not None


def stripped(uri: str) -> str:
    """A URL without user, password, query and fragment; a path as it is. Not safe for a malformed uri."""
    if "://" not in uri:
        return uri
    scheme, _, rest = re.split("[?#]", uri, maxsplit=1)[0].partition("://")
    host, slash, path = rest.partition("/")
    # The last `@` ends the user: a password may hold others.
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def identifying_query(uri: str) -> str | None:
    """The part of query and fragment that distinguishes objects: all but the signature. None where nothing is left."""
    _, *extra = re.split("[?#]", uri, maxsplit=1) if "://" in uri else (uri,)
    if not extra:
        return None
    query, mark, fragment = extra[0].partition("#")
    names = {part.partition("=")[0].lower() for part in query.split("&")}
    signing = {name for name in names if _SIGNING.fullmatch(name)}
    for family in _SIGNED_BY:
        key = {"awsaccesskeyid", "googleaccessid", "ossaccesskeyid", "key-pair-id"} & family or {"sig", "sv"}
        # Names such as `expires` sign only beside the key of their family: alone they may tell objects apart.
        if key <= names:
            signing |= family
    if not signing & names:
        return extra[0]
    kept = "&".join(part for part in query.split("&") if part.partition("=")[0].lower() not in signing)
    return f"{kept}{mark}{fragment}" or None


def holds_secret(name: str) -> bool:
    """Whether a name that a producer chose is a URL, even a broken one, with a user or with a parameter whose name
    marks a secret. Other names stay as they are.
    """
    if _PARAMETER.search(name):
        return True
    if _LIKE_URL.match(name) is None:
        return False
    return is_opaque(name) or "@" in re.split("[/?#]", name.partition("://")[2], maxsplit=1)[0]
