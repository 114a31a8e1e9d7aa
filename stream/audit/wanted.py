"""Which events of a trail somebody asks for: of whom, of whose footage, about what, and when (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream.audit.recorder import query_digest
from stream.audit.rights import holders_in


@dataclass(frozen=True, slots=True)
class WantedEvents:
    """What is None is not asked for. `about`: an id as the trail has it, or the text of which it has a digest, for
    which `secret` is that of the trail. `who`: a principal, or the id of a key or a session: what was done
    with a key is known after its end too. [since_ms, until_ms).
    """

    secret: bytes
    about: str | None = None
    tenant: str | None = None
    who: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def __call__(self, event: Mapping[str, Any]) -> bool:
        return (
            (self.who is None or self.who in _actors(event))
            and (self.tenant is None or event["metadata"].get("tenant_uid") == self.tenant)
            and (self.since_ms is None or event["time"] >= self.since_ms)
            and (self.until_ms is None or event["time"] < self.until_ms)
            and self._about(event)
        )

    def _about(self, event: Mapping[str, Any]) -> bool:
        if self.about is None:
            return True
        named = named_in(event)
        if not named:
            return False
        # A digest is made with the key of the tenant that was asked for, which may be none.
        tenants = (event["metadata"].get("tenant_uid"), None)
        return bool({self.about, *(query_digest(self.secret, each, self.about) for each in tenants)} & set(named))


def _actors(event: Mapping[str, Any]) -> tuple[str | None, ...]:
    actor = event["actor"]
    return actor["user"]["uid"], actor.get("session", {}).get("uid")


def named_in(event: Mapping[str, Any]) -> tuple[str, ...]:
    """Ids and digests of what an event is about, in the order in which it names them."""
    many = [each["uid"] for each in event.get("resources", ())]
    file = event.get("file", {}).get("uid")
    query = event.get("query_info", {}).get("uid")
    others = event.get("unmapped", {}).get("resources", ())
    return tuple(dict.fromkeys(each for each in (*holders_in(event), *many, *others, file, query) if each))
