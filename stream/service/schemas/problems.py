"""What the API says where it does not answer."""

from pydantic import BaseModel


class ProblemOut(BaseModel):
    """Problem details of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    advice: str | None = None
