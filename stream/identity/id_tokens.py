"""What an ID token must hold before anybody is taken for who it says (OpenID Connect Core 3.1.3.7; pure).

1. Its algorithm is one of `ALGORITHMS`, each with a key of its own type: a public key never checks an HMAC.
2. A key of the provider made its signature. 3. The issuer is the provider. 4. It is meant for this client.
5. It is valid now. 6. It answers this sign-in (nonce). 7. It names somebody.
The caller owes: keys that come from the provider, and that a nonce counts once.
"""

import hmac
import math
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""The type of key, and its curve. Never `none`, and no algorithm with a shared secret."""

LEEWAY_S = 60
_LEAST_RSA_BITS, _MOST_KEYS = 2_048, 100
_MOST_SUB, _MOST_TOKEN = 255, 64 << 10


class TokenRefused(Exception):
    """`str` of it says which of the facts does not hold; nothing of the token is in it."""


class NoSuchKey(TokenRefused):
    """No key made the signature. The provider may have new ones."""


@dataclass(frozen=True, slots=True)
class IdTokenPolicy:
    """What this sign-in expects."""

    issuer: str
    client_id: str
    nonce: str
    now_s: float


class _Algorithms(JWSRegistry):
    """joserfc's own registry warns of the name `EdDSA`, which RFC 9864 replaces and providers still use."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


# Providers may add parameters of their own to a header; `crit` is refused all the same.
_REGISTRY = _Algorithms(strict_check_header=False)


def keys_of(document: object) -> tuple[Key, ...]:
    """The public keys of a JWK set that could sign an ID token. Others in it are left out, as providers keep keys of
    other uses there. Raises `ValueError` for what is no set.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise ValueError("no set of keys")
    return tuple(key for item in listed if (key := _key(item)) is not None)


def claims_of(token: str, keys: Iterable[Key], policy: IdTokenPolicy) -> dict[str, Any]:
    """The claims of a token in which every fact of the list above holds. Raises `TokenRefused`."""
    claims = _signed(token, keys)
    if claims.get("iss") != policy.issuer:
        raise TokenRefused("another issuer")
    _require_audience(claims, policy.client_id)
    _require_now(claims, policy.now_s)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode("utf-8", "replace"), policy.nonce.encode()):
        raise TokenRefused("another nonce")
    sub = claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= _MOST_SUB or not sub.isascii() or not sub.isprintable():
        raise TokenRefused("no subject")
    return claims


def _signed(token: str, keys: Iterable[Key]) -> dict[str, Any]:
    """Steps 1 and 2."""
    if len(token) > _MOST_TOKEN:
        raise TokenRefused("too long")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError):
        raise TokenRefused("no signed token") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused("an algorithm that is not allowed")
    if header.get("typ", "JWT") not in ("JWT", "jwt"):
        raise TokenRefused("another type of token")
    for key in keys:
        # A token without `kid` could be of any key; one with it is of that key alone.
        if _fits(key, algorithm) and kid in (None, key.kid):
            try:
                return jwt.decode(token, key, registry=_REGISTRY).claims
            except (JoseError, ValueError):
                continue
    raise NoSuchKey("no key of the provider made its signature")


def _require_audience(claims: Mapping[str, Any], client_id: str) -> None:
    given = claims.get("aud")
    audiences = given if isinstance(given, list) else [given]
    if client_id not in audiences:
        raise TokenRefused("another audience")
    azp = claims.get("azp")
    # With several audiences it must say that it was made for this one.
    if (azp is not None or len(audiences) > 1) and azp != client_id:
        raise TokenRefused("another authorized party")


def _require_now(claims: Mapping[str, Any], now_s: float) -> None:
    expires_s, issued_s = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
    if expires_s is None or issued_s is None:
        raise TokenRefused("no time")
    if now_s >= expires_s + LEEWAY_S:
        raise TokenRefused("expired")
    if issued_s > now_s + LEEWAY_S:
        raise TokenRefused("issued in the future")
    if "nbf" in claims:
        begins_s = _seconds(claims["nbf"])
        if begins_s is None or begins_s > now_s + LEEWAY_S:
            raise TokenRefused("not valid yet")


def _seconds(value: object) -> float | None:
    # JSON of Python knows `NaN`, which is neither before nor after anything.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _fits(key: Key, algorithm: str) -> bool:
    kind, curve = ALGORITHMS[algorithm]
    if key.key_type != kind or key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        return False
    return curve is None or key.get("crv") == curve


def _key(item: object) -> Key | None:
    # The size is looked at before the import, which only warns of it.
    if not isinstance(item, dict) or (item.get("kty") == "RSA" and _bits(item.get("n")) < _LEAST_RSA_BITS):
        return None
    kind = next((kind for kind, _ in ALGORITHMS.values() if kind == item.get("kty")), None)
    if kind is None:
        return None
    try:
        return jwk.import_key(item)
    except (JoseError, ValueError, TypeError):
        return None


def _bits(modulus: object) -> int:
    try:
        return int.from_bytes(urlsafe_b64decode(f"{modulus}===")).bit_length()
    except ValueError:
        return 0
