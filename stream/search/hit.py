"""One hit of an answer: plain values, independent of any store."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from stream.events.grid import SECOND_NS, timecode
from stream.events.ids import clip_name, without_secrets
from stream.events.timecode import SourceTimecode
from stream.search.explanation import Reason, Strength

# Code that only shows a hit must not load a store.
if TYPE_CHECKING:
    from sinks.query.moments import StoredMoment


@dataclass(frozen=True, slots=True)
class Hit:
    """A time-coded result: one moment, or the consecutive moments of one shot.

    `score` is the cosine similarity in the space (None for a pure full-text hit). `strength` is how much
    that says. `why` says in words what matched. `start_ns` and `end_ns` are asset time, which starts at the
    first picture. Players and editors use the file's own time, which is `file_offset_ns` later.
    `not_looked_for` is that of its best moment.
    """

    asset_id: str
    uri: str
    tenant: str
    project: str
    start_ns: int
    end_ns: int
    score: float | None
    strength: Strength
    why: str
    caption: str
    caption_method: str
    tags: tuple[tuple[str, float], ...] = ()
    labels: tuple[str, ...] = ()
    source_timecode: SourceTimecode | None = None
    file_offset_ns: int = 0
    moderation_nsfw: float | None = None
    moment_ids: tuple[str, ...] = ()
    published_ms: int = 0
    not_looked_for: tuple[str, ...] = ()
    thumbnail: bytes = field(default=b"", repr=False)

    @classmethod
    def of(
        cls,
        moments: "Sequence[StoredMoment]",
        range_ns: tuple[int, int],
        reason: Reason,
        *,
        strength: Strength,
        thumbnail: bytes,
    ) -> Self:
        """A hit from moments of one shot, best first. The best one gives caption, tags and score."""
        best = moments[0]
        return cls(
            asset_id=best.asset_id,
            uri=best.uri,
            tenant=best.tenant,
            project=best.project,
            start_ns=range_ns[0],
            end_ns=range_ns[1],
            score=reason.similarity,
            strength=strength,
            why=str(reason),
            caption=best.caption,
            caption_method=best.caption_method,
            tags=best.tags,
            labels=best.labels,
            source_timecode=best.timecode,
            file_offset_ns=best.file_offset_ns,
            moderation_nsfw=best.moderation_nsfw,
            moment_ids=tuple(moment.moment_id for moment in moments),
            published_ms=best.published_ms,
            not_looked_for=best.not_looked_for,
            thumbnail=thumbnail,
        )

    @property
    def weak(self) -> bool:
        """Whether it most likely shows something else."""
        return self.strength == "weak"

    @property
    def name(self) -> str:
        """The last part of the URI, for tables."""
        return clip_name(self.uri)

    @property
    def start_timecode(self) -> str:
        return timecode(self.start_ns)

    @property
    def end_timecode(self) -> str:
        return timecode(self.end_ns)

    @property
    def file_range_ns(self) -> tuple[int, int]:
        """Start and end on the file's own timeline (ns), as players count."""
        return self.start_ns + self.file_offset_ns, self.end_ns + self.file_offset_ns

    @property
    def file_timecodes(self) -> tuple[str, str]:
        """`file_range_ns` as text."""
        start_ns, end_ns = self.file_range_ns
        return timecode(start_ns), timecode(end_ns)

    @property
    def source_range(self) -> tuple[str | None, str | None]:
        """The first frame and the frame after the last by the source's own timecode; None where it has none."""
        code = self.source_timecode
        return (
            (None, None) if code is None else (code.name(code.at(self.start_ns)), code.name(code.before(self.end_ns)))
        )

    def as_json(self) -> dict[str, Any]:
        """All fields except the thumbnail, for scripts; times in seconds. `start` counts from the asset's first
        picture, `file_start` as players count, `source_start` by the source's own timecode.
        """
        file_start_ns, file_end_ns = self.file_range_ns
        return {
            "asset_id": self.asset_id,
            # Signed URLs hold credentials: they do not leave the store.
            "uri": without_secrets(self.uri),
            "tenant": self.tenant,
            "project": self.project,
            "start_s": self.start_ns / SECOND_NS,
            "end_s": self.end_ns / SECOND_NS,
            "start": self.start_timecode,
            "end": self.end_timecode,
            "file_start_s": file_start_ns / SECOND_NS,
            "file_end_s": file_end_ns / SECOND_NS,
            "source_start": self.source_range[0],
            "source_end": self.source_range[1],
            "score": self.score,
            "strength": self.strength,
            "weak": self.weak,
            "why": self.why,
            "caption": self.caption,
            "caption_method": self.caption_method,
            "tags": [{"label": label, "score": round(score, 4)} for label, score in self.tags],
            "labels": list(self.labels),
            "moderation_nsfw": self.moderation_nsfw,
            "not_looked_for": list(self.not_looked_for),
            "moment_ids": list(self.moment_ids),
        }
