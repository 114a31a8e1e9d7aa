"""Cursors: places in lists, signed so that nobody else makes or changes one."""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from typing import Any

from stream.service.problems import Problem

_MAC_BYTES = 16


def signed_cursor(secret: bytes, purpose: bytes, place: Sequence[Any]) -> str:
    """`place` as JSON, for one purpose."""
    text = json.dumps(place, ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_mac(secret, purpose, text) + text).rstrip(b"=").decode()


def read_cursor(secret: bytes, purpose: bytes, cursor: str) -> list[Any]:
    """The place. Raises `Problem` (400) for what is none of our cursors, or one of another purpose."""
    try:
        whole = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except (binascii.Error, UnicodeEncodeError):
        whole = b""
    mac, text = whole[:_MAC_BYTES], whole[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, purpose, text)):
        raise Problem(400, "The cursor is not one of this service.", code="bad_cursor")
    return list(json.loads(text))


def _mac(secret: bytes, purpose: bytes, text: bytes) -> bytes:
    return hmac.digest(secret, purpose + text, "sha256")[:_MAC_BYTES]
