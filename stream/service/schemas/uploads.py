"""What the API takes and says of uploads."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from stream.events.asset import Profile
from stream.service.schemas import examples
from stream.service.schemas.moments import asset_path
from stream.service.uploads.register import Upload, UploadState


class UploadOut(BaseModel):
    """An upload. `published`: its asset is known by its status, or has a dead letter. `code`: why it was refused."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.UPLOAD]})

    upload_id: str
    path: str = Field(description="Where its bytes are sent, and where it is asked for.")
    tenant: str
    project: str
    name: str = Field(description="What its sender calls it, without what is unusual in names.", examples=["a.mp4"])
    profile: Profile
    labels: dict[str, str]
    size_bytes: int
    received_bytes: int = Field(description="On disk; the next byte to send.")
    state: UploadState
    code: str | None
    asset_id: str
    asset: str = Field(description="Path of the asset, which is there some time after the last byte.")
    asset_known: bool | None = Field(
        description="Whether `asset` answers now: ask for it from then on. None in lists, and while nobody can look."
    )
    created_ms: int
    expires_ms: int | None = Field(description="When it is removed unless more is sent.")

    @classmethod
    def of(cls, upload: Upload, expires_ms: int | None, *, asset_known: bool | None = None) -> Self:
        return cls(
            upload_id=upload.upload_id,
            path=f"/v1/uploads/{upload.upload_id}",
            tenant=upload.tenant,
            project=upload.project,
            name=upload.name,
            profile=upload.profile,
            labels=dict(upload.labels),
            size_bytes=upload.size_bytes,
            received_bytes=upload.received,
            state=upload.state,
            code=upload.code,
            asset_id=upload.asset_id,
            asset=asset_path(upload.tenant, upload.asset_id),
            asset_known=asset_known,
            created_ms=upload.created_ms,
            expires_ms=expires_ms,
        )


class UploadsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.UPLOADS]})

    uploads: list[UploadOut] = Field(description="The caller's own, the newest first.")
