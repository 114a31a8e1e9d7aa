"""The state of the search page, which is its address: back, a bookmark and a colleague get the same page (pure)."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args
from urllib.parse import urlencode

from stream.search.request import MAX_CHARACTERS, Grouping
from stream.service.page.box import BoxText
from stream.service.problems import Problem
from stream.service.schemas.search import MOST_HITS

View = Literal["grid", "table"]
FEWEST_HITS = 24
MOST_CHARACTERS = MAX_CHARACTERS + 4_000
"""Words and filters."""


@dataclass(frozen=True, slots=True)
class SearchState:
    """`q`: the text of the box; `like`: the id of a moment to find similar ones of, in place of words."""

    q: str = ""
    like: str | None = None
    view: View = "grid"
    group: Grouping = "shot"
    limit: int = FEWEST_HITS

    @classmethod
    def of(cls, given: Any) -> Self:
        """From the parameters of an address. What it does not know it leaves out. Raises `Problem`."""
        q = given.get("q", "")
        if len(q) > MOST_CHARACTERS:
            raise Problem(400, f"The text has more than {MOST_CHARACTERS} characters.", code="long_query")
        view, group, limit = given.get("view"), given.get("group"), given.get("limit", "")
        return cls(
            q=q,
            like=given.get("like") or None,
            view=view if view in get_args(View) else "grid",
            group=group if group in get_args(Grouping) else "shot",
            limit=max(1, min(int(limit), MOST_HITS)) if limit.isascii() and limit.isdecimal() else FEWEST_HITS,
        )

    @property
    def box(self) -> BoxText:
        return BoxText.of(self.q)

    @property
    def asks(self) -> bool:
        """Whether there is anything to look for."""
        return self.like is not None or bool(self.box.words)

    def asked(self) -> dict[str, Any]:
        """As parameters of `/v1/search`. Raises `Problem` (`bad_filter`)."""
        query = {"like": self.like} if self.like is not None else {"q": self.box.words}
        return {**self.box.filters(), **query, "limit": self.limit, "group": self.group}

    def url(self, **changes: Any) -> str:
        """The address of this state with `changes`."""
        changed = replace(self, **changes)
        plain = SearchState()
        parameters = {name: getattr(changed, name) for name in ("q", "like", "view", "group", "limit")}
        said = {name: value for name, value in parameters.items() if value != getattr(plain, name)}
        return f"/?{urlencode(said)}" if said else "/"
