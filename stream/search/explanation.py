"""Why something was found, and whether that is enough (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """What speaks for a moment: `similarity` is its cosine in the space, `vector_place` and `text_place` its places,
    from 1, in the two rankings (None where it is not in one), `words` those of the query that its text has.
    """

    similarity: float | None = None
    vector_place: int | None = None
    text_place: int | None = None
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for people."""
        parts = []
        if self.similarity is not None:
            place = "" if self.vector_place is None else f", place {self.vector_place}"
            parts.append(f"similarity {self.similarity:.3f}{place}")
        if self.text_place is not None:
            words = ", ".join(self.words) or "a form of the words"
            parts.append(f"text has {words}, place {self.text_place}")
        return "; ".join(parts)

    def is_weak(self, below: float | None) -> bool:
        """Whether no word matched and the similarity is under the space's calibrated score; never where it has none."""
        if below is None or self.text_place is not None:
            return False
        return self.similarity is None or self.similarity < below


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an answer is as it is. `reasons` are those of each hit's best moment, in the order of the hits. `weak_below`
    is the score under which a hit is weak; None where there is none. `lacking_assets` are not, or not wholly, in the
    space: this answer could not find them.
    """

    reasons: tuple[Reason, ...]
    weak_below: float | None
    lacking_assets: int
