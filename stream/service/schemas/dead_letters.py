"""What the API says of dead letters: metadata alone, never the record."""

from typing import Self

from pydantic import BaseModel, Field

from sinks.dead_letters import StoredDeadLetter
from stream.error_codes.table import advice_for
from stream.service.schemas.moments import asset_path


class DeadLetterOut(BaseModel):
    """A record that could not be processed."""

    letter_id: str
    state: str = Field(examples=["open"])
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
    def of(cls, item: StoredDeadLetter) -> Self:
        letter = item.dead_letter
        return cls(
            letter_id=letter.letter_id,
            state=item.state,
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
            message=letter.message,
            what_to_do=advice_for(letter.code),
            event_type=letter.event_type,
            value_bytes=item.value_bytes,
        )


class DeadLettersOut(BaseModel):
    dead_letters: list[DeadLetterOut] = Field(description="The newest first.")
    complete: bool = Field(description="Whether these are all.")
