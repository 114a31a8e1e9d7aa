"""Resumable uploads as the headers of tus 1.0 say them (tus.io), read strictly (pure)."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from stream.service.problems import Problem

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,checksum,termination"
CHUNK_TYPE = "application/offset+octet-stream"
_MOST_METADATA = 4_096
_MOST_NAME_BYTES = 150
_KEY = re.compile(r"[!-+\--~]{1,100}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_UNUSUAL = re.compile(r"[^\w .,()+@=&'-]")
_NAMELESS = "upload"


def check_version(headers: Mapping[str, str]) -> None:
    """Raises `Problem` (412). Who does not say a version means this one."""
    if headers.get("tus-resumable", VERSION) != VERSION:
        raise Problem(412, f"This service speaks tus {VERSION}.", code="other_tus_version", headers=tus_headers())


def tus_headers() -> dict[str, str]:
    """Of every answer."""
    return {"tus-resumable": VERSION, "cache-control": "no-store"}


def number(headers: Mapping[str, str], name: str) -> int:
    """A header that counts bytes. Raises `Problem` (400)."""
    text = headers.get(name, "")
    # Not `int`: it takes signs, blanks and underscores.
    if _NUMBER.fullmatch(text) is None:
        raise Problem(400, f"`{name}` has to be a number of bytes.", code="invalid_upload_header")
    return int(text)


def metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """`Upload-Metadata` by key, for values that are text. Raises `Problem` (400)."""
    text = headers.get("upload-metadata", "")
    if len(text) > _MOST_METADATA:
        raise _invalid(f"`Upload-Metadata` has more than {_MOST_METADATA} characters.")
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        if _KEY.fullmatch(key) is None or key in found:
            raise _invalid("`Upload-Metadata` has to be `key base64,…` with each key once.")
        found[key] = _text(value)
    return found


def shown_name(given: str) -> str:
    """What a client calls its file, as a last part of an id: no path, no control characters, and not long."""
    last = unicodedata.normalize("NFC", given).replace("\\", "/").rstrip("/").rpartition("/")[2]
    plain = _UNUSUAL.sub("_", last).strip(" .")
    while len(plain.encode()) > _MOST_NAME_BYTES:
        # From the middle: the beginning and the kind of file are what people know it by.
        stem, dot, kind = plain.rpartition(".")
        plain = f"{stem[:-1]}{dot}{kind}" if stem else plain[:-1]
    return plain or _NAMELESS


@dataclass(frozen=True, slots=True)
class Checksum:
    """SHA-256 of a part or of the whole."""

    digest: bytes

    @classmethod
    def of_header(cls, headers: Mapping[str, str]) -> "Checksum | None":
        """`Upload-Checksum: sha256 BASE64`; None where there is none. Raises `Problem` (400)."""
        text = headers.get("upload-checksum")
        if text is None:
            return None
        algorithm, _, value = text.partition(" ")
        if algorithm != "sha256":
            raise _invalid("`Upload-Checksum` has to be `sha256 BASE64`.")
        return cls(_digest(_decoded(value)))

    @classmethod
    def of_hex(cls, text: str) -> "Checksum":
        """Raises `Problem` (400)."""
        try:
            return cls(_digest(bytes.fromhex(text) if re.fullmatch("[0-9a-fA-F]{64}", text) else b""))
        except ValueError:
            raise _invalid("`sha256` has to be 64 hexadecimal digits.") from None


def _digest(found: bytes) -> bytes:
    if len(found) != 32:
        raise _invalid("A SHA-256 has 32 bytes.")
    return found


def _text(value: str) -> str:
    try:
        return _decoded(value).decode()
    except UnicodeDecodeError:
        raise _invalid("A value of `Upload-Metadata` is no UTF-8.") from None


def _decoded(value: str) -> bytes:
    try:
        # Strictly: by default base64 skips what it does not know.
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _invalid("A value is no base64.") from None


def _invalid(why: str) -> Problem:
    return Problem(400, why, code="invalid_upload_header")
