"""Opens media of strangers with FFmpeg: from bytes alone, with an allow-list, and without names of other files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import av
import av.error
from av.container import InputContainer

from stream.errors import BadMedia

MAX_PIXELS = 8192 * 4352
MAX_STREAMS = 64
MAX_ERRORS = 50
"""Damaged packets that are passed over in one reading."""
_DEMUXERS = "mov,mp4,m4a,matroska,webm,avi,mpegts,mpeg,mxf,ogg,nut,wav,mp3,flac,aac,aiff,w64,caf"


@contextmanager
def opened(path: Path, name: str) -> Iterator[InputContainer]:
    """Raises `BadMedia` (`unreadable_container`, `too_many_streams`)."""
    with path.open("rb") as file, _container(file, name) as container:
        if len(container.streams) > MAX_STREAMS:
            raise BadMedia(f"the input {name!r} has more than {MAX_STREAMS} streams", code="too_many_streams")
        yield container


def _container(file: object, name: str) -> InputContainer:
    try:
        return av.open(
            file,
            "r",
            container_options={
                "format_whitelist": _DEMUXERS,
                "protocol_whitelist": "none",
                "max_streams": str(MAX_STREAMS),
            },
            options={"max_pixels": str(MAX_PIXELS)},
            metadata_errors="replace",
            io_open=_refuse,
        )
    except (av.error.FFmpegError, OSError, ValueError, IndexError, MemoryError):
        raise BadMedia(
            f"the input {name!r} is in no container that is read here, or its header is missing or cut off",
            code="unreadable_container",
        ) from None


def _refuse(*_arguments: object) -> NoReturn:
    raise PermissionError("media may not refer to other files")
