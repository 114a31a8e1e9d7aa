"""Object stores through fsspec, for schemes that the policy names: with the package of the scheme where one is
installed, else `s3` with `obstore`, which the stores use anyway.
"""

import os
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from decoders.sources.blocks import BlockReader, BlockSource
from decoders.sources.object_names import absent, checked_name
from decoders.sources.uris import describe
from stream.errors import BadMedia, Retryable
from stream.events.asset import SourceVersion
from stream.events.ids import digest

_VERSION_KEYS = ("ETag", "etag", "LastModified", "mtime", "updated", "created", "version_id", "generation")

_S3 = "s3"
PATIENCE = {
    "connect_timeout": timedelta(seconds=5),
    "timeout": timedelta(seconds=30),
    "retry_timeout": timedelta(seconds=60),
}
"""With a store that takes a request and never answers; obstore's own is three minutes and ten tries, for each read."""
_RETRIES = 3
_LATE = ("kind: Timeout", "timed out")
_OBSTORE = ("e_tag", "last_modified", "version")


class FsspecSource(BlockSource):
    """One object. `version` asks the store again. The store's library finds the credentials. Raises `BadMedia` and
    `Retryable`.
    """

    def __init__(self, uri: str, scheme: str, prefixes: Collection[str]) -> None:
        self._uri = uri
        self._scheme = scheme
        try:
            name = checked_name(uri, scheme, prefixes)
        except BadMedia as error:
            raise BadMedia(f"{describe(uri)}: {error.message}", code=error.code) from None
        try:
            self._store = _store(scheme)
        except (ImportError, ValueError, TypeError):
            raise BadMedia(
                f"{describe(uri)}: reading {scheme}:// needs its package (pip install 'fsspec[{scheme}]')",
                code="extra_missing",
            ) from None
        # fsspec documents this way to split a URI. The path goes to the store itself: `fsspec.open` would read a key
        # with `::` as a chain of protocols.
        self._path = self._store._strip_protocol(name)  # noqa: SLF001
        self._opened = self.version
        if self._opened.size_bytes == 0:
            raise BadMedia(f"{describe(uri)}: the object is empty; publish it when it is written", code="empty")
        self._reader = BlockReader(self._opened.size_bytes, self.fetch)

    @property
    def version(self) -> SourceVersion:
        # `refresh`: fsspec caches listings, and a change would stay unseen.
        facts = self._asked(lambda: self._store.info(self._path, refresh=True))
        if facts.get("type") == "directory":
            raise BadMedia(f"{describe(self._uri)}: is a directory; publish the objects in it", code="is_directory")
        # Stores name the version of an object differently; the digest covers each key that one of them uses.
        tag = digest(
            *(str(facts.get(key)) for key in _VERSION_KEYS), *(str(facts[key]) for key in _OBSTORE if key in facts)
        )
        return SourceVersion(size_bytes=int(facts.get("size") or 0), tag=tag)

    def close(self) -> None:
        """Does nothing: nothing stays open between reads."""

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes [start, end), with a new request."""
        return bytes(self._asked(lambda: self._store.cat_file(self._path, start=start, end=end)))

    def _asked(self, ask: Any) -> Any:
        try:
            return ask()
        except FileNotFoundError:
            missing = absent(self._scheme)
            raise BadMedia(f"{describe(self._uri)}: {missing.message}", code=missing.code) from None
        except PermissionError:
            raise BadMedia(
                f"{describe(self._uri)}: access denied; check the store's credentials", code="permission_denied"
            ) from None
        except Exception as error:  # noqa: BLE001 - store libraries raise their own error types
            # The text holds the address; that it is about time is all that may be told of it.
            late = isinstance(error, TimeoutError) or any(sign in str(error) for sign in _LATE)
            why = "did not answer in time" if late else f"failed ({type(error).__name__})"
            raise Retryable(f"{describe(self._uri)}: the store {why}", code="store_failed") from None


def _store(scheme: str) -> Any:
    # Imported here: only deployments that name a store need it.
    import fsspec

    try:
        return fsspec.filesystem(scheme)
    except ImportError:
        if scheme != _S3:
            raise
        from obstore.fsspec import FsspecStore

        # The client's options take the place of those in the environment, where this one stands for the others.
        allow_http = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true"}
        return FsspecStore(
            "s3",
            client_options={
                "timeout": PATIENCE["timeout"],
                "connect_timeout": PATIENCE["connect_timeout"],
                "allow_http": allow_http,
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": PATIENCE["retry_timeout"]},
        )
