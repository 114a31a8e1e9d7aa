"""The embedding spaces of an index, and the choice of the one that search uses (ADR 0004)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sinks.query.holdings import Holding, holdings
from sinks.query.moments import MomentIndex
from stream.errors import BadRequest
from stream.events.annotations import Space
from stream.files import read_small, replace_file
from stream.pipelines.settings import Settings

CHOICE_FILE = "search-space.json"
EMPTY_INDEX = "empty_index"


@dataclass(frozen=True, slots=True)
class SpaceChoice:
    """The choice that `Spaces.use` saved. `unreadable`: there is a file that cannot be read."""

    key: str | None = None
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class ChosenSpace:
    """The space of one answer. `choice_unreadable`: it is the default, because the saved choice cannot be read."""

    space: Space
    choice_unreadable: bool = False


class Spaces:
    """Reads the stores at every call, because other processes write to them."""

    def __init__(self, settings: Settings, index: MomentIndex | None = None) -> None:
        self._index_dir = settings.index_dir
        self._index = index or MomentIndex(settings.index_dir)
        self._choice = settings.state_dir / CHOICE_FILE
        self._epochs: dict[str, int] = {}

    def listed(self) -> list[Space]:
        return self._index.spaces()

    def holdings(self) -> Mapping[str, Holding]:
        """What each space holds, by its key."""
        return holdings(self._index_dir)

    def chosen(self, wanted: str | None = None) -> ChosenSpace:
        """The named space, else the saved choice, else the space of the latest roll-out. Raises `BadRequest`
        (`empty_index`, `unknown_space`).
        """
        listed = self.listed()
        if not listed:
            raise BadRequest("the index is empty: ingest footage first", code=EMPTY_INDEX)
        if wanted:
            return ChosenSpace(matching(listed, wanted))
        choice = read_choice(self._choice)
        # A chosen space may have been dropped. Search then goes on with the default.
        kept = [space for space in listed if space.key == choice.key]
        return ChosenSpace(kept[0] if kept else self._newest(listed), choice.unreadable)

    def _newest(self, listed: Sequence[Space]) -> Space:
        """Epochs only rise, so that later ones than are known are all to be asked for; of a lone space none."""
        if len(listed) > 1:
            self._epochs |= self._index.epochs(above_ms=max(self._epochs.values(), default=-1))
        return newest(listed, self._epochs)

    def use(self, wanted: str) -> Space:
        """Makes search use this space from now on. Raises `BadRequest` (`unknown_space`, `choice_not_kept`)."""
        space = matching(self.listed(), wanted)
        try:
            # Replaced as a whole: a reader never sees half a choice.
            replace_file(self._choice, json.dumps({"space": space.key}) + "\n")
        except OSError as error:
            raise BadRequest(
                f"{self._choice} cannot be written ({error.strerror}): search still uses the previous space",
                code="choice_not_kept",
            ) from None
        return space


def matching(listed: Sequence[Space], prefix: str) -> Space:
    """The only space whose key equals `prefix` or begins with it. Raises `BadRequest` (`unknown_space`)."""
    # An exact key first: it may also be the beginning of another one.
    found = [space for space in listed if space.key == prefix] or [
        space for space in listed if space.key.startswith(prefix)
    ]
    if len(found) != 1:
        keys = ", ".join(space.key for space in listed) or "none"
        raise BadRequest(f"{prefix!r} names {len(found)} spaces; there are: {keys}", code="unknown_space")
    return found[0]


def newest(listed: Sequence[Space], epochs_ms: Mapping[str, int]) -> Space:
    """The space that the latest roll-out filled."""
    # Among equals the default space wins, then the key: the answer must not depend on the order of a listing.
    return max(listed, key=lambda space: (epochs_ms.get(space.key, 0), space.spec == "conse", space.key))


def read_choice(path: Path) -> SpaceChoice:
    try:
        kept = json.loads(read_small(path))
    except FileNotFoundError:
        return SpaceChoice()
    # Not an error: a damaged choice must not stop search. The answer says so instead.
    except (OSError, ValueError, RecursionError):
        kept = None
    if isinstance(kept, dict) and isinstance(key := kept.get("space"), str):
        return SpaceChoice(key)
    return SpaceChoice(unreadable=True)
