"""What the API says of dead letters: metadata alone, never the record."""

from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sinks.dead_letters import DeadLetterFilter, DeadLetterState, StoredDeadLetter
from stream.error_codes.table import advice_for
from stream.service.schemas import examples
from stream.service.schemas.moments import asset_path
from stream.service.schemas.reasons import told_reason


class DeadLetterOut(BaseModel):
    """A record that could not be processed."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DEAD_LETTER]})

    letter_id: str
    state: str = Field(examples=["open"])
    replaying: bool = Field(description="Whether it waits to be processed again, or is being processed.")
    replays: int
    tenant: str
    asset_id: str
    asset: str = Field(description="Path of the asset.")
    stage: str
    topic: str
    partition: int
    offset: int
    append_time_ms: int
    failed_at_ms: int
    attempts: int
    code: str
    message: str
    what_to_do: str | None
    event_type: str
    value_bytes: int

    @classmethod
    def of(cls, item: StoredDeadLetter, replaying: Collection[str] = ()) -> Self:
        letter = item.dead_letter
        return cls(
            letter_id=letter.letter_id,
            state=item.state,
            replaying=letter.letter_id in replaying,
            replays=item.replays,
            tenant=letter.tenant,
            asset_id=letter.asset_id,
            asset=asset_path(letter.tenant, letter.asset_id),
            stage=letter.stage,
            topic=letter.topic,
            partition=letter.partition,
            offset=letter.offset,
            append_time_ms=letter.append_time_ms,
            failed_at_ms=letter.failed_at_ms,
            attempts=letter.attempts,
            code=letter.code,
            message=told_reason(letter.asset_id, letter.message),
            what_to_do=advice_for(letter.code),
            event_type=letter.event_type,
            value_bytes=item.value_bytes,
        )


class DeadLettersOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.DEAD_LETTERS]})

    dead_letters: list[DeadLetterOut] = Field(description="The newest first.")
    complete: bool = Field(description="Whether these are all.")


_Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Time = Annotated[int, Field(ge=0, description="In milliseconds since 1970.")]


class ReplayIn(BaseModel):
    """Which dead letters: all conditions hold. Without any, `all` has to be said."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": examples.REPLAY_IN})

    tenant: _Word | None = None
    stage: _Word | None = None
    code: _Word | None = None
    since_ms: _Time | None = None
    until_ms: _Time | None = None
    state: Literal["open", "parked"] = Field("open", description="`parked`: those that failed after three replays.")
    all: bool = Field(False, description="Every one in this state that the caller may replay.")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        conditions = (self.tenant, self.stage, self.code, self.since_ms, self.until_ms)
        # Nothing means a slip and not everything: a replay may cost hours.
        if not self.all and all(value is None for value in conditions):
            raise ValueError("say which: `tenant`, `stage`, `code`, `since_ms`, `until_ms` or `all`")
        return self

    def wanted(self) -> DeadLetterFilter:
        return DeadLetterFilter(
            stage=self.stage,
            code=self.code,
            tenant=self.tenant,
            since_ms=self.since_ms,
            until_ms=self.until_ms,
            states=(DeadLetterState(self.state),),
        )


class ReplayOut(BaseModel):
    """What was taken to be processed again. Each letter tells what became of it: `replaying`, then `state`."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.REPLAY]})

    letter_ids: list[str] = Field(description="The oldest first.")
    complete: bool = Field(description="Whether these are all that were asked for; if not, ask again for the others.")
