"""What footage is planned for: a space and the models that fill it."""

from pydantic import BaseModel, ConfigDict

from stream.events.ids import Int64


class Aim(BaseModel):
    """What a plan is for: the models of a roll-out (`understand` is their digest), and the space that they fill."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    space: str = ""
    understand: str = ""
    epoch_ms: Int64 = 0


NO_AIM = Aim()
"""Of plans that an older release made: any space counts."""
