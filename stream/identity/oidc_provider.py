"""A provider of OpenID Connect: what it says of itself, its keys, and the one request that turns a code into who signed
in. Routes and cookies do not belong here.
"""

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from joserfc.jwk import Key

from stream.clock import Clock
from stream.errors import Unavailable
from stream.identity.browser_sessions import SignedIn
from stream.identity.id_tokens import IdTokenPolicy, NoSuchKey, TokenRefused, claims_of, keys_of
from stream.identity.sign_in_flow import SignInFlow

_log = logging.getLogger(__name__)
_DISCOVERY = "/.well-known/openid-configuration"
_LASTS_S = 3_600.0
# However many forged tokens come: the provider's keys are asked for once in this time.
REFETCH_S = 60.0
_TIMEOUT_S, _MOST_BYTES = 10.0, 1 << 20
_MOST_NAME, _MOST_GROUPS, _MOST_GROUP, _MOST_ISSUER = 200, 500, 200, 200
_TOKEN_ERRORS = {
    "invalid_client": "it does not know the client id, or takes another secret or none",
    "invalid_grant": "the code is not valid any more, or the redirect address is another one",
    "invalid_request": "the request lacks something, or has it twice",
    "invalid_scope": "it does not give the scopes openid and profile",
    "unauthorized_client": "the client may not use the authorization code flow there",
    "unsupported_grant_type": "it does not take authorization codes",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class SignInRefused(Exception):
    """The provider, or what it sent, says no. `str` of it is for the log and names nobody."""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`redirect_uri`: where the provider sends the browser back to. `client_secret`: None for a public client.
    `groups_claim`: the claim with the groups of a person, whose names can then hold roles.
    """

    issuer: str
    client_id: str
    redirect_uri: str
    client_secret: str | None = field(default=None, repr=False)
    groups_claim: str | None = None


def valid_issuer(text: str) -> bool:
    """https, or http on this machine; no query and no fragment."""
    return _safe(text) and len(text) <= _MOST_ISSUER and not set(text) & {"?", "#", " "}


class OidcProvider:
    """Thread-safe. Nothing is asked of the provider before somebody signs in, so it may be away when the service
    starts. Methods raise `Unavailable` (`identity_provider_unavailable`) while it is away.
    """

    def __init__(self, settings: OidcSettings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        # No redirects: a provider answers at the addresses that it names.
        self._client = httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False)
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, tuple[Key, ...]] | None = None

    @property
    def name(self) -> str:
        """For people."""
        return urlsplit(self.settings.issuer).netloc

    def authorization_url(self, flow: SignInFlow) -> str:
        """Where the browser is sent to sign in."""
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect_uri,
            "scope": "openid profile",
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def end_session_url(self, back: str) -> str | None:
        """Where a browser ends its session at the provider too, if that has such a page."""
        endpoint = self._described().get("end_session_endpoint")
        if not isinstance(endpoint, str) or not _safe(endpoint):
            return None
        asked = {"client_id": self.settings.client_id, "post_logout_redirect_uri": back}
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def signed_in(self, code: str, flow: SignInFlow) -> SignedIn:
        """Who the provider says signed in. Raises `SignInRefused`."""
        token = self._id_token(code, flow)
        now_s = self._clock.now_ms() / 1000
        policy = IdTokenPolicy(self.settings.issuer, self.settings.client_id, flow.nonce, now_s)
        try:
            try:
                claims = claims_of(token, self._signing_keys(), policy)
            except NoSuchKey:
                # It may have changed its keys since.
                claims = claims_of(token, self._signing_keys(again=True), policy)
        except TokenRefused as refused:
            raise SignInRefused(f"the ID token was refused: {refused}") from None
        return self._person(claims)

    def close(self) -> None:
        self._client.close()

    def _id_token(self, code: str, flow: SignInFlow) -> str:
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.redirect_uri,
            "code_verifier": flow.verifier,
        }
        auth, secret = None, settings.client_secret
        methods = self._described().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if secret is not None and "client_secret_basic" in methods:
            # RFC 6749, 2.3.1: encoded as a form before they are joined.
            auth = httpx.BasicAuth(quote_plus(settings.client_id), quote_plus(secret))
        else:
            form |= {"client_id": settings.client_id} | ({} if secret is None else {"client_secret": secret})
        status, answer = self._ask("POST", self._endpoint("token_endpoint"), data=form, auth=auth)
        if status >= 500:
            raise self._away(f"its token endpoint answers {status}")
        token = answer.get("id_token") if status == 200 else None
        if not isinstance(token, str):
            raise SignInRefused(f"the provider gave no ID token (HTTP {status}{_why(answer)})")
        return token

    def _person(self, claims: Mapping[str, Any]) -> SignedIn:
        issuer = self.settings.issuer
        named = (claims.get(claim) for claim in ("name", "preferred_username"))
        name = next((text[:_MOST_NAME] for text in named if isinstance(text, str) and text.strip()), None)
        listed = claims.get(self.settings.groups_claim, []) if self.settings.groups_claim else []
        groups = [text for text in listed if _is_group(text)] if isinstance(listed, list) else []
        if len(groups) > _MOST_GROUPS:
            _log.warning("a person has %s groups, of which %s count", len(groups), _MOST_GROUPS)
        held = tuple(f"oidc-group:{issuer}#{group}" for group in groups[:_MOST_GROUPS])
        return SignedIn(f"oidc:{issuer}#{claims['sub']}", name, held)

    def _signing_keys(self, *, again: bool = False) -> tuple[Key, ...]:
        with self._lock:
            now_s, held = self._clock.monotonic_s(), self._keys
            age_s = float("inf") if held is None else now_s - held[0]
            if held is not None and age_s < (REFETCH_S if again else _LASTS_S):
                return held[1]
        status, answer = self._ask("GET", self._endpoint("jwks_uri"))
        try:
            if status != 200:
                raise ValueError(f"HTTP {status}")
            keys = keys_of(answer)
        except ValueError as error:
            raise self._away(f"its keys cannot be read: {error}") from None
        with self._lock:
            self._keys = (now_s, keys)
        return keys

    def _endpoint(self, name: str) -> str:
        found = self._described().get(name)
        if not isinstance(found, str) or not _safe(found):
            raise self._away(f"it names no safe {name}")
        return found

    def _described(self) -> Mapping[str, Any]:
        with self._lock:
            now_s, held = self._clock.monotonic_s(), self._metadata
        if held is not None and now_s - held[0] < _LASTS_S:
            return held[1]
        status, found = self._ask("GET", self.settings.issuer.rstrip("/") + _DISCOVERY)
        # OpenID Connect Discovery 4.3: or one provider could speak for another.
        if status != 200 or found.get("issuer") != self.settings.issuer:
            raise self._away(f"HTTP {status}" if status != 200 else "it calls itself by another name")
        with self._lock:
            self._metadata = (now_s, found)
        return found

    def _ask(self, method: str, url: str, **sent: Any) -> tuple[int, dict[str, Any]]:
        """Status and document; an empty one where it is none."""
        body = bytearray()
        try:
            with self._client.stream(method, url, headers={"accept": "application/json"}, **sent) as answer:
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise self._away("it sends too much")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._away(type(error).__name__) from None
        try:
            found = json.loads(bytes(body))
        except (ValueError, RecursionError):
            found = {}
        return answer.status_code, found if isinstance(found, dict) else {}

    def _away(self, why: str) -> Unavailable:
        return Unavailable(
            f"the identity provider {self.settings.issuer} cannot be used: {why}",
            code="identity_provider_unavailable",
        )


def _safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def _is_group(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _MOST_GROUP and text.isprintable()


def _why(answer: Mapping[str, Any]) -> str:
    """What the provider says is wrong, of the words that RFC 6749, 5.2 knows: it may put anything into others."""
    return f", {said}: {_TOKEN_ERRORS[said]}" if (said := str(answer.get("error"))) in _TOKEN_ERRORS else ""
