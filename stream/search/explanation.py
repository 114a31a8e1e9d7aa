"""Why a moment was found, and whether the hit is weak (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a moment matches: `similarity` is its cosine in the space. `vector_place` and `text_place` are its places
    from 1 in the two rankings (None where it is not in one). `words` are the query's words that its text has.
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
            # The index finds forms of a word by its stemmer, which `matched_words` only imitates.
            words = ", ".join(self.words) or "a form of the words"
            parts.append(f"text has {words}, place {self.text_place}")
        return "; ".join(parts)

    def is_weak(self, below: float | None) -> bool:
        """Whether no word matched and the similarity is below the space's calibrated score (None: never weak)."""
        # A word that matched is evidence of its own, whatever the similarity says.
        if below is None or self.text_place is not None:
            return False
        return self.similarity is None or self.similarity < below


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explains an answer. `reasons` are those of each hit's best moment, in the order of the hits. A hit is weak below
    the score `weak_below` (None: not calibrated). `lacking_assets` counts assets that are not completely in the space,
    so that this answer could not find them.
    """

    reasons: tuple[Reason, ...]
    weak_below: float | None
    lacking_assets: int
