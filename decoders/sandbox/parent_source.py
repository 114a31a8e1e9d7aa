"""The parent's side of a child's source: the parent opens, checks and reads on request. One thread per child.

The child cannot name a source: the parent states the URI here. The child gets a local file as an open descriptor, and
byte ranges of every other source. So it needs no files, network or credentials of its own (ADR 0038).
"""

import socket
import threading
from contextlib import suppress
from typing import Any, Protocol, cast

from decoders.protocol import Source
from decoders.sources.blocks import BLOCK_BYTES
from decoders.sources.file import FileSource
from decoders.sources.opening import open_source
from decoders.sources.policy import SourcePolicy
from decoders.sources.uris import describe
from stream.children.messages import Messages
from stream.errors import BadMedia, Retryable, StageError
from stream.events.asset import SourceVersion

# A child sends only three short requests. More would be an attempt on the parent's memory.
MAX_REQUEST_BYTES = 1 << 10
# The child reads at once. One that does not must not hold its thread for ever.
_SEND_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 1.0


class _Ranges(Protocol):
    """Sources that are not local files."""

    def fetch(self, start: int, end: int) -> bytes: ...


class SourceServer:
    """Answers one child until either side ends. A read may take as long as the storage needs: only the child waits for
    it, and the pool limits how long it waits for the child.
    """

    def __init__(self, end: socket.socket) -> None:
        """The thread closes `end` and every source that it opened."""
        self._messages = Messages(end, MAX_REQUEST_BYTES)
        self._asked: tuple[str, SourcePolicy] = "", SourcePolicy()
        self._opened: tuple[tuple[str, SourcePolicy], SourceVersion, Source] | None = None
        self._thread = threading.Thread(target=self._run, name="rushes-source", daemon=True)
        self._thread.start()

    def serve(self, uri: str, policy: SourcePolicy) -> None:
        """Sets the URI for the child's next "open" request, and what it may name."""
        self._asked = uri, policy

    def close(self) -> None:
        """Ends the service; idempotent. Storage that hangs blocks only the thread, not this call."""
        self._messages.hang_up()
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        try:
            while True:
                self._answer(self._messages.receive())
        except (OSError, EOFError, ValueError, LookupError, TypeError):
            pass  # the child is gone or sent an invalid message: only its own request fails
        finally:
            self._forget()
            self._messages.hang_up()
            self._messages.close()

    def _answer(self, request: dict[str, Any]) -> None:
        try:
            match request["do"]:
                case "open":
                    self._open()
                case "version":
                    self._send(_version(self._source().version))
                case "read":
                    self._read(int(request["start"]), int(request["end"]))
                case _:
                    raise ValueError
        except StageError as error:
            self._send({"error": type(error).__name__, "code": error.code, "message": error.message})

    def _open(self) -> None:
        """Opens the source. It stays open over consecutive requests for the same, unchanged source."""
        uri, policy = asked = self._asked
        if self._opened is not None:
            opened, version, source = self._opened
            # The file is asked again: a child must not decode an old version from an open descriptor.
            # So is the policy: what one tenant may read stays open for no other.
            if opened == asked and _is_still(source, version):
                self._send({"same": True})
                return
            self._forget()
        source = open_source(uri, policy)
        try:
            version = source.version
        except BaseException:
            source.close()
            raise
        self._opened = (asked, version, source)
        local = isinstance(source, FileSource)
        self._send({"same": False, "local": local} | _version(version))
        if isinstance(source, FileSource):
            self._messages.send_descriptor(source.fileno())

    def _read(self, start: int, end: int) -> None:
        assert self._opened is not None
        _, version, source = self._opened
        # The child is not trusted: it may only ask for one block inside the source that the parent opened.
        if isinstance(source, FileSource) or not 0 <= start < end <= min(start + BLOCK_BYTES, version.size_bytes):
            raise ValueError
        try:
            data = cast("_Ranges", source).fetch(start, end)
        except StageError:
            raise
        except Exception as error:  # noqa: BLE001 - an error of a store's library fails only this request
            raise Retryable(
                f"{describe(self._asked[0])}: reading failed ({type(error).__name__})", code="read_failed"
            ) from None
        self._send({"size": len(data)}, data)

    def _source(self) -> Source:
        if self._opened is None:
            raise BadMedia("no source is open", code="not_open")
        return self._opened[2]

    def _send(self, answer: dict[str, Any], data: bytes = b"") -> None:
        self._messages.send(answer, _SEND_TIMEOUT_S, data)

    def _forget(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            # Forgotten first: an error while closing must not leave a closed source behind.
            with suppress(OSError):
                opened[2].close()


def _version(version: SourceVersion) -> dict[str, Any]:
    return {"version": version.model_dump()}


def _is_still(source: Source, version: SourceVersion) -> bool:
    try:
        return source.version == version
    except StageError:
        return False
