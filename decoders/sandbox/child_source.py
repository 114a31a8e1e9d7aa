"""The child's side of its source: an open descriptor, or byte ranges that the parent reads. The child opens nothing."""

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from decoders.sources.blocks import BlockReader
from decoders.sources.file import DescriptorReader
from stream.children.messages import Messages
from stream.errors import BadMedia, Retryable, StageError, Superseded
from stream.events.asset import SourceVersion

_KINDS: dict[str, type[StageError]] = {kind.__name__: kind for kind in (BadMedia, Superseded, Retryable)}


class SourceChannel:
    """Asks the parent for a source. Not thread-safe: FFmpeg reads from one thread at a time."""

    def __init__(self, end: socket.socket) -> None:
        self._messages = Messages(end)
        self._current: ServedSource | None = None

    def open(self) -> "tuple[ServedSource, bool]":
        """The source of the current request, and whether it is the previous one, unchanged. Raises the errors of
        `decoders.sources.opening.open_source`.
        """
        try:
            answer = self.ask({"do": "open"})
        except StageError:
            # The parent has closed its side, so the old source must not be used for the next request.
            self.forget()
            raise
        if answer["same"] and self._current is not None:
            return self._current, True
        self.forget()
        version = SourceVersion.model_validate(answer["version"])
        descriptor = self._messages.receive_descriptor() if answer["local"] else None
        self._current = ServedSource(self, version, descriptor)
        return self._current, False

    def forget(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Sends a request and returns the answer. Raises the error that the parent reports."""
        self._messages.send(request)
        answer = self._messages.receive()
        if "error" in answer:
            # Other errors are faults of the storage and not of the file, so they are worth another attempt.
            raise _KINDS.get(answer["error"], Retryable)(answer["message"], code=answer["code"])
        return answer

    def fetch(self, start: int, end: int) -> bytes:
        return self._messages.receive_data(self.ask({"do": "read", "start": start, "end": end})["size"])


class ServedSource:
    """Seekable bytes; see `decoders.protocol.Source`."""

    def __init__(self, channel: SourceChannel, version: SourceVersion, descriptor: int | None) -> None:
        self._channel = channel
        self._descriptor = descriptor
        self.opened_version = version
        reader: DescriptorReader | BlockReader
        if descriptor is None:
            reader = BlockReader(version.size_bytes, channel.fetch)
        else:
            reader = DescriptorReader(descriptor, version.size_bytes)
        self._read = reader.read
        self.seek: Callable[..., int] = reader.seek
        self.tell = reader.tell

    @property
    def version(self) -> SourceVersion:
        return SourceVersion.model_validate(self._channel.ask({"do": "version"})["version"])

    def read(self, size: int = -1) -> bytes:
        try:
            return self._read(size)
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "unknown")
            raise Retryable(f"reading failed ({name}); check the disk or the mount", code="read_failed") from None

    def close(self) -> None:
        # Forgotten first, so that a second call cannot close a descriptor that was reused.
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
