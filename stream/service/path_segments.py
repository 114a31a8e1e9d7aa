"""Ids in paths: a slash within one is sent as `%2F`, and stays within its segment."""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Path
from pydantic import AfterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

from stream.events.ids import MAX_ID_BYTES

# No id holds a control character, so this one stands for nothing else.
_SLASH = "\0"


class WholeSegments:
    """Servers decode paths before they are matched, and then a slash of an id would end its segment."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") or b""
        if scope["type"] == "http" and b"%2f" in raw.lower():
            segments = raw.partition(b"?")[0].decode("ascii", "replace").split("/")
            scope = {**scope, "path": "/".join(unquote(segment).replace("/", _SLASH) for segment in segments)}
        await self._app(scope, receive, send)


def whole(segment: str) -> str:
    """A segment of a path as it was meant."""
    return segment.replace(_SLASH, "/")


TenantName = Annotated[str, Path(min_length=1, max_length=200), AfterValidator(whole)]
AssetName = Annotated[str, Path(min_length=1, max_length=MAX_ID_BYTES), AfterValidator(whole)]
