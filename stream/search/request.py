"""Search requests."""

from dataclasses import dataclass, field
from typing import Literal

from sinks.query.filters import Filters
from stream.errors import BadRequest

Grouping = Literal["moment", "shot", "asset"]
"""`moment`: a hit is one moment. `shot`: a hit is all found moments of one shot. `asset`: hits are shots, `limit`
counts assets, and the answer's groups hold the hits of each asset.
"""


Sort = Literal["relevance", "time"]
"""`relevance`: the best first. `time`: of the best thousand moments those of the newest publication first, and within
an asset as they lie in it.
"""

MAX_CHARACTERS = 4_000
"""Of words. Each word costs a look into the index: a book would take it minutes."""


@dataclass(frozen=True, slots=True)
class Words:
    """Asks for moments that show or mention this text. Raises `BadRequest` for a blank or an endless one."""

    text: str

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise BadRequest("the words are blank: say what to look for", code="blank_query")
        if len(self.text) > MAX_CHARACTERS:
            raise BadRequest(
                f"the words have {len(self.text)} characters: ask with no more than {MAX_CHARACTERS}", code="long_query"
            )


@dataclass(frozen=True, slots=True)
class PictureFile:
    """Asks for moments that look like this picture. `data` are the bytes of its file (PNG, JPEG and others)."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PictureVector:
    """Asks for the same as a picture that was encoded already, in the space that the request names."""

    vector: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MomentRef:
    """Asks for moments that look like a moment of the index. The hits do not include that moment."""

    moment_id: str


Query = Words | PictureFile | PictureVector | MomentRef


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """`space` is a key or the beginning of one; None is the space that search uses. `explain` asks for
    `SearchAnswer.explanation`, which reads the ledger again. Hits lie in shots of `least_shot_ns` to `most_shot_ns`,
    and have their pictures with `thumbnails`.
    Raises `BadRequest` for impossible values.
    """

    query: Query
    filters: Filters = field(default_factory=Filters)
    space: str | None = None
    limit: int = 10
    group: Grouping = "shot"
    explain: bool = False
    sort: Sort = "relevance"
    least_shot_ns: int | None = None
    most_shot_ns: int | None = None
    thumbnails: bool = True

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise BadRequest(f"a limit of {self.limit} asks for nothing: ask for one hit or more", code="bad_limit")
        start_ns, end_ns = self.filters.start_ns, self.filters.end_ns
        if start_ns is not None and end_ns is not None and start_ns >= end_ns:
            raise BadRequest(
                f"the range from {start_ns} ns does not lie before {end_ns} ns: nothing can be between them",
                code="empty_time_range",
            )

    @property
    def by_shot_length(self) -> bool:
        return self.least_shot_ns is not None or self.most_shot_ns is not None

    def takes_shot(self, length_ns: int) -> bool:
        """Whether a hit may lie in a shot of this length."""
        least, most = self.least_shot_ns or 0, self.most_shot_ns
        return length_ns >= least and (most is None or length_ns <= most)
