"""Original footage that is open for callers: so many at one time, and what is told where it cannot be read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from decoders.sources.policy import SourcePolicy
from sinks.query.catalogue import LiveAsset
from stream.error_codes.table import ERROR_CODES
from stream.errors import BadMedia, StageError, Superseded
from stream.events.asset import SourceVersion
from stream.search.footage import Footage
from stream.service.places import Places
from stream.service.problems import Problem, problem_of

AT_ONCE = 64
SHARE = 32
"""Of one tenant: who takes its bytes slowly must not keep other tenants from theirs."""


class Footages:
    """Thread-safe. What may be read is up to `policy_of` the asset's tenant."""

    def __init__(self, policy_of: Callable[[str], SourcePolicy], at_once: int = AT_ONCE, share: int = SHARE) -> None:
        self._policy_of = policy_of
        self._places = Places(at_once, share)

    @contextmanager
    def opened(self, asset: LiveAsset, planned: SourceVersion | None) -> Iterator[Footage]:
        """Raises `Problem` where the footage cannot be opened, and 503 (`busy`) where too much is open."""
        with self._places.one(asset.tenant), self._open(asset, planned) as footage:
            yield footage

    def _open(self, asset: LiveAsset, planned: SourceVersion | None) -> Footage:
        try:
            return Footage(asset, self._policy_of(asset.tenant), planned)
        except StageError as error:
            raise footage_problem(error) from None


def footage_problem(error: StageError) -> Problem:
    """In words that name no place: who sees an asset need not know where its footage lies."""
    if not isinstance(error, BadMedia | Superseded):
        return Problem(503, _said(error), code=error.code, headers={"retry-after": "5"})
    # It was there once: 404 would say that there is no such asset.
    return Problem(410 if error.code == "not_found" else 409, _said(error), code=error.code)


def _said(error: StageError) -> str:
    row = ERROR_CODES.get(error.code)
    return f"The footage cannot be read. {row.meaning if row else problem_of(error).detail}"
