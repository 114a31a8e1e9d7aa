"""An embedder that is not the one of the light models: the same vectors, in a space of their own."""

from models.hashing import HashingEmbedder
from stream.events.annotations import ModelStamp, Space
from stream.events.ids import digest


class OtherSpace(HashingEmbedder):
    """As `--embedder tests.support.other_space:OtherSpace` names it."""

    def stamp(self) -> ModelStamp:
        return super().stamp().model_copy(update={"name": "other", "digest": digest("other", self.role)})

    @property
    def space(self) -> Space:
        return super().space.model_copy(update={"name": "other", "digest": digest("other", 1), "spec": "other"})
