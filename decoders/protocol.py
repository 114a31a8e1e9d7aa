"""The contract of a decoder. Every entry of `decoders.REGISTRY` passes `tests/contract/test_decoders.py`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from stream.events.asset import Media, SourceVersion, SpanPlanned
from stream.events.frames import Frames


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the plan stage learns about a source without decoding it: identity, facts and key-frame times.

    `keyframes_ns` are asset times of decodable key frames, ascending; empty where the container does not list them.
    """

    source: SourceVersion
    content_digest: str
    media: Media
    keyframes_ns: tuple[int, ...]


class Source(Protocol):
    """Seekable bytes of a URI that passed the policy check. FFmpeg never opens a name itself."""

    @property
    def version(self) -> SourceVersion: ...

    def read(self, size: int = -1) -> bytes: ...
    def seek(self, offset: int, whence: int = 0) -> int: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...


class Decoder(Protocol):
    """Runs inside a sandboxed child process. Raises `BadMedia` for every fault of the file."""

    def inspect(self, source: Source) -> Inspection: ...

    def decode(
        self, source: Source, span: SpanPlanned, later: Callable[[], bytes | None] = lambda: None
    ) -> Iterator[Frames]:
        """Yields one `Frames` per cell of the span, in ascending order, each as soon as it is complete.

        Results depend only on the asset's time grid, never on where the span begins or ends. Raises `BadMedia` with
        the cells that have no frame, after it yielded the others. Raises `Superseded` when the source is not the
        planned one; it checks this at the beginning and again before it yields the last cell. `later` waits for what
        `decode_later` gave in another process, or gives None: then all is decoded here, with the same result.
        """

    def decode_later(self, source: Source, span: SpanPlanned) -> bytes:
        """What `decode` needs of the pictures from `span.settings.split_ns` on. Raises as `decode` does."""
