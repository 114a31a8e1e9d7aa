"""What the parts of one worker share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream.clock import Clock
from stream.observability.metrics import StageMetrics
from stream.topology.codec import EventDecoder
from stream.topology.stage import Operator, Stage
from stream.topology.topics import Topic


@dataclass(frozen=True, slots=True)
class StageContext:
    """The stage to run and the tools for it. `decoder` reads its sources; `topics` are all topics of the topology."""

    stage: Stage
    operator: Operator[Any]
    topics: Mapping[str, Topic]
    decoder: EventDecoder
    metrics: StageMetrics
    clock: Clock
