"""The objects at a place on an object store, through `obstore`. It reads credentials, region and endpoint from the same
environment as the stores' libraries.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from sinks.location import Location
from sinks.storage.troubles import trouble
from stream.errors import Unavailable

# A store that does not answer is reported after 143 s; with longer requests it was 220 s.
PATIENCE = {
    "connect_timeout": timedelta(seconds=5),
    "timeout": timedelta(seconds=10),
    "retry_timeout": timedelta(seconds=20),
}
_RETRIES = 3
_CHUNK = 1000
_PART_BYTES = 8 << 20


_ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}
"""The libraries know no such variable for Google's store."""


@dataclass(frozen=True, slots=True)
class ObjectTag:
    """What tells one state of an object from all others. Google's store asks for the version before it replaces an
    object, the others ask for the entity tag.
    """

    entity: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Its content, and the tag by which it is replaced only as it was."""

    content: bytes
    tag: ObjectTag


class Objects:
    """Objects below `location`, by names that may hold slashes. Raises `Unavailable` (`store_unavailable`)."""

    def __init__(self, location: Location) -> None:
        import obstore.store

        # The client's options take the place of those in the environment, where this one stands for the others.
        allow_http = os.environ.get(_ALLOW_HTTP.get(location.scheme or "", ""), "").lower() in {"1", "true"}
        options: dict[str, Any] = {
            "client_options": {
                "timeout": PATIENCE["timeout"],
                "connect_timeout": PATIENCE["connect_timeout"],
                "allow_http": allow_http,
            },
            "retry_config": {"max_retries": _RETRIES, "retry_timeout": PATIENCE["retry_timeout"]},
            **_profile(location),
        }
        self._location = location
        with self._asking():
            self._store: Any = obstore.store.from_url(location.uri, **options)

    def get(self, name: str) -> StoredObject | None:
        """None where there is none."""
        import obstore

        with self._asking():
            found = obstore.get(self._store, name)
            return StoredObject(bytes(found.bytes()), _tag(found.meta))
        return None

    def put(self, name: str, content: bytes) -> None:
        """Whatever was there."""
        import obstore

        with self._asking():
            obstore.put(self._store, name, content, use_multipart=False)

    def put_file(self, name: str, path: Path) -> None:
        """A file of any size, in parts that need little memory; visible as a whole or not at all."""
        import obstore

        with self._asking():
            obstore.put(self._store, name, path, chunk_size=_PART_BYTES, max_concurrency=2)

    def fetch(self, name: str, path: Path) -> bool:
        """Write an object of any size to a new file, which is removed again where that fails. False where there is no
        such object. Raises `Unavailable` (`disk_full`) where the file finds no room.
        """
        import obstore

        file = _opened(path)
        try:
            with file, self._asking():
                for part in obstore.get(self._store, name).stream(min_chunk_size=_PART_BYTES):
                    _write(file, part)
                return True
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)
        return False

    def size(self, name: str) -> int | None:
        """In bytes; None where there is none."""
        import obstore

        with self._asking():
            return int(obstore.head(self._store, name)["size"])
        return None

    def create(self, name: str, content: bytes) -> ObjectTag | None:
        """The tag of the new object; None, and nothing happens, where there is one."""
        return self._put_if(name, content, "create")

    def replace(self, name: str, content: bytes, tag: ObjectTag) -> ObjectTag | None:
        """The new tag; None, and nothing happens, where the object is another than `tag` says, or gone."""
        version = {} if tag.version is None else {"version": tag.version}
        return self._put_if(name, content, {"e_tag": tag.entity, **version})

    def remove(self, name: str) -> None:
        """It may be gone."""
        import obstore

        with self._asking():
            obstore.delete(self._store, name)

    def folders(self, under: str = "") -> list[str]:
        """Names directly here, or in the folder `under`, under which there is more."""
        import obstore

        with self._asking():
            found = obstore.list_with_delimiter(self._store, prefix=under or None)["common_prefixes"]
            return [str(name).rstrip("/").rpartition("/")[2] for name in found]
        return []

    def sizes(self, under: str) -> Iterator[tuple[str, int]]:
        """Names and sizes in bytes of all objects below the folder `under`."""
        import obstore

        with self._asking():
            for part in obstore.list(self._store, prefix=under or None, chunk_size=_CHUNK):
                yield from ((str(item["path"]), int(item["size"])) for item in part)

    def listed(self, under: str) -> Iterator[tuple[str, int, int]]:
        """As `sizes`, with the time of the last change in ms, by the object store's clock."""
        import obstore

        with self._asking():
            for part in obstore.list(self._store, prefix=under or None, chunk_size=_CHUNK):
                for item in part:
                    yield str(item["path"]), int(item["size"]), round(1000 * item["last_modified"].timestamp())

    def _put_if(self, name: str, content: bytes, mode: Any) -> ObjectTag | None:
        import obstore

        with self._asking():
            # In one request, as a multipart upload takes no condition.
            return _tag(obstore.put(self._store, name, content, mode=mode, use_multipart=False))
        return None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """The block ends early where an object is not there, or is there although it should not be."""
        from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            return
        except (BaseError, OSError, ValueError) as error:
            # Before "not found" is believed: a missing bucket is answered with 404 too.
            why = trouble(str(error), self._location.scheme or "")
            if why is None and isinstance(error, NotFoundError | FileNotFoundError):
                return
            message = f"the store at {self._location} cannot be used: {why or type(error).__name__}"
            raise Unavailable(
                f"{message}; nothing is lost, writing resumes when that is mended", code="store_unavailable"
            ) from error


def _tag(meta: Any) -> ObjectTag:
    return ObjectTag(str(meta["e_tag"]), meta["version"])


def _profile(location: Location) -> dict[str, str]:
    """Keys of the AWS profile, where the environment has none: the stores' libraries look there too."""
    if location.scheme != "s3" or "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    import configparser

    path = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials")
    # A `%` in a key refers to nothing.
    known = configparser.ConfigParser(interpolation=None)
    known.read(path)
    profile = os.environ.get("AWS_PROFILE", "default")
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return {name: known[profile][name] for name in names if profile in known and name in known[profile]}


def _opened(path: Path) -> BinaryIO:
    with _of_this_machine():
        return path.open("xb")


def _write(file: BinaryIO, content: Any) -> None:
    with _of_this_machine():
        file.write(content)
        file.flush()


@contextmanager
def _of_this_machine() -> Iterator[None]:
    """What fails is its disk, and not the store."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the folder for temporary files: {error.strerror}", code="disk_full") from error
