"""Which rows of an asset are void for ever (pure): a watermark that only rises."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict

from stream.events.asset import ContentRetired
from stream.events.ids import AssetVersion


class Retirement(BaseModel):
    """Versions <= `deleted` are void; versions <= `up_to` are void unless they belong to content `keep`."""

    model_config = ConfigDict(frozen=True)
    deleted: AssetVersion | None = None
    up_to: AssetVersion | None = None
    keep: str | None = None

    @classmethod
    def of(cls, event: ContentRetired) -> Self:
        # Content that keeps nothing is a deletion.
        if event.keep is None:
            return cls(deleted=event.up_to)
        return cls(up_to=event.up_to, keep=event.keep)

    @property
    def newest(self) -> AssetVersion:
        """It voids no later version. Raises `ValueError` where it voids none at all."""
        return max(version for version in (self.deleted, self.up_to) if version is not None)

    def voids(self, content_key: str, version: AssetVersion) -> bool:
        """Whether a row of this content and version is void, however late it arrives."""
        if self.deleted is not None and version <= self.deleted:
            return True
        return self.up_to is not None and version <= self.up_to and content_key != self.keep

    def joined(self, other: "Retirement") -> "Retirement":
        """Commutative, associative and idempotent. At equal `up_to` the greater `keep` wins, so order never matters.
        An `up_to` that a deletion covers is dropped.
        """
        newest = max((self, other), key=lambda item: (item.up_to is not None, item.up_to or (0, 0), item.keep or ""))
        marks = [mark for mark in (self.deleted, other.deleted) if mark is not None]
        deleted = max(marks, default=None)
        # A deletion covers it. Kept as well, it would make equal states unequal.
        if deleted is not None and newest.up_to is not None and newest.up_to <= deleted:
            return Retirement(deleted=deleted)
        return Retirement(deleted=deleted, up_to=newest.up_to, keep=newest.keep)


NOTHING_RETIRED = Retirement()


def raised(marks: Mapping[str, Retirement], by: Mapping[str, Retirement]) -> dict[str, Retirement]:
    """Watermarks by asset, each joined with that of the other."""
    return {**marks, **{key: mark.joined(marks.get(key, NOTHING_RETIRED)) for key, mark in by.items()}}
