"""Who asks: the key of a request, or the one administrator of a machine that nobody has set up."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from stream.access.api_keys import digest_of, is_key
from stream.access.decision import Access, Restriction
from stream.access.register_file import RegisterFile
from stream.audit.ocsf import Actor, ActorKind
from stream.clock import Clock
from stream.service.problems import forbidden, unauthenticated

LOCAL_ADMIN = "local:admin"
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """`access`: what they may do now."""

    access: Access
    actor: Actor


class Callers:
    """`open_to_local`: this service listens on the loopback alone, so that while the register is empty whoever reaches
    it is the administrator of the machine. With the first record everybody needs a key.
    """

    def __init__(self, registers: RegisterFile, clock: Clock, *, open_to_local: bool, hosts: frozenset[str]) -> None:
        self._registers = registers
        self._clock = clock
        self._open_to_local = open_to_local
        self._hosts = hosts
        self._pepper: bytes | None = None

    def of(self, headers: Mapping[str, str]) -> Caller:
        """Of a request with these headers. Raises `Problem`: 401 without a key that is valid now, 403 for a request
        that another site makes a browser send.
        """
        register = self._registers.register()
        authorization = headers.get("authorization")
        if authorization is None and self._open_to_local and not register.records():
            self._refuse_other_sites(headers)
            access = Access(LOCAL_ADMIN, register, self._clock.now_ms(), everything=True)
            return Caller(access, Actor(LOCAL_ADMIN, ActorKind.ADMINISTRATOR))
        key = self._key(authorization)
        now_ms = self._clock.now_ms()
        # By its digest, as nothing else of a key is kept.
        found = register.key_with(digest_of(key, self._secret()))
        # An unknown key and one that has ended look alike: neither tells whether it ever was one.
        if found is None or now_ms >= found.until_ms:
            raise unauthenticated("The key is not valid.")
        access = Access(found.principal, register, now_ms, Restriction.of(found))
        return Caller(access, Actor(found.principal, ActorKind.SERVICE, session=found.key_id))

    def _secret(self) -> bytes:
        if self._pepper is None:
            self._pepper = self._registers.pepper()
        return self._pepper

    @staticmethod
    def _key(authorization: str | None) -> str:
        if authorization is None:
            raise unauthenticated("Send a key: `Authorization: Bearer rsk_…`.")
        if not authorization.lower().startswith(_SCHEME) or not is_key(key := authorization[len(_SCHEME) :].strip()):
            raise unauthenticated("The key is not valid.")
        return key

    def _refuse_other_sites(self, headers: Mapping[str, str]) -> None:
        """A page of another site can make a browser of this machine ask here, also under a name that leads here."""
        # DNS rebinding: a foreign name may lead to this address, but the browser still sends that name.
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if host.strip("[]") not in self._hosts or headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            raise forbidden("This service answers its own machine alone.")


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
