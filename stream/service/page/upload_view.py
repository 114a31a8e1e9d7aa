"""Uploads of the caller, and where they may publish, as the page shows them (pure)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from stream.access.actions import Action
from stream.access.decision import Access
from stream.error_codes.table import advice_for
from stream.service.schemas.uploads import UploadOut
from stream.service.uploads.register import UploadState

DEFAULT_PROJECT = "default"
_MOST_PUBLISHED = 20
_WORDS = {
    UploadState.RECEIVING: "paused",
    UploadState.STORED: "published",
    UploadState.PUBLISHED: "published",
    UploadState.REFUSED: "failed",
}


@dataclass(frozen=True, slots=True)
class UploadRow:
    upload: UploadOut

    @property
    def goes_on(self) -> bool:
        """Whether bytes of it are to come."""
        return self.upload.state is UploadState.RECEIVING

    @property
    def known(self) -> bool:
        """Whether its asset can be asked for by now, but on a cluster that is behind."""
        return self.upload.state is UploadState.PUBLISHED

    @property
    def words(self) -> str:
        """Its state, as far as the service knows it without its asset."""
        return _WORDS[self.upload.state]

    @property
    def why(self) -> str:
        if self.goes_on:
            return "Choose the same file again to go on."
        if self.upload.code is None:
            return ""
        return f"It was refused: {self.upload.code}. {advice_for(self.upload.code) or ''}".strip()

    @property
    def place(self) -> str:
        return " · ".join([f"{self.upload.tenant} / {self.upload.project}", *self._labels])

    @property
    def place_json(self) -> str:
        """As the page sends it where it has to begin again."""
        return json.dumps({"tenant": self.upload.tenant, "project": self.upload.project, "labels": self._labels})

    @property
    def _labels(self) -> list[str]:
        return [f"{key}={value}" for key, value in self.upload.labels.items()]


def shown_uploads(uploads: Iterable[UploadOut]) -> list[UploadRow]:
    """What is unfinished or was refused, and the newest that are published: whoever comes back looks for them."""
    found, published = [], 0
    for upload in uploads:
        published += upload.state is UploadState.PUBLISHED
        if upload.state is not UploadState.PUBLISHED or published <= _MOST_PUBLISHED:
            found.append(UploadRow(upload))
    return found


@dataclass(frozen=True, slots=True)
class UploadPlace:
    """A tenant and where in it somebody may publish. `projects`: None is in all of them."""

    tenant: str
    projects: tuple[str, ...] | None

    @classmethod
    def of(cls, access: Access, tenant: str) -> Self | None:
        """None where they may not publish there at all."""
        scopes = access.scopes(Action.PUBLISH)
        if scopes is None:
            return cls(tenant, None)
        projects = [project for name, project in scopes if name == tenant]
        if not projects:
            return None
        return cls(tenant, None if None in projects else tuple(sorted(filter(None, projects))))
