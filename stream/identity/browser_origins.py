"""What a browser says of where a request comes from, and the cookie that a session has in it (pure).

The cookie travels by itself, so a request that it authenticates could be another site's work. Three things stand
against that: `SameSite=Lax`, what the browser says of the page that asks (Fetch Metadata, `Origin`), and a token that
only our own pages know.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")
_MOST_PATH, _MOST_COOKIES = 2_000, 8_192


@dataclass(frozen=True, slots=True)
class BrowserOrigin:
    """Where people's browsers find the service. `public`: its address, as in `https://search.example.com`, or None for
    one that has no other address than those of this machine, which are `hosts`.
    """

    public: str | None
    hosts: frozenset[str]

    @property
    def secure(self) -> bool:
        return self.public is not None and self.public.startswith("https:")

    def cookie(self, name: str) -> str:
        # The prefix makes browsers refuse a cookie that another host of the domain sets. It needs TLS.
        return f"__Host-{name}" if self.secure else name

    def set_cookie(self, name: str, value: str, *, max_age_s: int | None = None) -> str:
        """The value of `Set-Cookie`. `max_age_s`: None is until the browser ends, 0 removes it."""
        age = "" if max_age_s is None else f"; Max-Age={max_age_s}"
        secure = "; Secure" if self.secure else ""
        return f"{self.cookie(name)}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}"

    def read_cookie(self, name: str, headers: Mapping[str, str]) -> str | None:
        text = headers.get("cookie")
        if text is None or len(text) > _MOST_COOKIES:
            return None
        # By hand: the parser of the standard library stops at another program's cookie that it does not like.
        pairs = (part.strip().partition("=") for part in text.split(";"))
        return next((value for key, _, value in pairs if key == self.cookie(name) and value), None)

    def is_ours(self, headers: Mapping[str, str]) -> bool:
        """Whether a page of this service made the browser send this, and the browser says so."""
        if self.public is None and host_of(headers) not in self.hosts:
            return False
        origin = headers.get("origin")
        # Both, where both are there: a proxy may pass one of them only.
        if origin is not None and origin != (self.public or f"http://{headers.get('host', '')}"):
            return False
        site = headers.get("sec-fetch-site")
        return site == "same-origin" or (site is None and origin is not None)

    @staticmethod
    def may_read(headers: Mapping[str, str]) -> bool:
        """Whether a request without effects may use the cookie: of our pages, and of a person who follows a link."""
        if headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
            return True
        # A link from a mail or a chat opens a page. A frame, a picture or a script of another site does not.
        return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def host_of(headers: Mapping[str, str]) -> str:
    """The name by which the browser reached this address, without its port."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def token_of(secret: str) -> str:
    """What our pages send with each request that changes something. It ends with the session."""
    return hmac.digest(secret.encode(), b"rushes csrf token", "sha256").hex()


def has_token(secret: str, given: str | None) -> bool:
    return given is not None and hmac.compare_digest(token_of(secret).encode(), given.encode("utf-8", "replace"))


def local_path(text: str | None, otherwise: str) -> str:
    """`text` where it is a path of this service, to which a browser can be sent on; no other address ever."""
    # Browsers read a backslash as a slash, and leave out tabs and ends of lines.
    plain = text is not None and len(text) <= _MOST_PATH and _PATH.fullmatch(text) is not None
    return text if text is not None and plain else otherwise


def public_origin(text: str) -> str | None:
    """An address as an origin (`https://host[:port]`), or None where it is none: http is for this machine alone."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    allowed = parts.scheme == "https" or (parts.scheme == "http" and host in {"localhost", "127.0.0.1", "::1"})
    if not allowed or not host or parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    name = f"[{host}]" if ":" in host else host
    # As browsers write it: without the port that the scheme has anyway.
    usual = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{name}" + ("" if port in (None, usual) else f":{port}")
