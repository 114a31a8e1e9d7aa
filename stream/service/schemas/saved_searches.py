"""What the API takes and says of saved searches."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream.service.schemas import examples
from stream.service.schemas.search import FacetsIn, PictureSearchIn


class SavedSearchIn(PictureSearchIn, FacetsIn):
    """A search as `GET /v1/search` takes it, without a cursor."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SAVED_SEARCH_IN]})


class SavedSearchOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.SAVED_SEARCH]})

    name: str
    search: SavedSearchIn


class SavedSearchesOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.SAVED_SEARCHES]})

    saved_searches: list[SavedSearchOut]
    unreadable: list[str] = Field(description="Names of what another release saved and this one cannot read.")

    @classmethod
    def of(cls, saved: Mapping[str, Mapping[str, Any]]) -> Self:
        """In the order of names."""
        found, unreadable = [], []
        for name, search in sorted(saved.items()):
            try:
                found.append(SavedSearchOut(name=name, search=SavedSearchIn.model_validate(search)))
            except ValidationError:
                unreadable.append(name)
        return cls(saved_searches=found, unreadable=unreadable)
