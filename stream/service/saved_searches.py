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
MOST_OF_ONE, MOST_BYTES_OF_ONE = 100, 256 << 10
_MOST_BYTES = 64 << 20
Saved = dict[str, dict[str, Any]]


class SavedSearches:
    """Thread- and process-safe. What is saved is on disk when the call returns. Raises `Unavailable`
    (`saved_searches_unreadable`).
    """

    def __init__(self, directory: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
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
                raise _too_many(f"There are {MOST_OF_ONE} saved searches")
            mine[name] = dict(search)
            # Everybody's are one file.
            if len(json.dumps(mine)) > MOST_BYTES_OF_ONE:
                raise _too_many(f"Your saved searches have more than {MOST_BYTES_OF_ONE >> 10} KiB")

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
                # A longer file would be read by nobody any more.
                text = json.dumps({name: mine for name, mine in everybody.items() if mine})
                if len(text) > self._most_bytes:
                    raise _too_many("The service keeps as many saved searches as it can")
                # Of its owner alone: searches hold words of people.
                replace_file(self._path, text, mode=0o600)
        except OSError as error:
            raise _unreadable(self._path, error.strerror or "an error of the disk") from None

    def _read(self) -> dict[str, Saved]:
        try:
            found = json.loads(read_small(self._path, most_bytes=self._most_bytes))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unreadable(self._path, error.strerror or "an error of the disk") from None
        except ValueError:
            raise _unreadable(self._path, "it is no JSON") from None
        if not isinstance(found, dict):
            raise _unreadable(self._path, "it is no map of callers")
        return found


def _too_many(why: str) -> Problem:
    return Problem(409, f"{why}: remove one first.", code="too_many_saved_searches")


def _unreadable(path: Path, why: str) -> Unavailable:
    return Unavailable(
        f"the saved searches {path} cannot be used: {why}; correct the file or remove it",
        code="saved_searches_unreadable",
    )
