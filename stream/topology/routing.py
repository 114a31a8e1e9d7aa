"""Which topic an event type goes to. Pure."""

from collections.abc import Mapping

from stream.events.dead_letter import DeadLetter
from stream.topology.stage import Stage
from stream.topology.topics import DEAD_LETTERS, Topic


def routes(stage: Stage, topics: Mapping[str, Topic]) -> dict[str, str]:
    """Event type to target topic. Dead letters have a target without a declaration.

    Raises `ValueError` for an unknown target or a type that two targets carry.
    """
    found: dict[str, str] = {DeadLetter.type: DEAD_LETTERS.name}
    for target in stage.targets:
        if target not in topics:
            raise ValueError(f"stage {stage.name!r}: unknown target topic {target!r}")
        for payload in topics[target].payloads:
            # An event names no topic: its type alone has to decide.
            if found.setdefault(payload.type, target) != target:
                raise ValueError(
                    f"stage {stage.name!r}: {payload.type} is carried by both {found[payload.type]!r} and {target!r}"
                )
    return found
