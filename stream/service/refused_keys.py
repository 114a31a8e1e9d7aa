"""A key that is not valid is in the trail, at whatever address somebody tries it."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.audit.ocsf import AccessSubject, Activity
from stream.errors import StageError
from stream.service import request_ids
from stream.service.caller import Callers
from stream.service.problems import Problem, problem_of, response_of

NEED_NO_KEY = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""Their answers are the same for everybody, and health has to be told where the trail cannot be written."""
_TRIED = AccessSubject("request")


class RefusedKeys:
    """Addresses that are no accesses, such as that of one's own rights, or pages for everybody, would tell whether a
    key is valid: as often as somebody asks, and without an event.
    """

    def __init__(
        self,
        app: ASGIApp,
        callers: Callers,
        turned_away: Callable[[Request, Activity, AccessSubject, Problem], Problem],
    ) -> None:
        self._app = app
        self._callers = callers
        self._turned_away = turned_away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in NEED_NO_KEY or not _has_key(scope):
            await self._app(scope, receive, send)
            return
        replaced = False

        async def judged(message: Message) -> None:
            nonlocal replaced
            # An access has judged the key itself, and says in the trail what it was tried for.
            if message["type"] == "http.response.start" and not request_ids.is_audited(scope):
                problem = await run_in_threadpool(self._refusal, Request(scope))
                if problem is not None:
                    replaced = True
                    await response_of(problem)(scope, receive, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, judged)

    def _refusal(self, request: Request) -> Problem | None:
        try:
            self._callers.of(request.headers)
        except Problem as problem:
            try:
                return self._turned_away(request, Activity.SIGNED_IN, _TRIED, problem)
            except StageError as error:
                return problem_of(error)
        except StageError as error:
            return problem_of(error)
        return None


def _has_key(scope: Scope) -> bool:
    return any(name == b"authorization" for name, _ in scope["headers"])
