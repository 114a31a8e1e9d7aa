"""Leases of stores on an object store, as time would change them."""

import json

from sinks.location import Location
from sinks.storage.objects import Objects

OBJECTS = {"lance": "index.lease", "delta": "delta.lease"}


def end_lease(place: Location, name: str) -> None:
    """As if the writer of sink `name` had given no sign of life for long."""
    objects = Objects(place)
    if (found := objects.get(OBJECTS[name])) is not None:
        objects.put(OBJECTS[name], json.dumps(json.loads(found.content) | {"until_ms": 0}).encode())
