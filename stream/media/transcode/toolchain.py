"""What decides the bytes beside the settings: the builds of FFmpeg and its encoders, and the kind of processor."""

import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata

import av
import av.codec
import av.filter
import av.format

from stream.errors import Unavailable
from stream.media.transcode.settings import Transcoding

_LIBRARIES = {"libx264": "libx264", "libx265": "libx265", "libsvtav1": "libSvtAv1Enc", "libvpx-vp9": "libvpx"}
_FILTERS = ("scale", "format", "crop", "pad", "bwdif", "transpose", "hflip", "vflip", "lut3d", "aresample", "aformat")
_LOUDNESS = ("ebur128", "alimiter")


def toolchain_of(settings: Transcoding) -> Mapping[str, str]:
    """Raises `Unavailable` `toolchain_lacks`, which names what this build of FFmpeg has not."""
    row = settings.row
    loud = settings.sound is not None and settings.sound.loudness is not None
    codecs = [row.encoder] if settings.sound is None else [row.encoder, row.sound.codec]
    lacking = [
        *(f"the encoder {name}" for name in codecs if not _encodes(name)),
        *(f"the container {row.muxer}" for _ in [0] if row.muxer not in av.formats_available),
        *(
            f"the filter {name}"
            for name in (*_FILTERS, *(_LOUDNESS if loud else ()))
            if name not in av.filter.filters_available
        ),
    ]
    if lacking:
        raise Unavailable(
            f"this build of FFmpeg ({av.ffmpeg_version_info}) lacks {', '.join(lacking)}, which the profile "
            f"{settings.profile} needs",
            code="toolchain_lacks",
        )
    return {
        "av": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        "encoder": _build_of(row.encoder),
        "threads": "1",
        "processor": platform.machine(),
    }


def _encodes(name: str) -> bool:
    try:
        return av.Codec(name, "w").is_encoder
    except ValueError:
        return False


@cache
def _build_of(encoder: str) -> str:
    """The name of the library in PyAV's wheel, which ends with a digest of it; FFmpeg's own encoders have none."""
    library = _LIBRARIES.get(encoder)
    files = metadata.files("av") or []
    builds = sorted(file.name for file in files if library is not None and file.name.startswith(library))
    return f"{encoder} {' '.join(builds)}".strip()
