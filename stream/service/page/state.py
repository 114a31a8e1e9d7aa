"""The state of the search page, which is its address: back, a bookmark and a colleague get the same page (pure)."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self, get_args
from urllib.parse import urlencode

from stream.search.request import MAX_CHARACTERS, Grouping, Sort
from stream.service.page.box import BoxText
from stream.service.problems import Problem
from stream.service.schemas.search import MOST_HITS

View = Literal["grid", "table"]
FEWEST_HITS = 24
MOST_CHARACTERS = MAX_CHARACTERS + 4_000
"""Words and filters."""


@dataclass(frozen=True, slots=True)
class SearchState:
    """`q`: the text of the box; `like`: the id of a moment to find similar ones of, in place of words. `cursor`: to a
    later page of the answer, which begins after so many hits.
    """

    q: str = ""
    like: str | None = None
    view: View = "grid"
    group: Grouping = "shot"
    sort: Sort = "relevance"
    limit: int = FEWEST_HITS
    cursor: str | None = None
    after: int = 0

    @classmethod
    def of(cls, given: Any) -> Self:
        """From the parameters of an address. What it does not know it leaves out. Raises `Problem`."""
        q = given.get("q", "")
        if len(q) > MOST_CHARACTERS:
            raise Problem(400, f"The text has more than {MOST_CHARACTERS} characters.", code="long_query")
        view, group, sort, limit = (given.get(name, "") for name in ("view", "group", "sort", "limit"))
        return cls(
            q=q,
            like=given.get("like") or None,
            view=view if view in get_args(View) else "grid",
            group=group if group in get_args(Grouping) else "shot",
            sort=sort if sort in get_args(Sort) else "relevance",
            limit=max(1, min(_number(limit, FEWEST_HITS), MOST_HITS)),
            cursor=given.get("cursor") or None,
            after=_number(given.get("after", ""), 0),
        )

    @property
    def box(self) -> BoxText:
        return BoxText.of(self.q)

    @property
    def asks(self) -> bool:
        """Whether there is anything to look for."""
        return self.like is not None or bool(self.words)

    @property
    def words(self) -> str:
        """What to look for: where there are tags alone, these, as their moments have them and are to be ranked."""
        return self.box.words or " ".join(token.value for token in self.box.tokens if token.key == "tag")

    def narrowed(self) -> dict[str, Any]:
        """Query and filters as parameters of `/v1/facets`. Raises `Problem` (`bad_filter`)."""
        words = {"q": self.box.words} if self.box.words else {}
        return {**self.box.filters(), **({"like": self.like} if self.like is not None else words)}

    def asked(self) -> dict[str, Any]:
        """As parameters of `/v1/search`. Raises `Problem` (`bad_filter`)."""
        # A cursor holds the whole question.
        if self.cursor is not None:
            return {"cursor": self.cursor, "limit": self.limit}
        words = {"q": self.words} if self.like is None and self.words else {}
        return {**self.narrowed(), **words, "limit": self.limit, "group": self.group, "sort": self.sort}

    def url(self, path: str = "/", **changes: Any) -> str:
        """The address of this state with `changes`, at its first page unless they say another."""
        changed = replace(self, **{"cursor": None, "after": 0, **changes})
        plain = SearchState()
        parameters = {field.name: getattr(changed, field.name) for field in fields(changed)}
        said = {name: value for name, value in parameters.items() if value != getattr(plain, name)}
        return f"{path}?{urlencode(said)}" if said else path


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else otherwise
