"""What the API takes and says of footage that is published where it lies."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from stream.error_codes.table import words_for
from stream.events.asset import AssetId, Labels, Name, Priority, Profile, Tenant, Uri
from stream.service.publications.outbox import KeptPublication, PublicationState
from stream.service.schemas import examples
from stream.service.schemas.moments import asset_path
from stream.sessions.background import NewFootage


class PublishIn(BaseModel):
    """An asset has this content now. Sent for an asset that is there, it is its new version."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.PUBLISH_IN]})

    tenant: Tenant
    project: Name = "default"
    uri: Uri = Field(description="Where the footage lies: a path, https://… or s3://…, as the workers read it.")
    asset_id: AssetId | None = Field(None, description="Without: made of the uri.")
    size_bytes: int | None = Field(
        None, ge=0, le=2**63 - 1, description="Where it is known; footage of another size is refused."
    )
    profile: Profile = "full"
    priority: Priority = "interactive"
    labels: Labels = Field(default_factory=dict)


class PublishedOut(BaseModel):
    """What was accepted: it will be processed, also after a restart."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PUBLISHED]})

    publication_id: str = Field(description="The id of the event.")
    tenant: str
    project: str
    asset_id: str
    asset: str = Field(description="Path of the asset, which is there some time later.")
    status: str = Field(description="Path of what becomes of it, for a day.")
    published_at_ms: int

    @classmethod
    def of(cls, publication: NewFootage) -> Self:
        return cls(
            publication_id=publication.publication_id,
            tenant=publication.tenant,
            project=publication.project,
            asset_id=publication.asset_id,
            asset=asset_path(publication.tenant, publication.asset_id),
            status=f"/v1/publications/{publication.publication_id}",
            published_at_ms=publication.published_ms,
        )


class PublicationOut(BaseModel):
    """What became of a publication. `waiting`: it is accepted. `handed_on`: who processes it has it, and the status of
    the asset tells how far. `refused`: no asset will be made of it, as `code` says.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PUBLICATION]})

    publication_id: str
    tenant: str
    project: str
    asset_id: str
    asset: str = Field(description="Path of the asset.")
    published_at_ms: int
    state: PublicationState
    code: str | None
    reason: str | None = Field(description="The code in words, and what to do.")

    @classmethod
    def of(cls, found: KeptPublication) -> Self:
        return cls(
            publication_id=found.publication_id,
            tenant=found.tenant,
            project=found.project,
            asset_id=found.asset_id,
            asset=asset_path(found.tenant, found.asset_id),
            published_at_ms=found.published_ms,
            state=found.state,
            code=found.code,
            reason=None if found.code is None else words_for(found.code),
        )
