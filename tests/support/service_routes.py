"""Every route of the service with a request that it takes: tests of what holds for all of them go by this table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from stream.access.actions import Action

METHODS = frozenset({"get", "head", "post", "put", "patch", "delete"})
IN_PATHS = {
    "tenant": "acme",
    "asset_id": "x",
    "moment_id": "x",
    "name": "cutters",
    "key_id": "x",
    "letter_id": "x",
    "upload_id": "x",
    "publication_id": "x",
    "job": "x",
    "variant": "x",
    "stage": "x",
    "file": "x",
}
HELD = {"role": "viewer", "holder": "service:acme/x"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `rest` as `httpx` takes it. `action`: what a caller needs a role for, if that matters."""

    action: Action | None = Action.SEARCH
    rest: Mapping[str, Any] = field(default_factory=dict)


ROUTES: Mapping[tuple[str, str], Asked] = {
    ("get", "/v1/search"): Asked(rest={"params": {"q": "red"}}),
    ("post", "/v1/search"): Asked(rest={"content": b"x", "headers": {"content-type": "image/png"}}),
    ("get", "/v1/facets"): Asked(),
    ("get", "/v1/saved-searches"): Asked(),
    ("put", "/v1/saved-searches/{name}"): Asked(rest={"json": {"q": "red"}}),
    ("delete", "/v1/saved-searches/{name}"): Asked(),
    ("post", "/v1/exports"): Asked(Action.EXPORT, {"json": {"format": "csv", "search": {"q": "red"}}}),
    ("get", "/v1/assets"): Asked(rest={"params": {"tenant": "acme"}}),
    ("post", "/v1/assets"): Asked(Action.PUBLISH, {"json": {"tenant": "acme", "uri": "/footage/bus.mp4"}}),
    ("get", "/v1/publications/{publication_id}"): Asked(Action.PUBLISH),
    ("get", "/v1/assets/{tenant}/{asset_id}"): Asked(),
    ("get", "/v1/assets/{tenant}/{asset_id}/media"): Asked(Action.PLAY),
    ("head", "/v1/assets/{tenant}/{asset_id}/media"): Asked(Action.PLAY),
    ("get", "/v1/assets/{tenant}/{asset_id}/sprite.jpg"): Asked(),
    ("get", "/v1/assets/{tenant}/{asset_id}/sprite.vtt"): Asked(),
    ("get", "/v1/assets/{tenant}/{asset_id}/events"): Asked(),
    ("get", "/v1/dead-letters"): Asked(Action.REPLAY),
    ("get", "/v1/dead-letters/{letter_id}"): Asked(Action.REPLAY),
    ("post", "/v1/dead-letters/replay"): Asked(Action.REPLAY, {"json": {"code": "no_frames"}}),
    ("post", "/v1/dead-letters/{letter_id}/replay"): Asked(Action.REPLAY),
    ("post", "/v1/uploads"): Asked(Action.PUBLISH, {"params": {"tenant": "acme"}, "headers": {"upload-length": "9"}}),
    ("get", "/v1/uploads"): Asked(Action.PUBLISH),
    ("get", "/v1/uploads/{upload_id}"): Asked(Action.PUBLISH),
    ("head", "/v1/uploads/{upload_id}"): Asked(Action.PUBLISH),
    ("patch", "/v1/uploads/{upload_id}"): Asked(
        Action.PUBLISH, {"headers": {"upload-offset": "0", "content-type": "application/offset+octet-stream"}}
    ),
    ("delete", "/v1/uploads/{upload_id}"): Asked(Action.PUBLISH),
    ("get", "/v1/moments/{moment_id}"): Asked(),
    ("get", "/v1/moments/{moment_id}/thumbnail"): Asked(rest={"params": {"space": "hash"}}),
    ("get", "/v1/jobs"): Asked(rest={"params": {"tenant": "acme"}}),
    ("get", "/v1/jobs/{tenant}/{job}"): Asked(),
    ("get", "/v1/jobs/{tenant}/{job}/variants"): Asked(),
    ("get", "/v1/jobs/{tenant}/{job}/variants/{variant}/manifest"): Asked(),
    ("get", "/v1/jobs/{tenant}/{job}/variants/{variant}/poster"): Asked(),
    ("get", "/v1/jobs/{tenant}/{job}/variants/{variant}/finals/{stage}/{file}"): Asked(Action.PLAY),
    ("get", "/v1/access/{tenant}"): Asked(Action.MANAGE),
    ("get", "/v1/access/{tenant}/explain"): Asked(
        Action.MANAGE, {"params": {"holder": "service:acme/x", "action": "search", "project": "default"}}
    ),
    ("post", "/v1/access/{tenant}/grants"): Asked(Action.MANAGE, {"json": HELD}),
    ("delete", "/v1/access/{tenant}/grants"): Asked(Action.MANAGE, {"params": HELD}),
    ("put", "/v1/access/{tenant}/teams/{name}"): Asked(Action.MANAGE, {"json": {"members": []}}),
    ("delete", "/v1/access/{tenant}/teams/{name}"): Asked(Action.MANAGE),
    ("post", "/v1/access/{tenant}/keys"): Asked(Action.MANAGE, {"json": {"owner": "newsroom"}}),
    ("patch", "/v1/access/{tenant}/keys/{key_id}"): Asked(Action.MANAGE, {"json": {"days": 1}}),
    ("delete", "/v1/access/{tenant}/keys/{key_id}"): Asked(Action.MANAGE),
    ("get", "/v1/audit/events"): Asked(Action.READ_AUDIT),
    ("get", "/v1/me"): Asked(None),
    ("get", "/v1/me/decision"): Asked(None, {"params": {"action": "search", "tenant": "acme", "project": "default"}}),
}


def routes_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Methods and paths of an OpenAPI document."""
    for path, operations in document["paths"].items():
        yield from ((method, path) for method in operations if method in METHODS)


def filled(path: str) -> str:
    """The path with something that nobody has in its places."""
    return path.format(**IN_PATHS)


def quoted(path: str, names: Mapping[str, str]) -> str:
    """The path with these names in its places."""
    return path.format(**{place: quote(name, safe="") for place, name in names.items()})
