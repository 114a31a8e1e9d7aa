"""What a decoder promises. Every entry of `decoders.REGISTRY` passes `tests/contract/test_decoders.py`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from stream.events.asset import Media, SourceVersion, SpanPlanned
from stream.events.frames import Frames


@dataclass(frozen=True, slots=True)
class Inspection:
    """What plan learns of a source without decoding it: identity, facts and where the key frames are.

    `keyframes_ns` are asset times of decodable key frames, ascending, empty where the container does not tell.
    """

    source: SourceVersion
    content_digest: str
    media: Media
    keyframes_ns: tuple[int, ...]


class Source(Protocol):
    """Seekable bytes behind a uri, already checked against policy. FFmpeg never opens a name."""

    @property
    def version(self) -> SourceVersion: ...

    def read(self, size: int = -1) -> bytes: ...
    def seek(self, offset: int, whence: int = 0) -> int: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...


class Decoder(Protocol):
    """Runs inside a sandboxed child process. Raises `BadMedia` for anything the file is to blame for."""

    def inspect(self, source: Source) -> Inspection: ...

    def decode(self, source: Source, span: SpanPlanned) -> Iterator[Frames]:
        """One `Frames` per cell of the span, ascending, each as soon as it is complete.

        Results depend on the asset's time grid only, never on where the span begins or ends. Raises `BadMedia` with
        the cells that have no frame, after the others were yielded, and `Superseded` when the source is not the one
        planned, checked at the beginning and again before the last cell is yielded.
        """
