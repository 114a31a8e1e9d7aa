"""The gate operator: asset events of tenants' own topics, as those of the tenant that the topic belongs to."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from stream.broker.contract import Record
from stream.errors import StageError
from stream.events.asset import AssetDeleted, AssetPublished
from stream.events.base import Event, Payload
from stream.topology.codec import enveloped
from stream.topology.ownership import CLAIMS, owner_of

Denied = Callable[[str, type[Payload], str], None]
"""(tenant, what it asked for, code): returns once the refusal is on record. Raises `Unavailable`."""


class GateOperator:
    """Whose an event is was decided when it was decoded, by its topic (`Ownership`): the gate only sends it on.

    Nothing is remembered, so it may be killed at any time: what was not acknowledged is sent again, in its order.
    """

    def __init__(self, denied: Denied = lambda _tenant, _asked, _code: None) -> None:
        self._denied = denied

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def process(self, events: Sequence[Event[AssetPublished | AssetDeleted]]) -> Iterable[Event]:
        for event in events:
            data = event.data
            # A replan is the index's word to plan, which costs every stage its work again.
            if isinstance(data, AssetPublished) and data.replan:
                data = data.model_copy(update={"replan": False})
            # Without a position: its place in `assets` is not known yet, and that place decides its version.
            # When it was published is known here alone, and counts for how fresh it is.
            yield replace(event, data=data, position=None, first_append_ms=event.published_ms)

    def failed(self, event: Event[AssetPublished | AssetDeleted], error: StageError) -> Iterable[Event]:  # noqa: ARG002 - the letter tells
        return ()

    def unreadable(self, record: Record, error: StageError) -> Iterable[Event]:
        """A claim to be somebody else goes on record before it becomes a dead letter, which is all that tells of it: in
        `assets` the record would have made no asset.
        """
        tenant = owner_of(record.topic)
        if tenant is not None and error.code in CLAIMS:
            said = enveloped(record)
            asked = AssetDeleted if said is not None and said.type == AssetDeleted.type else AssetPublished
            self._denied(tenant, asked, error.code)
        return ()
