"""Saved searches as addresses of the page (pure)."""

from dataclasses import dataclass
from typing import Any, Self

from stream.service.page.box import BoxText
from stream.service.page.state import SearchState
from stream.service.schemas.saved_searches import SavedSearchOut


def saved_state(state: SearchState) -> dict[str, Any]:
    """A state as parameters of a saved search: what is asked, without how it is shown. Raises `Problem`."""
    asked = state.asked()
    plain = SearchState()
    shown = {"limit", *(name for name in ("group", "sort") if asked.get(name) == getattr(plain, name))}
    return {name: value for name, value in asked.items() if name not in shown}


@dataclass(frozen=True, slots=True)
class SavedLink:
    """`url` is None for a search that a program saved and the box cannot say."""

    name: str
    text: str
    url: str | None

    @classmethod
    def of(cls, saved: SavedSearchOut) -> Self:
        search = saved.search
        filters = search.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
        box = BoxText.saying(search.q or "", filters)
        # Tags alone are words of the query too.
        if box.words == " ".join(search.tag):
            box = BoxText("", box.tokens)
        state = SearchState(q=str(box), like=search.like, group=search.group, sort=search.sort)
        like = ["like a moment"] if search.like is not None else []
        said = BoxText.of(str(box)) == box and search.space is None
        return cls(saved.name, " ".join([*like, str(box)]), state.url() if said else None)
