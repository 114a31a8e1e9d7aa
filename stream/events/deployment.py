"""What a deployment's processes tell each other before they work: whose the stores are, and which roll-out is on."""

from typing import ClassVar

from stream.events.aim import Aim
from stream.events.asset import Json


class StoresClaimed(Json):
    """Says which stores are the deployment's. The first such event counts, then any later one that an operator
    `adopted`.
    """

    type: ClassVar[str] = "rushes.stores.claimed.v1"
    stores: str
    place: str
    adopted: bool = False

    def partition_key(self) -> bytes:
        return b"deployment"


class RolloutBegun(Json):
    """A roll-out with these models has begun. The first event of a roll-out counts, and the latest roll-out."""

    type: ClassVar[str] = "rushes.rollout.begun.v1"
    aim: Aim

    def partition_key(self) -> bytes:
        return b"deployment"
