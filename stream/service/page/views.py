"""What templates show of an answer of the API (pure)."""

from dataclasses import dataclass
from typing import Self

from stream.events.ids import clip_name
from stream.service.page.asset_view import asset_url
from stream.service.page.freshness_view import FreshnessLine
from stream.service.page.state import FEWEST_HITS, SearchState
from stream.service.schemas.search import AnswerOut, HitOut

_PAGE = 96


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force, and the address without it."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class HitCard:
    """A hit; `place` counts from 1."""

    hit: HitOut
    place: int
    state: SearchState

    @property
    def seconds(self) -> float:
        return self.hit.end_s - self.hit.start_s

    @property
    def name(self) -> str:
        return f"{self.asset} at {self.hit.start}"

    @property
    def url(self) -> str:
        """Where it plays."""
        hit = self.hit
        return asset_url(hit.tenant, hit.asset_id, hit.start_s, q=self.state.q, like=self.state.like)

    @property
    def like_url(self) -> str:
        # Filters stay; the words give way.
        filters = " ".join(map(str, self.state.box.tokens))
        return self.state.url(q=filters, like=self.hit.moment_ids[0], limit=FEWEST_HITS)

    @property
    def asset(self) -> str:
        """The last part of its id, which may be a path."""
        return clip_name(self.hit.asset_id)


@dataclass(frozen=True, slots=True)
class AnswerView:
    """The answer to a state. `more_url`: of the hits that come next, if there are any."""

    cards: tuple[HitCard, ...]
    space: str
    all_weak: bool
    more_url: str | None
    fresh: FreshnessLine | None = None

    @classmethod
    def of(cls, answer: AnswerOut, state: SearchState) -> Self:
        cards = tuple(HitCard(hit, place, state) for place, hit in enumerate(answer.hits, state.after + 1))
        after = state.after + len(cards)
        more = None if answer.next is None else state.url(cursor=answer.next, after=after, limit=_PAGE)
        fresh = FreshnessLine.of(answer.freshness) if answer.freshness else None
        return cls(cards, answer.space, answer.all_weak, more, fresh)

    @property
    def summary(self) -> str:
        """One line, which a screen reader says too."""
        if not self.cards:
            return "Nothing matched"
        count = f"{len(self.cards)} {'hit' if len(self.cards) == 1 else 'hits'}"
        if self.all_weak:
            return f"{count}, all weak"
        named = [(word, sum(card.hit.strength == word for card in self.cards)) for word in ("strong", "fair")]
        rated = ", ".join(f"{number} {word}" for word, number in named if number)
        return f"{count}: {rated}" if rated else count

    @property
    def rated(self) -> bool:
        """Whether strength means anything for such a query."""
        return any(card.hit.strength != "unrated" for card in self.cards)


def chips(state: SearchState) -> list[Chip]:
    """What narrows the state down."""
    box = state.box
    like = [Chip("like a moment", state.url(like=None))] if state.like is not None else []
    return like + [
        Chip(f"{token.key}: {token.value}", state.url(q=str(box.without(index))))
        for index, token in enumerate(box.tokens)
    ]
