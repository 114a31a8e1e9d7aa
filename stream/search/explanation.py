"""Why a moment was found, and how much that says (pure)."""

from dataclasses import dataclass
from typing import Literal

from models.protocol import Calibration

Strength = Literal["strong", "fair", "weak", "unrated"]
"""How likely a hit shows what was asked for; `unrated` in a space that is not calibrated."""
MOST_WORDS = 0.5
"""One of many words says little: "a storm in the mountains" is not answered by a mountain bike."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a moment matches: `similarity` is its cosine in the space. `vector_place` and `text_place` are its places
    from 1 in the two rankings (None where it is not in one). `words` are the query's words that its text has, and
    `coverage` is the share of its words that say something.
    """

    similarity: float | None = None
    vector_place: int | None = None
    text_place: int | None = None
    words: tuple[str, ...] = ()
    coverage: float = 0.0

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

    def strength(self, calibration: Calibration | None) -> Strength:
        """By the similarity, and by whether the text has most of the words: that is evidence of its own."""
        if calibration is None:
            return "unrated"
        worded = self.text_place is not None and self.coverage >= MOST_WORDS
        similarity = -1.0 if self.similarity is None else self.similarity
        if similarity >= calibration.strong_from or (worded and similarity >= calibration.weak_below):
            return "strong"
        return "fair" if worded or similarity >= calibration.weak_below else "weak"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explains an answer. `reasons` are those of each hit's best moment, in the order of the hits. `calibration` rates
    them (None: not calibrated). `lacking_assets` counts assets that are not completely in the space,
    so that this answer could not find them.
    """

    reasons: tuple[Reason, ...]
    calibration: Calibration | None
    lacking_assets: int
