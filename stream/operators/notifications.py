"""The notifications operator: what a bucket says of its objects, as asset events."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from stream.errors import BadEvent, Fatal, StageError, printable
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.base import Event, Position
from stream.events.ids import default_asset_id, digest, is_name, is_tenant
from stream.events.notifications import OBJECT_SCHEME, BucketNotification, ObjectChange
from stream.topology.lanes import Lane

# Bounds the memory: keys come from whoever may write to the bucket.
MAX_REMEMBERED_KEYS = 200_000
MAX_NAMED, MAX_NAME_CHARS = 5, 200
"""Of what cannot be used, so many are named in a message, and so much of each name."""
# An earlier time is an unset clock. Freshness would show decades.
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
        # The pattern is an operator's text and not an expression: only the two names in braces mean something.
        expression = "".join(f"(?P<{it[1:-1]}>[^/]+)" if it.startswith("{") else re.escape(it) for it in parts)
        match = re.match(expression, name)
        if match is None:
            return None
        named = match.groupdict()
        return named.get("tenant", self.tenant), named.get("project", self.project)


@dataclass(frozen=True, slots=True)
class Publication:
    """What a change is to its owner."""

    change: ObjectChange
    tenant: str
    project: str
    data: AssetPublished | AssetDeleted


class NotificationOperator:
    """The first rule that applies decides; an object without one is nobody's and becomes a dead letter.

    Each change of a notification stands alone: the letter holds and names those that cannot be used, the others are
    published, and not again where the letter is replayed.

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

    def process(self, events: Sequence[Event[BucketNotification]]) -> Iterable[Event]:
        """Raises `BadEvent` for what cannot be used, after everything else has been published."""
        for event in events:
            good, bad = self._judged(event)
            # The good changes first: one that cannot be used must not keep the others back (ADR 0036).
            for found in good:
                if self._news(found.change, event.position):
                    yield _published(event, found)
            if bad:
                raise _unusable(bad, len(good) + len(bad))

    def failed(self, event: Event[BucketNotification], error: StageError) -> Iterable[Event]:  # noqa: ARG002 - no asset yet
        return ()

    def replayable(self, event: Event[BucketNotification]) -> Event:
        """With what cannot be used alone."""
        _, bad = self._judged(event)
        return replace(event, data=event.data.narrowed(bad.keys())) if bad else event

    def _judged(self, event: Event[BucketNotification]) -> tuple[list[Publication], dict[int, BadEvent]]:
        """What may be published, and by its place what cannot be. Folder markers are neither."""
        good: list[Publication] = []
        bad = {
            place: BadEvent(f"record {place} names no object ({why})", code="invalid_payload")
            for place, why in event.data.unreadable
        }
        for change in event.data.changes:
            try:
                owner = self._owner(change)
                # A key that ends with `/` is a folder in a console, and no footage.
                if not change.key.endswith("/"):
                    good.append(Publication(change, owner.tenant, owner.project, _payload(change, owner.lane)))
            except BadEvent as error:
                bad[change.place] = error
        return good, bad

    def _owner(self, change: ObjectChange) -> BucketRule:
        """The rule with the names that it gives this object. Raises `BadEvent`."""
        name = f"{change.bucket}/{change.key}"
        for rule in self._rules:
            owner = rule.owner(name)
            if owner is None:
                continue
            tenant, project = owner
            if not is_tenant(tenant) or not is_name(project, 200):
                raise BadEvent(
                    f"{_shown(change)}: the key's folders are no valid tenant and project", code="invalid_attribute"
                )
            return replace(rule, tenant=tenant, project=project)
        raise BadEvent(
            f"{_shown(change)} is under no bucket rule; add one, or narrow the bucket's notifications",
            code="no_bucket_rule",
        )

    def _news(self, change: ObjectChange, at: Position | None) -> bool:
        """A record that is processed again, as its outputs were not delivered, says the same again."""
        last, where = self._seen.get(change.uri, ("", None))
        again = change.sequencer == last and at == where
        if not again and not change.follows(last):
            return False
        # Stores without a sequencer give no order, so nothing can be remembered.
        if change.sequencer:
            self._seen[change.uri] = (change.sequencer, at)
            self._seen.move_to_end(change.uri)
            if len(self._seen) > MAX_REMEMBERED_KEYS:
                self._seen.popitem(last=False)
        return True


def _published(event: Event, found: Publication) -> Event:
    change = found.change
    claimed_ms = change.time_ms if change.time_ms and change.time_ms >= _YEAR_2000_MS else event.event_time_ms
    return replace(
        event,
        data=found.data,
        tenant=found.tenant,
        project=found.project,
        subject=found.data.identity(),
        event_time_ms=min(claimed_ms, event.event_time_ms),
        # The store's sequencer, so that a repeated notification is the same event.
        id=digest("notified", change.uri, change.happened, change.sequencer or event.id),
        source=f"{OBJECT_SCHEME}://{change.bucket}",
        # Its place in `assets` is not known yet, and that place decides its version.
        position=None,
    )


def _payload(change: ObjectChange, lane: Lane) -> AssetPublished | AssetDeleted:
    """With the uri as identity, so that a removal finds what a creation made. Raises `BadEvent`."""
    try:
        if change.happened == "removed":
            return AssetDeleted(asset_id=default_asset_id(change.uri))
        return AssetPublished(uri=change.uri, size_bytes=change.size_bytes, etag=change.etag, priority=lane)
    except ValidationError as error:
        raise BadEvent(
            f"{_shown(change)}: the object's name cannot be used: {error.errors()[0]['msg']}", code="invalid_payload"
        ) from None


def _unusable(bad: Mapping[int, BadEvent], count: int) -> BadEvent:
    """One error for all that one notification holds, in words of the first ones and with the first one's code."""
    errors = list(bad.values())
    words = "; ".join(error.message for error in errors[:MAX_NAMED])
    more = f"; and {len(errors) - MAX_NAMED} more" if len(errors) > MAX_NAMED else ""
    return BadEvent(f"{len(errors)} of {count} records cannot be used: {words}{more}", code=errors[0].code)


def _shown(change: ObjectChange) -> str:
    name = printable(change.uri)
    return name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1] + "…"
