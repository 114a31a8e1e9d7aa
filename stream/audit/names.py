"""How many names an event of the trail has room for (pure)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from stream.audit.ocsf import AccessSubject

_NAMES, _CHARACTERS = 200, 32 << 10
"""An event names so many things at most, as it has a bound itself; ids may be long."""


def in_events(subject: AccessSubject) -> Iterator[AccessSubject]:
    """The subject of each event that it takes to name all its resources, and all members of its team, once."""
    resources = list(_groups(subject.resources)) or [()]
    yield from (replace(subject, resources=each) for each in resources[:-1])
    members = list(_groups(subject.rights.members)) or [()]
    for each in members:
        yield replace(subject, resources=resources[-1], rights=replace(subject.rights, members=each))


def _groups(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    group: list[str] = []
    characters = 0
    for name in dict.fromkeys(names):
        # No shorter than it is in the event.
        own = len(json.dumps(name))
        if group and (len(group) == _NAMES or characters + own > _CHARACTERS):
            yield tuple(group)
            group, characters = [], 0
        group.append(name)
        characters += own
    if group:
        yield tuple(group)
