"""Keys of automation: `rsk_`, 32 characters of base 62 (190 bits), 6 of a checksum (pure, but for chance).

The checksum lets a scanner of secrets tell a key from other text without asking anybody. Only a keyed digest of a key
is kept: who reads the register can neither use a key nor try guesses.
"""

import hmac
import secrets
import zlib

PREFIX = "rsk_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Six digits of base 62 hold any CRC-32.
_SECRET, _CHECKSUM = 32, 6
LENGTH = len(PREFIX) + _SECRET + _CHECKSUM
LEAST_PEPPER_BYTES = 32


def new_key() -> str:
    """A new key; it is shown once and kept nowhere."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET))
    return PREFIX + body + _checksum(body)


def is_key(text: str) -> bool:
    """Whether a text has the shape and the checksum of a key."""
    if len(text) != LENGTH or not text.startswith(PREFIX):
        return False
    body, checksum = text[len(PREFIX) : -_CHECKSUM], text[-_CHECKSUM:]
    return set(text[len(PREFIX) :]) <= set(_ALPHABET) and hmac.compare_digest(_checksum(body), checksum)


def digest_of(key: str, pepper: bytes) -> str:
    """HMAC-SHA-256 in hexadecimal. Raises `ValueError` for a pepper that could be guessed."""
    if len(pepper) < LEAST_PEPPER_BYTES:
        raise ValueError(f"a pepper of {len(pepper)} bytes: the least is {LEAST_PEPPER_BYTES}")
    return hmac.digest(pepper, key.encode(), "sha256").hex()


def _checksum(body: str) -> str:
    # A CRC is enough: it recognises keys and protects nothing.
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
