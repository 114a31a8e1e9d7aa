"""Who asks: the key of a request, the session of a browser, or the one administrator of a machine that nobody has set
up.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from stream.access.api_keys import digest_of, is_key
from stream.access.decision import Access, Restriction
from stream.access.records import ApiKey
from stream.access.store import AccessStore
from stream.audit.ocsf import Actor, ActorKind
from stream.clock import Clock
from stream.identity.browser_origins import host_of
from stream.identity.browser_sessions import BrowserSession
from stream.service.browsers import Browsers
from stream.service.problems import forbidden, unauthenticated

LOCAL_ADMIN = "local:admin"
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """`access`: what they may do now. `session`: that of the browser, if one asks."""

    access: Access
    actor: Actor
    session: BrowserSession | None = None


class Callers:
    """`open_to_local`: this service listens on the loopback alone, so that while the register is empty whoever reaches
    it is the administrator of the machine. With the first record everybody needs a key.
    """

    def __init__(self, registers: AccessStore, clock: Clock, browsers: Browsers, *, open_to_local: bool) -> None:
        self.registers = registers
        self._clock = clock
        self._browsers = browsers
        self._open_to_local = open_to_local
        self._pepper: bytes | None = None

    def of(self, headers: Mapping[str, str]) -> Caller:
        """Of a request with these headers: a key counts before a session. Raises `Problem`: 401 without a key or a
        session that is valid now, 403 for a request that another site makes a browser send. Requests that change
        something have passed `OwnRequests` before.
        """
        authorization = headers.get("authorization")
        if authorization is not None:
            return self._of_key(self.key_of(_bearer(authorization)))
        if (session := self._browsers.session_of(headers)) is not None:
            return self._of_session(session, headers)
        register = self.registers.register()
        if self._open_to_local and not register.records():
            self._refuse_other_sites(headers)
            access = Access(LOCAL_ADMIN, register, self._clock.now_ms(), everything=True)
            return Caller(access, Actor(LOCAL_ADMIN, ActorKind.ADMINISTRATOR))
        raise unauthenticated("Send a key (`Authorization: Bearer rsk_…`), or sign in at `/sign-in`.")

    def key_of(self, secret: str) -> ApiKey:
        """The record of a key. Raises `Problem`: 401 for one that is not valid now."""
        # By its digest, as nothing else of a key is kept.
        found = self.registers.register().key_with(digest_of(secret, self.pepper())) if is_key(secret) else None
        # An unknown key and one that has ended look alike: neither tells whether it ever was one.
        if found is None or self._clock.now_ms() >= found.until_ms:
            raise unauthenticated("The key is not valid.", None if found is None else found.key_id)
        return found

    def _of_key(self, key: ApiKey, session: BrowserSession | None = None) -> Caller:
        access = Access(key.principal, self.registers.register(), self._clock.now_ms(), Restriction.of(key))
        named = key.key_id if session is None else session.uid
        return Caller(access, Actor(key.principal, ActorKind.SERVICE, session=named), session)

    def _of_session(self, session: BrowserSession, headers: Mapping[str, str]) -> Caller:
        if not self._browsers.origin.may_read(headers):
            raise forbidden("Another site made the browser ask.")
        who, register, now_ms = session.who, self.registers.register(), self._clock.now_ms()
        if who.key_digest is None:
            access = Access(who.principal, register, now_ms, groups=who.groups)
            return Caller(access, Actor(who.principal, ActorKind.PERSON, session=session.uid), session)
        key = register.key_with(who.key_digest)
        # A session is worth no more than the key that began it.
        if key is None or now_ms >= key.until_ms:
            raise unauthenticated("The session has ended: sign in at `/sign-in`.")
        return self._of_key(key, session)

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def pepper(self) -> bytes:
        """What secrets of the service are digested with. Raises `Fatal` (`access_unreadable`)."""
        if self._pepper is None:
            self._pepper = self.registers.pepper()
        return self._pepper

    def _refuse_other_sites(self, headers: Mapping[str, str]) -> None:
        """A page of another site can make a browser of this machine ask here, also under a name that leads here."""
        # DNS rebinding: a foreign name may lead to this address, but the browser still sends that name.
        known = host_of(headers) in self._browsers.origin.hosts
        # Browsers that do not say the first say the second with whatever changes something.
        site, origin = headers.get("sec-fetch-site", "none"), headers.get("origin")
        ours = site in {"none", "same-origin"} and origin in (None, f"http://{headers.get('host', '')}")
        if not (known and ours):
            raise forbidden("This service answers its own machine alone.")


def _bearer(authorization: str) -> str:
    if not authorization.lower().startswith(_SCHEME):
        raise unauthenticated("The key is not valid.")
    return authorization[len(_SCHEME) :].strip()


def is_address(host: str) -> bool:
    """Whether it is an IP address as such, or the name of the loopback."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # No other name: it may lead elsewhere when it is resolved again.
        return host == "localhost"
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches who listens there."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)
