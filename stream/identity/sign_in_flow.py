"""One sign-in at a provider on its way (pure, but for chance): the browser keeps one secret, and state, nonce and PKCE
verifier come from it. So nothing is kept here for those who never come back.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from stream.identity.browser_origins import local_path

FLOW_S = 600
_LABEL = b"rushes sign-in flow"
_MOST = 4_096


@dataclass(frozen=True, slots=True)
class SignInFlow:
    """`after`: the path that the person wanted to go to."""

    secret: str
    began_ms: int
    after: str

    @classmethod
    def begin(cls, now_ms: int, after: str) -> "SignInFlow":
        return cls(secrets.token_urlsafe(32), now_ms, after)

    @property
    def state(self) -> str:
        return self._part("state")

    @property
    def nonce(self) -> str:
        return self._part("nonce")

    @property
    def verifier(self) -> str:
        """RFC 7636: 43 characters of base64url."""
        return self._part("verifier")

    @property
    def challenge(self) -> str:
        return _base64(hashlib.sha256(self.verifier.encode()).digest())

    def sealed(self, pepper: bytes) -> str:
        """For a cookie. Its age and its path cannot be changed without `pepper`."""
        text = f"{self.secret}.{self.began_ms}.{_base64(self.after.encode())}"
        return f"{text}.{_mac(text, pepper)}"

    @classmethod
    def unsealed(cls, text: str, pepper: bytes, now_ms: int) -> "SignInFlow | None":
        """None for what is not ours, or is over."""
        signed, _, mac = text.rpartition(".")
        if len(text) > _MOST or not hmac.compare_digest(mac.encode(), _mac(signed, pepper).encode()):
            return None
        secret, began_ms, after = signed.split(".")
        if not 0 <= now_ms - int(began_ms) < FLOW_S * 1000:
            return None
        path = base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode()
        return cls(secret, int(began_ms), local_path(path, "/"))

    def _part(self, label: str) -> str:
        # Separate labels: whoever sees the state cannot tell the verifier.
        return _base64(hmac.digest(self.secret.encode(), label.encode(), "sha256"))


def _mac(text: str, pepper: bytes) -> str:
    key = hmac.digest(pepper, _LABEL, "sha256")
    return _base64(hmac.digest(key, text.encode("utf-8", "replace"), "sha256"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
