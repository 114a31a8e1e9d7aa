"""What the processes of a deployment announce before they work: the owner of the stores, and the present roll-out."""

from typing import ClassVar

from stream.events.aim import Aim
from stream.events.asset import Json


class StoresClaimed(Json):
    """Declares which stores belong to the deployment. The first such event counts, and any later one that an operator
    has `adopted` (ADR 0034).
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
