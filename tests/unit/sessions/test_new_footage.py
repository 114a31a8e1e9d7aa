"""What is handed on to a topology says all that its event says."""

from dataclasses import replace

import pytest

from stream.events.asset import AssetPublished
from stream.events.base import Event
from stream.sessions.background import NewFootage


@pytest.mark.parametrize("size_bytes", [None, 7])
def test_an_event_comes_back_as_it_was(size_bytes: int | None) -> None:
    data = AssetPublished(
        uri="s3://media/a.mp4",
        asset_id="a",
        size_bytes=size_bytes,
        profile="fast",
        priority="batch",
        labels={"job": "spring"},
    )
    event = Event(
        data=data, tenant="acme", project="ads", region="eu", subject="a", event_time_ms=5, id="one", source="job"
    )
    handed_on = NewFootage.of(event).event()
    assert replace(handed_on, traceparent=event.traceparent) == event
