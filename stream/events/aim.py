"""The purpose of planned footage: a space and the models that fill it."""

from pydantic import BaseModel, ConfigDict

from stream.events.ids import Int64


class Aim(BaseModel):
    """The purpose of a plan: the models of a roll-out (`understand` is their digest) and the space that they fill."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    space: str = ""
    understand: str = ""
    epoch_ms: Int64 = 0


NO_AIM = Aim()
"""The aim of plans by an older release: any space counts."""
