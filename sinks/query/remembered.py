"""What a reader keeps of one table from question to question, whatever its version; its size is bounded."""

from dataclasses import dataclass, field

from sinks.query.coverage import FiltersWhole
from sinks.query.kept_rows import KeptRows
from sinks.query.newer_vectors import NewerVectors


@dataclass(frozen=True, slots=True)
class Remembered:
    """One thread at a time."""

    kept: KeptRows = field(default_factory=KeptRows)
    newer: NewerVectors = field(default_factory=NewerVectors)
    whole: FiltersWhole = field(default_factory=FiltersWhole)
