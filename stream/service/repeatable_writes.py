"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a write that is sent again is answered as before, and
done once. It is claimed where the service lets a caller in, so each repeat is an access with its own events.
"""

import hmac
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass

import anyio
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.errors import Unavailable
from stream.service.kept_answers import KeptAnswer, KeptAnswers, WriteName
from stream.service.problems import Problem, response_of

HEADER, REPEATED = "Idempotency-Key", "Idempotency-Replayed"
MOST_CHARACTERS = 255
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# They change nothing: what they say is told anew, by the rights and the footage of now.
_READING = frozenset({("POST", "/v1/search"), ("POST", "/v1/exports")})
_API, _PARTS = "/v1/", ("PATCH", "/v1/uploads/")
# What requests say beside their bodies and that bears on what is done.
_SAYING = ("content-type", "upload-length", "upload-metadata")
# The draft's quoted text, or as most clients send it.
_KEY = re.compile(rf"(?P<quote>\"?)(?P<key>[!#-\[\]-~]{{1,{MOST_CHARACTERS}}})(?P=quote)")
_STATE, _WRITE = "state", "write"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RepeatableWrite:
    """One that came with a key. `claimed`: once a caller is let in, by whom. `done`: its access ended well. `unkept`:
    why its answer must not be kept.
    """

    key: str
    address: str
    digest: bytes
    claimed: WriteName | None = None
    done: bool = False
    unkept: str | None = None


class RepeatedAnswer(Exception):
    """Instead of the route: what it answered before."""

    def __init__(self, answer: KeptAnswer) -> None:
        super().__init__("a write was repeated")
        self.answer = answer

    def response(self) -> Response:
        return Response(self.answer.body, self.answer.status, {**dict(self.answer.headers), REPEATED: "true"})


class WriteClaims:
    """`secret`: keys digests, as requests hold words of people."""

    def __init__(self, answers: KeptAnswers, secret: bytes) -> None:
        self.answers = answers
        self._secret = secret

    def digest_of(self, parts: Iterable[bytes]) -> bytes:
        made = hmac.new(self._secret, b"writes ", "sha256")
        for part in parts:
            # With its length: no two lists of parts are the same text.
            made.update(len(part).to_bytes(8, "big") + part)
        return made.digest()

    def claim(self, scope: Scope, principal: str) -> KeptAnswer | None:
        """The answer, if this caller sent the same before. None where the request has to be worked on. Raises `Problem`
        (409, 422) and `Unavailable`.
        """
        write = _write_of(scope)
        if write is None or write.claimed is not None:
            return None
        who, at = principal.encode(), write.address.encode()
        name = WriteName(self.digest_of((who, at, write.key.encode())), self.digest_of((who,)), write.digest)
        kept = self.answers.claim(name)
        if kept is None:
            write.claimed = name
        return kept


def is_repeatable(method: str, path: str) -> bool:
    """Whether it takes a key; `path` may be that of a request or a pattern. Bytes of uploads need none, as their offset
    does the same.
    """
    if method not in _WRITING or not path.startswith(_API) or (method, path) in _READING:
        return False
    return method != _PARTS[0] or not path.startswith(_PARTS[1])


def was_done(scope: Scope) -> None:
    """An access of the request ended well: whatever is answered now, it must not be done again."""
    if (write := _write_of(scope)) is not None:
        write.done = True


def keep_no_answer(scope: Scope, why: str) -> None:
    """The answer holds what is told once; `why` is told to who asks again."""
    if (write := _write_of(scope)) is not None:
        write.unkept = why


class RepeatableWrites:
    """Takes in what `WriteClaims` compares, and keeps what is answered, so that no new route can forget to. It lies
    within `BoundedBodies`, which gives it the whole body at once.
    """

    def __init__(self, app: ASGIApp, claims: WriteClaims) -> None:
        self._app = app
        self._claims = claims

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = Headers(scope=scope).getlist(HEADER) if scope["type"] == "http" else []
        if not said or not is_repeatable(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            key = _key_of(said)
        except Problem as problem:
            await response_of(problem)(scope, receive, send)
            return
        first = await receive()
        write = self._write(scope, key, first.get("body", b""))
        scope.setdefault(_STATE, {})[_WRITE] = write
        await self._answered(write, scope, _again(first, receive), send)

    def _write(self, scope: Scope, key: str, body: bytes) -> RepeatableWrite:
        headers = Headers(scope=scope)
        said = (headers.get(name, "").encode("latin-1") for name in _SAYING)
        digest = self._claims.digest_of((scope["query_string"], *said, body))
        return RepeatableWrite(key, f"{scope['method']} {scope['path']}", digest)

    async def _answered(self, write: RepeatableWrite, scope: Scope, receive: Receive, send: Send) -> None:
        begun: Message | None = None
        body, settled = bytearray(), False

        async def keeping(message: Message) -> None:
            nonlocal begun, settled
            # What was refused before it was claimed, or was done before, is not kept again.
            if write.claimed is None:
                await send(message)
                return
            if message["type"] == "http.response.start":
                begun = message
                return
            body.extend(message.get("body", b""))
            if begun is None or message.get("more_body", False):
                return
            await self._settle(write, begun, bytes(body))
            settled = True
            await send(begun)
            await send({"type": "http.response.body", "body": bytes(body)})

        try:
            await self._app(scope, receive, keeping)
        finally:
            if write.claimed is not None and not settled:
                with anyio.CancelScope(shield=True):
                    await self._settle(write, None, b"")

    async def _settle(self, write: RepeatableWrite, begun: Message | None, body: bytes) -> None:
        try:
            await run_sync(self._settled, write, begun, body)
        # It is done, and its answer is given: a repeat is told that it is at work, and does nothing.
        except Unavailable as error:
            _log.warning("%s (%s)", error.message, error.code)

    def _settled(self, write: RepeatableWrite, begun: Message | None, body: bytes) -> None:
        assert write.claimed is not None
        answers, status = self._claims.answers, 500 if begun is None else begun["status"]
        if begun is not None and status < 400:
            if write.unkept is not None:
                answers.withhold(write.claimed, write.unkept)
            else:
                answers.keep(write.claimed, KeptAnswer(status, _headers_of(begun), body))
        # Where a route refuses, it has done nothing; a defect may come in the middle.
        elif status == 500 or write.done:
            answers.cut_off(write.claimed)
        else:
            answers.release(write.claimed)


def _key_of(said: list[str]) -> str:
    """Raises `Problem` (400)."""
    found = _KEY.fullmatch(said[0].strip()) if len(said) == 1 else None
    if found is None:
        text = f"`{HEADER}` is one text of 1 to {MOST_CHARACTERS} visible ASCII characters, best a UUID."
        raise Problem(400, text, code="invalid_idempotency_key")
    return found["key"]


def _headers_of(begun: Message) -> tuple[tuple[str, str], ...]:
    named = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in begun["headers"])
    # Starlette counts again what it sends.
    return tuple((name, value) for name, value in named if name != "content-length")


def _again(first: Message, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return first

    return again


def _write_of(scope: Scope) -> RepeatableWrite | None:
    found: RepeatableWrite | None = scope.get(_STATE, {}).get(_WRITE)
    return found
