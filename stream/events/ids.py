"""Deterministic identities. Equal inputs give equal ids on every machine, so effects can be replaced, not doubled."""

import hashlib
import re
from functools import lru_cache
from typing import Annotated, NamedTuple
from urllib.parse import quote

from pydantic import Field

from stream.errors import printable
from stream.events.redaction import holds_secret, identifying_query, is_opaque, stripped
from stream.events.spelling import canonical

CONTROL = r"\x00-\x1f\x7f-\x9f"
"""C0 and C1 control characters, for a character class: no name, id or uri holds one."""
# Lone surrogates too: JSON may hold them, but no store can, as they have no UTF-8.
_NAME = re.compile(f"[^{CONTROL}\ud800-\udfff]*")

_DIGESTED = re.compile(r"(\?[0-9a-f]{16}|\?[0-9a-f]{0,16}~[0-9a-f]{32})?")
"""The part of an id that replaces a query, also where it is cut off."""

MAX_ID_BYTES = 1000
MALFORMED = "uri:"
"""The beginning of a digest that replaces a uri which cannot be parsed."""
LEFT_OUT = "?…"
Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""The range of integers that every store can hold."""


def is_name(text: str, max_bytes: int) -> bool:
    """Whether a text is UTF-8 of at most so many bytes and free of control characters."""
    # The cheap check first: a huge text is neither scanned nor encoded.
    return len(text) <= max_bytes and bool(_NAME.fullmatch(text)) and len(text.encode()) <= max_bytes


def is_tenant(text: str) -> bool:
    """Whether a name can also be the name of a folder, percent-encoded. The Delta table has one folder per tenant, and
    file systems allow 255 bytes. A name without a folder would make every commit with it fail.
    """
    return is_name(text, 200) and 0 < len(quote(text, safe="")) <= 200


class AssetVersion(NamedTuple):
    """(append time in ms, offset) of the asset's event in the asset-keyed topic: ordered, never reused."""

    append_ms: Int64
    offset: Int64


class Order(NamedTuple):
    """Decides between two writes of one segment: by asset version, then pipeline epoch, then revision."""

    version: AssetVersion
    epoch_ms: int = 0
    revision: int = 0


def digest(*parts: object) -> str:
    """32 hex characters of BLAKE2b over length-prefixed parts, so no two part lists collide by joining.

    For the ids that exist: stores and topics hold them, so what it makes never changes. It takes parts as their text,
    so `1`, `"1"` and `b"1"` are alike: what is new is named by `typed_digest`.
    """
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        hasher.update(len(raw).to_bytes(8, "big"))
        hasher.update(raw)
    return hasher.hexdigest()


Part = str | int | bytes | bool | None | tuple["Part", ...]
"""What `typed_digest` tells apart by type as well as by value."""


def typed_digest(*parts: Part) -> str:
    """32 hex characters of BLAKE2b for every new kind of id: parts of different types, or nested otherwise, never
    digest alike, and none digests as `digest` does. Raises `TypeError` for a part of any other type, a float too: it
    has more than one text.
    """
    return hashlib.blake2b(_tagged(parts), digest_size=16, person=b"rushes typed").hexdigest()


def _tagged(part: Part) -> bytes:
    """A letter for the type, the length, the value."""
    match part:
        case None:
            tag, raw = b"n", b""
        case bool():  # before int, which it is as well
            tag, raw = b"o", b"\x01" if part else b"\x00"
        case int():
            tag, raw = b"i", str(int(part)).encode()
        case str():
            tag, raw = b"s", str(part).encode()
        case bytes():
            tag, raw = b"b", part
        case tuple():
            tag, raw = b"t", b"".join(_tagged(item) for item in part)
        case _:
            raise TypeError(f"a digest takes no {type(part).__name__}: give it as text, a whole number or bytes")
    return tag + len(raw).to_bytes(8, "big") + raw


def without_secrets(uri: str) -> str:
    """A URL without user, password, query (a signature, a token) and fragment; a path as it is. A uri that cannot be
    parsed with certainty becomes a digest.
    """
    return f"{MALFORMED}{digest(uri)}" if is_opaque(uri) else stripped(uri)


def clip_name(uri: str) -> str:
    """The last part of a path or URL, without its query, as a terminal or a page may show it."""
    address = without_secrets(uri).rstrip("/")
    return printable(address.rsplit("/", 1)[-1] or address)


def kept_uri(uri: str) -> str:
    """The uri that stores keep: `without_secrets`, with a mark at the end if a query or a fragment is left out."""
    name = without_secrets(uri)
    return f"{name}{LEFT_OUT}" if "://" in name and re.search("[?#]", uri) else name


def default_asset_id(uri: str) -> str:
    """The uri in its `canonical` spelling, `without_secrets`, and short. A query is replaced by a digest, so that two
    queries stay apart. The signature of a URL is left out, so a URL that is signed anew names the same asset.
    """
    # Before the spelling is changed: that could hide what makes the uri opaque.
    opaque = is_opaque(uri)
    uri = uri if opaque else canonical(uri)
    name, query = without_secrets(uri), None if opaque else identifying_query(uri)
    name += "" if query is None else f"?{digest(query)[:16]}"
    if len(name.encode()) <= MAX_ID_BYTES:
        return name
    return f"{name.encode()[: MAX_ID_BYTES - 40].decode(errors='ignore')}~{digest(_unsigned(uri, query))}"


def chosen_name(name: str) -> str:
    """An id or source that a producer chose, without secrets if it is a URL."""
    return default_asset_id(name) if holds_secret(name) else name


def _unsigned(uri: str, query: str | None) -> str:
    """The uri without its signature, which would make another asset of it."""
    _, *extra = re.split("[?#]", uri, maxsplit=1) if "://" in uri else (uri,)
    return (
        uri if extra == ([] if query is None else [query]) else stripped(uri) + ("" if query is None else f"?{query}")
    )


def is_default_asset_id(text: str) -> bool:
    """Whether `default_asset_id` may have made this text from a uri. It would change some of its own results again."""
    name, mark, rest = text.partition("?")
    short = len(text.encode()) <= MAX_ID_BYTES
    return short and without_secrets(name) == name == canonical(name) and _DIGESTED.fullmatch(mark + rest) is not None


@lru_cache(maxsize=4096)
def asset_key(tenant: str, asset_id: str) -> str:
    """Identity of an asset across versions, safe in any filter. Records of a topic `by_asset` have it as their key, and
    its bytes say which shard of a store holds the asset.
    """
    # A digest, because tenant and asset id are any text and would have to be escaped in filters.
    return digest("asset", tenant, asset_id)


def content_key(tenant: str, asset_id: str, content_digest: str, settings_digest: str) -> str:
    """Identity of one content of one asset under one set of decode settings; never shared between tenants."""
    return digest("content", tenant, asset_id, content_digest, settings_digest)


@lru_cache(maxsize=4096)
def segment_id(key: str, segment: int) -> str:
    """Identity of cell `segment` of the content `key` (see `content_key`)."""
    return digest("segment", key, segment)


def moment_id(segment: str, start_ns: int) -> str:
    """Identity of the moment that starts at `start_ns` of asset time inside the segment with id `segment`."""
    return digest("moment", segment, start_ns)
