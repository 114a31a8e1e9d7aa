"""What can be delivered: one row for each profile. A change of a row changes the bytes: raise `Transcode.version`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Colours = Literal["sdr", "keep"]
ColourRule = Literal["bt709", "source"]
Muxer = Literal["mp4", "mov", "webm", "mxf", "matroska"]

_SUFFIXES: Mapping[Muxer, tuple[str, str]] = {
    "mp4": ("mp4", "video/mp4"),
    "mov": ("mov", "video/quicktime"),
    "webm": ("webm", "video/webm"),
    "mxf": ("mxf", "application/mxf"),
    "matroska": ("mkv", "video/x-matroska"),
}


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """`tracks`: one track of all channels, or one for each channel. `bit_rate` is for each channel; 0 is lossless."""

    codec: str
    sample_format: str
    channels: tuple[int, ...] = (1, 2, 6)
    bit_rate: int = 0
    tracks: Literal["one", "mono"] = "one"


@dataclass(frozen=True, slots=True)
class Profile:
    """`formats`: pixel formats for 8 bit, or for what the source is, by the names that `target.pixel_format` reads.
    `quality`: the default of `crf`, its lowest and highest value; None where the profile fixes its rate. `gop_s` of 0:
    each picture stands by itself. `within`: the largest size that is the default. `options` go to the encoder.
    """

    title: str
    muxer: Muxer
    encoder: str
    pixel_format: str
    sound: SoundFormat
    options: Mapping[str, str] = field(default_factory=dict)
    parameters: str = ""
    quality: tuple[float, float, float] | None = None
    bit_rate: int = 0
    gop_s: float = 0.0
    gop_frames: int = 0
    b_frames: int = 0
    within: tuple[int, int] | None = None
    size: tuple[int, int] | None = None
    rates: tuple[str, ...] = ()
    interlaced: bool = False
    high_dynamic_range: bool = False
    colour_rule: ColourRule = "bt709"
    tag: str = ""

    @property
    def suffix(self) -> str:
        return _SUFFIXES[self.muxer][0]

    @property
    def media_type(self) -> str:
        return _SUFFIXES[self.muxer][1]


_AAC = SoundFormat("aac", "fltp", bit_rate=96_000)
_OPUS = SoundFormat("libopus", "flt", bit_rate=80_000)
_PCM = SoundFormat("pcm_s24le", "s32")
_X264 = "scenecut=0:open-gop=0:sliced-threads=0:lookahead-threads=1"
_X265 = "scenecut=0:open-gop=0:pools=none:frame-threads=1:wpp=0:log-level=none"


def _h264(title: str, level: str, within: tuple[int, int] | None, quality: float, profile: str = "high") -> Profile:
    options = {"preset": "medium", "profile": profile, "level": level}
    b_frames = 0 if profile == "baseline" else 3
    return Profile(
        title,
        muxer="mp4",
        encoder="libx264",
        pixel_format="yuv420p",
        sound=_AAC if within is None else SoundFormat("aac", "fltp", (1, 2), 64_000),
        options=options,
        parameters=_X264,
        quality=(quality, 1, 51),
        gop_s=2,
        b_frames=b_frames,
        within=within,
    )


def _h265(title: str, pixel_format: str, *, high_dynamic_range: bool) -> Profile:
    return Profile(
        title,
        muxer="mp4",
        encoder="libx265",
        pixel_format=pixel_format,
        sound=_AAC,
        options={"preset": "medium"},
        parameters=_X265,
        quality=(24, 0, 51),
        gop_s=2,
        b_frames=4,
        high_dynamic_range=high_dynamic_range,
        tag="hvc1",
    )


def _prores(title: str, profile: str, pixel_format: str = "yuv422p10le") -> Profile:
    return Profile(
        f"{title}, by FFmpeg's prores_ks, which Apple has not licensed",
        muxer="mov",
        encoder="prores_ks",
        pixel_format=pixel_format,
        sound=_PCM,
        options={"profile": profile, "vendor": "apl0"},
        high_dynamic_range=True,
    )


def _dnxhr(title: str, profile: str, pixel_format: str) -> Profile:
    deep = pixel_format != "yuv422p"
    return Profile(
        title,
        muxer="mov",
        encoder="dnxhd",
        pixel_format=pixel_format,
        sound=_PCM,
        options={"profile": profile},
        high_dynamic_range=deep,
    )


_XDCAM = {
    "dc": "10",
    "intra_vlc": "1",
    "non_linear_quant": "1",
    "qmin": "1",
    "qmax": "12",
    "lmin": "1*QP2LAMBDA",
    "minrate": "50000000",
    "maxrate": "50000000",
    "bufsize": "36408333",
    "rc_max_vbv_use": "1",
    "rc_min_vbv_use": "1",
    "sc_threshold": "1000000000",
    "top": "1",
}

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "h264_web": _h264("H.264 High for the web", "4.2", None, 20),
        "h264_mobile": _h264("H.264 Main up to 1280x720 for phones", "3.1", (1280, 720), 23, "main"),
        "h265_8bit": _h265("H.265 Main, 8 bit", "yuv420p", high_dynamic_range=False),
        "h265_10bit": _h265("H.265 Main 10, SDR, HDR10 or HLG", "yuv420p10le", high_dynamic_range=True),
        "av1": Profile(
            "AV1 Main, 10 bit, by SVT-AV1",
            muxer="mp4",
            encoder="libsvtav1",
            pixel_format="yuv420p10le",
            sound=_AAC,
            options={"preset": "8"},
            parameters="lp=1:enable-overlays=0:scd=0:irefresh-type=2",
            quality=(30, 1, 63),
            gop_s=2,
            high_dynamic_range=True,
        ),
        "vp9": Profile(
            "VP9 in WebM",
            "webm",
            "libvpx-vp9",
            "yuv420p",
            _OPUS,
            {"deadline": "good", "cpu-used": "4", "row-mt": "0", "lag-in-frames": "16"},
            quality=(31, 0, 63),
            gop_s=2,
        ),
        "prores_422_proxy": _prores("ProRes 422 Proxy", "proxy"),
        "prores_422_lt": _prores("ProRes 422 LT", "lt"),
        "prores_422": _prores("ProRes 422", "standard"),
        "prores_422_hq": _prores("ProRes 422 HQ", "hq"),
        "prores_4444": _prores("ProRes 4444, with transparency", "4444", "yuv444p10le"),
        "dnxhr_lb": _dnxhr("DNxHR LB", "dnxhr_lb", "yuv422p"),
        "dnxhr_sq": _dnxhr("DNxHR SQ", "dnxhr_sq", "yuv422p"),
        "dnxhr_hq": _dnxhr("DNxHR HQ", "dnxhr_hq", "yuv422p"),
        "dnxhr_hqx": _dnxhr("DNxHR HQX, 10 bit", "dnxhr_hqx", "yuv422p10le"),
        "dnxhr_444": _dnxhr("DNxHR 444, 10 bit", "dnxhr_444", "yuv444p10le"),
        "xdcam_hd422": Profile(
            "XDCAM HD422, 1080i at 50 Mb/s in MXF OP1a, sound in tracks of one channel",
            "mxf",
            "mpeg2video",
            "yuv422p",
            SoundFormat("pcm_s24le", "s32", (2,), tracks="mono"),
            _XDCAM,
            bit_rate=50_000_000,
            gop_frames=12,
            b_frames=2,
            size=(1920, 1080),
            rates=("25", "30000/1001"),
            interlaced=True,
        ),
        "mezzanine": Profile(
            "FFV1 in Matroska: lossless, in the pixels and colours of the source",
            "matroska",
            "ffv1",
            "source",
            _PCM,
            {"level": "3", "coder": "1", "context": "0", "slicecrc": "1", "slices": "4"},
            high_dynamic_range=True,
            colour_rule="source",
        ),
    }
)
