"""The notifications operator: what a bucket says of its objects, as asset events."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from stream.errors import BadEvent, Fatal, StageError
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.base import Event, Payload, Position
from stream.events.ids import default_asset_id, digest, is_name, is_tenant
from stream.events.notifications import OBJECT_SCHEME, BucketNotification, ObjectChange
from stream.lanes import Lane

MAX_REMEMBERED_KEYS = 200_000
_YEAR_2000_MS = 946_684_800_000


@dataclass(frozen=True, slots=True)
class BucketRule:
    """Objects whose `bucket/key` begins with `pattern` belong to a tenant and project; `{tenant}` and `{project}` in it
    stand for one folder each and name them.
    """

    pattern: str
    tenant: str = "default"
    project: str = "default"
    lane: Lane = "interactive"

    @classmethod
    def parse(cls, text: str, lane: Lane = "interactive") -> "BucketRule":
        """From `PATTERN` or `PATTERN=TENANT[/PROJECT]`. Raises `Fatal` with what is wrong."""
        pattern, _, owner = text.partition("=")
        tenant, _, project = owner.partition("/")
        found = cls(pattern, tenant or "default", project or "default", lane)
        names = re.findall(r"\{(.*?)\}", pattern)
        if not pattern or not is_tenant(found.tenant) or not is_name(found.project, 200):
            raise Fatal(f"bucket rule {text!r}: write BUCKET/PREFIX=TENANT/PROJECT", code="invalid_rule")
        if set(names) - {"tenant", "project"} or len(set(names)) < len(names) or "{" in owner:
            raise Fatal(
                f"bucket rule {text!r}: only {{tenant}} and {{project}}, once each and before the =",
                code="invalid_rule",
            )
        return found

    def owner(self, name: str) -> tuple[str, str] | None:
        """(tenant, project) of the object `bucket/key`; None where the rule does not apply."""
        parts = re.split(r"(\{tenant\}|\{project\})", self.pattern)
        expression = "".join(f"(?P<{it[1:-1]}>[^/]+)" if it.startswith("{") else re.escape(it) for it in parts)
        match = re.match(expression, name)
        if match is None:
            return None
        named = match.groupdict()
        return named.get("tenant", self.tenant), named.get("project", self.project)


class NotificationOperator:
    """The first rule that applies decides; an object without one is nobody's and becomes a dead letter.

    A change that is older than one seen of the same key (by sequencer) says nothing: stores notify at least once and in
    no certain order. What was seen is remembered in this process only, for the keys that changed last; beyond it a
    repeated creation costs an inspection, and a removal that is overtaken by a creation deletes.
    """

    def __init__(self, rules: Sequence[BucketRule]) -> None:
        self._rules = tuple(rules)
        self._seen: OrderedDict[str, tuple[str, Position | None]] = OrderedDict()

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def process(self, events: Sequence[Event]) -> Iterable[Event]:
        for event in events:
            assert isinstance(event.data, BucketNotification)
            nobodys = 0
            for change in event.data.changes:
                owner = self._owner(change)
                if owner is None:
                    nobodys += 1
                elif self._news(change, event.position) and not change.key.endswith("/"):
                    yield _told(event, change, *owner)
            if nobodys:
                raise BadEvent(
                    f"{nobodys} objects are under no bucket rule; add one, or narrow the bucket's notifications",
                    code="no_bucket_rule",
                )

    def failed(self, event: Event, error: StageError) -> Iterable[Event]:  # noqa: ARG002 - no asset yet
        return ()

    def _owner(self, change: ObjectChange) -> tuple[str, str, Lane] | None:
        name = f"{change.bucket}/{change.key}"
        for rule in self._rules:
            owner = rule.owner(name)
            if owner is not None:
                return (*owner, rule.lane)
        return None

    def _news(self, change: ObjectChange, at: Position | None) -> bool:
        """A record that is processed again, as its outputs were not delivered, says the same again."""
        last, where = self._seen.get(change.uri, ("", None))
        again = change.sequencer == last and at == where
        if not again and not change.follows(last):
            return False
        if change.sequencer:
            self._seen[change.uri] = (change.sequencer, at)
            self._seen.move_to_end(change.uri)
            if len(self._seen) > MAX_REMEMBERED_KEYS:
                self._seen.popitem(last=False)
        return True


def _told(event: Event, change: ObjectChange, tenant: str, project: str, lane: Lane) -> Event:
    data = _payload(change, lane)
    if not is_tenant(tenant) or not is_name(project, 200):
        raise BadEvent("the key's folders are no valid tenant and project", code="invalid_attribute")
    claimed_ms = change.time_ms if change.time_ms and change.time_ms >= _YEAR_2000_MS else event.event_time_ms
    return replace(
        event,
        data=data,
        tenant=tenant,
        project=project,
        subject=data.partition_key().decode(),
        event_time_ms=min(claimed_ms, event.event_time_ms),
        id=digest("notified", change.uri, change.happened, change.sequencer or event.id),
        source=f"{OBJECT_SCHEME}://{change.bucket}",
        position=None,
    )


def _payload(change: ObjectChange, lane: Lane) -> Payload:
    """With the uri as identity, so that a removal finds what a creation made. Raises `BadEvent`."""
    try:
        if change.happened == "removed":
            return AssetDeleted(asset_id=default_asset_id(change.uri))
        return AssetPublished(uri=change.uri, size_bytes=change.size_bytes, etag=change.etag, priority=lane)
    except ValidationError as error:
        raise BadEvent(
            f"the object's name cannot be used: {error.errors()[0]['msg']}", code="invalid_payload"
        ) from None
