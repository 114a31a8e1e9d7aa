"""A provider of OpenID Connect on the loopback that a test makes say what no good provider says."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import JWSRegistry

from tests.support.http_servers import serving

CLIENT = "rushes-client"
Claims = dict[str, Any]


class _EveryAlgorithm(JWSRegistry):
    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def signed(claims: Claims, key: Key | None, algorithm: str = "ES256", **header: Any) -> str:
    """A token with any header and any algorithm, also those that nobody should take."""
    if key is None:
        return ".".join((*(_part(json.dumps(it)) for it in ({"alg": "none", **header}, claims)), ""))
    registry = _EveryAlgorithm(strict_check_header=False)
    return jwt.encode({"alg": algorithm, **header}, claims, key, registry=registry)


def _part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@dataclass
class Provider:
    """`token` makes the ID token from good claims. `requests`: paths that were asked for; `forms`: what came to the
    token endpoint. `error`: what that says instead of a token.
    """

    now_s: int
    issuer: str = ""
    nonce: str = ""
    key: Key = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one"}))
    published: list[Claims] = field(default_factory=list)
    token: Callable[["Provider", Claims], str | None] = lambda provider, claims: signed(
        claims, provider.key, kid=provider.key.kid
    )
    metadata: Claims = field(default_factory=dict)
    error: str = "invalid_grant"
    requests: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    def claims(self) -> Claims:
        return {
            "iss": self.issuer,
            "sub": "ana",
            "aud": CLIENT,
            "nonce": self.nonce,
            "iat": self.now_s,
            "exp": self.now_s + 300,
            "name": "Ana <b>Lyst</b>",
            "email": "ana@example.com",
            "groups": ["cutters"],
        }

    def publish(self, *keys: Key) -> None:
        self.published = [key.as_dict(private=False) for key in keys]

    def described(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/over",
        } | self.metadata


@contextmanager
def provider(now_s: int) -> Iterator[Provider]:
    """One that answers at a free port."""
    found = Provider(now_s)
    found.publish(found.key)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append(self.path)
            self._send(found.described() if self.path.startswith("/.well-known") else {"keys": found.published})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            found.requests.append(self.path)
            found.forms.append({key: values[0] for key, values in parse_qs(body).items()})
            token = found.token(found, found.claims())
            self._send({"error": found.error} if token is None else {"id_token": token}, 400 if token is None else 200)

        def _send(self, document: Claims, status: int = 200) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    found.issuer = f"http://127.0.0.1:{server.server_port}"
    with serving(server):
        yield found


def confused(claims: Claims, public: Key) -> str:
    """Signed by HMAC with the bytes of a public key, which everybody has."""
    assert isinstance(public, RSAKey | ECKey)
    text = ".".join(_part(json.dumps(it)) for it in ({"alg": "HS256", "kid": public.kid}, claims))
    mac = hmac.digest(public.as_bytes("PEM", private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
