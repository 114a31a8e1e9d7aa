"""What the API takes and says of saved searches."""

from pydantic import BaseModel

from stream.service.schemas.search import FacetsIn, PictureSearchIn


class SavedSearchIn(PictureSearchIn, FacetsIn):
    """A search as `GET /v1/search` takes it, without a cursor."""


class SavedSearchOut(BaseModel):
    name: str
    search: SavedSearchIn


class SavedSearchesOut(BaseModel):
    saved_searches: list[SavedSearchOut]
