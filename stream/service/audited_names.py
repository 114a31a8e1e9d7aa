"""How many ids an event of the trail names."""

import json
from collections.abc import Iterable
from itertools import accumulate

_RESOURCES, _RESOURCES_CHARACTERS = 200, 32 << 10
"""An event of the trail names so many things at most, as it has a bound itself; ids may be long."""


def audited_names(ids: Iterable[str]) -> tuple[str, ...]:
    """Those of the ids that an event of the trail has room for."""
    names = list(dict.fromkeys(ids))[:_RESOURCES]
    # No shorter than they are in the event.
    ends = accumulate(len(json.dumps(name)) for name in names)
    return tuple(name for name, end in zip(names, ends, strict=True) if end <= _RESOURCES_CHARACTERS)
