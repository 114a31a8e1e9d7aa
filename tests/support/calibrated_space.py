"""An embedder whose space is calibrated; else the light one, in a space of its own."""

from models.hashing import HashingEmbedder
from models.protocol import Calibration
from stream.events.annotations import ModelStamp, Space
from stream.events.ids import digest

SPEC = "tests.support.calibrated_space:CalibratedSpace"
CALIBRATION = Calibration(weak_below=0.5, strong_from=0.7)


class CalibratedSpace(HashingEmbedder):
    """As `SPEC` names it."""

    calibration = CALIBRATION  # type: ignore[assignment]

    def stamp(self) -> ModelStamp:
        return super().stamp().model_copy(update={"name": "calibrated", "digest": digest("calibrated", self.role)})

    @property
    def space(self) -> Space:
        return super().space.model_copy(update={"name": "calibrated", "digest": digest("calibrated"), "spec": SPEC})
