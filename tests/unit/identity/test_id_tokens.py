"""ID tokens: one test for each way in which one can be no proof of who somebody is."""

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from stream.identity.id_tokens import LEEWAY_S, IdTokenPolicy, TokenRefused, claims_of, keys_of
from tests.support.oidc_server import CLIENT, Claims, confused, signed

NOW = 1_800_000_000
ISSUER = "https://idp.example"
POLICY = IdTokenPolicy(ISSUER, CLIENT, "the nonce", NOW)
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OKP = OKPKey.generate_key("Ed25519", {"kid": "okp"})
OTHER = ECKey.generate_key("P-256", {"kid": "ec"})
KEYS = keys_of({"keys": [key.as_dict(private=False) for key in (RSA, EC, OKP)]})


def claims(**other: Any) -> Claims:
    good = {"iss": ISSUER, "sub": "ana", "aud": CLIENT, "nonce": "the nonce", "iat": NOW, "exp": NOW + 300}
    return {key: value for key, value in (good | other).items() if value is not None}


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (EC, "ES256"), (OKP, "EdDSA"), (OKP, "Ed25519")],
    ids=["RS256", "ES256", "EdDSA", "Ed25519"],
)
@pytest.mark.parametrize("named", [True, False], ids=["kid", "no kid"])
def test_a_good_token_says_who_it_is(key: Key, algorithm: str, named: bool) -> None:
    token = signed(claims(), key, algorithm, **({"kid": key.kid} if named else {}))
    assert claims_of(token, KEYS, POLICY)["sub"] == "ana"


@pytest.mark.parametrize(
    "made",
    [
        claims(aud=[CLIENT]),
        claims(aud=[CLIENT, "another"], azp=CLIENT),
        claims(azp=CLIENT),
        claims(exp=NOW - LEEWAY_S + 1),
        claims(iat=NOW + LEEWAY_S, nbf=NOW + LEEWAY_S),
        claims(exp=NOW + 0.5),
    ],
)
def test_what_is_allowed_is_taken(made: Claims) -> None:
    assert claims_of(signed(made, EC), KEYS, POLICY) == made


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (claims(iss="https://evil.example"), "another issuer"),
        (claims(iss=ISSUER + "/"), "another issuer"),
        (claims(iss=None), "another issuer"),
        (claims(aud="another"), "another audience"),
        (claims(aud=None), "another audience"),
        (claims(aud=[]), "another audience"),
        (claims(aud={CLIENT: 1}), "another audience"),
        (claims(aud=CLIENT + "x"), "another audience"),
        (claims(aud=[CLIENT, "another"]), "another authorized party"),
        (claims(azp="another"), "another authorized party"),
        (claims(aud=[CLIENT, "another"], azp="another"), "another authorized party"),
        (claims(nonce="another"), "another nonce"),
        (claims(nonce=None), "another nonce"),
        (claims(nonce=["the nonce"]), "another nonce"),
        (claims(exp=NOW - LEEWAY_S), "expired"),
        (claims(exp=None), "no time"),
        (claims(exp=True), "no time"),
        (claims(exp=str(NOW + 300)), "no time"),
        (claims(exp=float("nan")), "no time"),
        (claims(exp=float("inf")), "no time"),
        (claims(iat=None), "no time"),
        (claims(iat=NOW + LEEWAY_S + 1), "issued in the future"),
        (claims(nbf=NOW + LEEWAY_S + 1), "not valid yet"),
        (claims(nbf="soon"), "not valid yet"),
        (claims(sub=None), "no subject"),
        (claims(sub=""), "no subject"),
        (claims(sub="x" * 256), "no subject"),
        (claims(sub="a\nb"), "no subject"),
        (claims(sub=1), "no subject"),
    ],
)
def test_a_claim_that_does_not_hold_refuses_the_token(made: Claims, why: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        claims_of(signed(made, EC), KEYS, POLICY)
    assert str(caught.value) == why


def without_signature() -> str:
    return signed(claims(), EC).rpartition(".")[0] + "."


def with_its_own_key() -> str:
    return signed(claims(), OTHER, jwk=OTHER.as_dict(private=False))


def changed() -> str:
    head, _, rest = signed(claims(), EC).partition(".")
    return ".".join((head, signed(claims(sub="eve"), OTHER).split(".")[1], rest.partition(".")[2]))


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (lambda: signed(claims(), None), "an algorithm that is not allowed"),
        (lambda: signed(claims(), None, alg="None"), "an algorithm that is not allowed"),
        (lambda: signed(claims(), OctKey.import_key("x" * 40), "HS256"), "an algorithm that is not allowed"),
        (lambda: confused(claims(), RSA), "an algorithm that is not allowed"),
        (lambda: confused(claims(), EC), "an algorithm that is not allowed"),
        (lambda: signed(claims(), RSA, "RS512"), "an algorithm that is not allowed"),
        (lambda: signed(claims(), RSA, "PS256"), "an algorithm that is not allowed"),
        (lambda: signed(claims(), EC, typ="at+jwt"), "another type of token"),
        (lambda: signed(claims(), OTHER), "no key of the provider made its signature"),
        (lambda: signed(claims(), OTHER, kid="ec"), "no key of the provider made its signature"),
        (lambda: signed(claims(), EC, kid="unknown"), "no key of the provider made its signature"),
        (with_its_own_key, "no key of the provider made its signature"),
        (without_signature, "no key of the provider made its signature"),
        (changed, "no key of the provider made its signature"),
        (lambda: "nonsense", "no signed token"),
        (lambda: "", "no signed token"),
        (lambda: "a.b.c.d.e", "no signed token"),
        (lambda: "x" * 70_000, "too long"),
    ],
)
def test_a_signature_that_does_not_hold_refuses_the_token(token: Callable[[], str], why: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        claims_of(token(), KEYS, POLICY)
    assert str(caught.value) == why


def test_keys_of_other_uses_sign_nothing() -> None:
    weak = RSA.as_dict(private=False) | {"n": "AAAA" + "x" * 100}
    public = EC.as_dict(private=False)
    others = [
        weak,
        {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
        {"kty": "EC"},
        {},
        "key",
        public | {"use": "enc"},
    ]
    keys = keys_of({"keys": [*others, public | {"alg": "ES384"}]})
    with pytest.raises(TokenRefused):
        claims_of(signed(claims(), EC), keys, POLICY)
    with pytest.raises(TokenRefused):
        claims_of(signed(claims(), OctKey.import_key("secret" * 8), "HS256"), keys, POLICY)


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": [{}] * 101}])
def test_what_is_no_set_of_keys_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="no set of keys"):
        keys_of(document)
