"""Searches that people keep under a name: a file beside the register of access, each caller's for nobody else."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from stream.errors import Unavailable
from stream.files import make_folder, read_small, replace_file
from stream.service.problems import Problem

FILE = "saved-searches.json"
MOST_OF_ONE = 100
_MOST_BYTES = 64 << 20
Saved = dict[str, dict[str, Any]]


class SavedSearches:
    """Thread- and process-safe. What is saved is on disk when the call returns. Raises `Unavailable`
    (`saved_searches_unreadable`).
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / FILE

    def of(self, principal: str) -> Saved:
        """By name."""
        return self._read().get(principal, {})

    def put(self, principal: str, name: str, search: Mapping[str, Any]) -> None:
        """Raises `Problem` where the caller keeps as many as one may."""
        with self._changing() as everybody:
            mine = everybody.setdefault(principal, {})
            if name not in mine and len(mine) >= MOST_OF_ONE:
                raise Problem(
                    409, f"There are {MOST_OF_ONE} saved searches: remove one first.", code="too_many_saved_searches"
                )
            mine[name] = dict(search)

    def remove(self, principal: str, name: str) -> bool:
        """Whether there was one."""
        with self._changing() as everybody:
            return everybody.get(principal, {}).pop(name, None) is not None

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Saved]]:
        try:
            make_folder(self._directory)
            with FileLock(self._directory / f"{FILE}.lock"):
                everybody = self._read()
                yield everybody
                # Of its owner alone: searches hold words of people.
                kept = json.dumps({name: mine for name, mine in everybody.items() if mine})
                replace_file(self._path, kept, mode=0o600)
        except OSError as error:
            raise _unreadable(self._path, error.strerror or "an error of the disk") from None

    def _read(self) -> dict[str, Saved]:
        try:
            found = json.loads(read_small(self._path, most_bytes=_MOST_BYTES))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unreadable(self._path, error.strerror or "an error of the disk") from None
        except ValueError:
            raise _unreadable(self._path, "it is no JSON") from None
        if not isinstance(found, dict):
            raise _unreadable(self._path, "it is no map of callers")
        return found


def _unreadable(path: Path, why: str) -> Unavailable:
    return Unavailable(
        f"the saved searches {path} cannot be used: {why}; correct the file or remove it",
        code="saved_searches_unreadable",
    )
