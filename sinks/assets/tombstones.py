"""Which rows of an asset are void for ever (pure): a watermark that only rises."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict

from stream.events.asset import ContentRetired
from stream.events.ids import AssetVersion


class Retirement(BaseModel):
    """Versions <= `deleted` are void; versions <= `up_to` are void unless they belong to content `keep`. Of that one
    the versions <= `keep_after` are void as well: other content came since.
    """

    model_config = ConfigDict(frozen=True)
    deleted: AssetVersion | None = None
    up_to: AssetVersion | None = None
    keep: str | None = None
    # Watermarks of older releases lack it.
    keep_after: AssetVersion | None = None

    @classmethod
    def of(cls, event: ContentRetired) -> Self:
        # Content that keeps nothing is a deletion.
        if event.keep is None:
            return cls(deleted=event.up_to)
        return cls(up_to=event.up_to, keep=event.keep, keep_after=event.keep_after)

    @property
    def kept_above(self) -> AssetVersion | None:
        """Rows of `keep` are void up to this version; None where none of them is."""
        if self.up_to is None or self.keep_after is None:
            return None
        # The version that made `keep` live counts, also where it once made other content live.
        return min(self.keep_after, AssetVersion(self.up_to.append_ms, self.up_to.offset - 1))

    @property
    def newest(self) -> AssetVersion:
        """It voids no later version. Raises `ValueError` where it voids none at all."""
        return max(version for version in (self.deleted, self.up_to) if version is not None)

    def voids(self, content_key: str, version: AssetVersion) -> bool:
        """Whether a row of this content and version is void, however late it arrives."""
        if self.deleted is not None and version <= self.deleted:
            return True
        if self.up_to is None or version > self.up_to:
            return False
        if content_key != self.keep:
            return True
        # Asked of every row, and most watermarks have none.
        return self.keep_after is not None and version <= (self.kept_above or self.keep_after)

    def joined(self, other: "Retirement") -> "Retirement":
        """Commutative, associative and idempotent. At equal `up_to` the greater `keep` wins, so order never matters.
        An `up_to` that a deletion covers is dropped.
        """
        older, newest = sorted(
            (self, other), key=lambda item: (item.up_to is not None, item.up_to or (0, 0), item.keep or "")
        )
        deleted = _later(self.deleted, other.deleted)
        # Content that comes back does not bring back what was void when other content was live.
        between = older.keep_after if older.keep == newest.keep else older.up_to
        # A deletion covers it. Kept as well, it would make equal states unequal.
        up_to, keep_after = _above(newest.up_to, deleted), _above(_later(newest.keep_after, between), deleted)
        if up_to is None:
            return Retirement(deleted=deleted)
        return Retirement(deleted=deleted, up_to=up_to, keep=newest.keep, keep_after=keep_after)


def _later(one: AssetVersion | None, other: AssetVersion | None) -> AssetVersion | None:
    return max((mark for mark in (one, other) if mark is not None), default=None)


def _above(mark: AssetVersion | None, deleted: AssetVersion | None) -> AssetVersion | None:
    return None if mark is None or (deleted is not None and mark <= deleted) else mark


NOTHING_RETIRED = Retirement()


def raised(marks: Mapping[str, Retirement], by: Mapping[str, Retirement]) -> dict[str, Retirement]:
    """Watermarks by asset, each joined with that of the other."""
    return {**marks, **{key: mark.joined(marks.get(key, NOTHING_RETIRED)) for key, mark in by.items()}}
