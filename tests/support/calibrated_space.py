"""An embedder whose space has a score under which a hit is weak; else the light one, in a space of its own."""

from models.hashing import HashingEmbedder
from stream.events.annotations import ModelStamp, Space
from stream.events.ids import digest

SPEC = "tests.support.calibrated_space:CalibratedSpace"
WEAK_BELOW = 0.5


class CalibratedSpace(HashingEmbedder):
    """As `SPEC` names it."""

    weak_below = WEAK_BELOW  # type: ignore[assignment]

    def stamp(self) -> ModelStamp:
        return super().stamp().model_copy(update={"name": "calibrated", "digest": digest("calibrated", self.role)})

    @property
    def space(self) -> Space:
        return super().space.model_copy(update={"name": "calibrated", "digest": digest("calibrated"), "spec": SPEC})
