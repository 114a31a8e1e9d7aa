"""The encoders of a profile, set up alike wherever a part is made or joined. One thread: others give other bytes."""

import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import cast

import av
import av.error
from av.codec.context import Flags

from stream.children.scheduling import schedule_as_others_do
from stream.errors import BadMedia
from stream.media.processor import instruction_set
from stream.media.transcode.facts import Facts
from stream.media.transcode.hdr import svt_parameters, x265_parameters
from stream.media.transcode.opening import AnyPacket
from stream.media.transcode.packets import Coded
from stream.media.transcode.profiles import Profile
from stream.media.transcode.settings import Transcoding
from stream.media.transcode.target import BT2020, PQ, TargetPictures

SAMPLE_RATE = 48_000
PART_S = 10
_COLOURS_AT, _COLOURS_MASK, _COLOURS_BT2020 = 0x2C, 0b110, 0b010
"""Colours in the header of a DNxHR picture (SMPTE ST 2019-1)."""
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
_PARAMETERS = {"libx264": "x264-params", "libx265": "x265-params", "libsvtav1": "svtav1-params"}


def gop_frames(row: Profile, rate: Fraction) -> int:
    """Pictures of a closed GOP; 1 where each stands by itself."""
    return row.gop_frames or max(1, round(row.gop_s * rate)) if row.gop_s or row.gop_frames else 1


def part_frames(row: Profile, rate: Fraction) -> int:
    """Whole GOPs of about `PART_S`."""
    gop = gop_frames(row, rate)
    return gop * max(1, round(PART_S * rate / gop))


def set_up_pictures(context: av.VideoCodecContext, settings: Transcoding, facts: Facts, target: TargetPictures) -> None:
    """All that decides the bytes of the pictures."""
    # SVT-AV1 otherwise writes its settings to standard error, past FFmpeg's log.
    os.environ.setdefault("SVT_LOG", "1")
    row, rate = settings.row, Fraction(facts.rate)
    context.width, context.height, context.pix_fmt = target.width, target.height, target.pixel_format
    context.time_base, context.framerate = 1 / rate, rate
    context.sample_aspect_ratio = target.aspect
    context.colorspace, context.color_range = target.matrix, target.range
    context.color_primaries, context.color_trc = target.primaries, target.transfer
    context.thread_count = 1
    context.flags |= Flags.global_header.value | Flags.bitexact.value | Flags.closed_gop.value
    gop = gop_frames(row, rate)
    context.gop_size = gop
    context.max_b_frames = row.b_frames
    if target.interlaced:
        context.flags |= Flags.interlaced_dct.value | Flags.interlaced_me.value
        context.field_order = 2
    if settings.bit_rate_kbps is not None or row.bit_rate:
        context.bit_rate = settings.bit_rate_kbps * 1000 if settings.bit_rate_kbps is not None else row.bit_rate
    if row.tag:
        context.codec_tag = row.tag
    context.options = _options(settings, facts, target, gop)


def _options(settings: Transcoding, facts: Facts, target: TargetPictures, gop: int) -> dict[str, str]:
    row = settings.row
    options = dict(row.options)
    if settings.crf is not None:
        options["crf"] = f"{settings.crf:g}"
    elif settings.bit_rate_kbps is not None and row.encoder in ("libx264", "libx265"):
        options |= {"maxrate": str(settings.bit_rate_kbps * 1500), "bufsize": str(settings.bit_rate_kbps * 2000)}
    if row.encoder == "libvpx-vp9" and settings.crf is not None:
        options["b"] = "0"
    parameters = row.parameters
    if row.encoder == "libx264":
        parameters += f":keyint={gop}:min-keyint={gop}:threads=1{x264_code(instruction_set())}"
    elif row.encoder == "libx265":
        parameters += f":keyint={gop}:min-keyint={gop}" + (x265_parameters(facts.light) if _hdr10(target) else "")
        parameters += ":hdr10=1:repeat-headers=0" if _hdr10(target) else ""
    elif row.encoder == "libsvtav1":
        parameters += f":keyint={gop}" + (svt_parameters(facts.light) if _hdr10(target) else "")
    elif row.encoder == "libvpx-vp9":
        options["keyint_min"] = str(gop)
    if row.encoder in _PARAMETERS:
        options[_PARAMETERS[row.encoder]] = parameters
    return options


def x264_code(processor: str) -> str:
    """The code that x264 runs, for its parameters. That for AVX-512 reads memory that nobody has written where it plans
    the quality of blocks (`mbtree_propagate_list`): the bytes of a film would depend on what its process did before.
    What is left gives the same bytes on all of these processors.
    """
    if not processor.startswith("x86_64"):
        return ""
    return ":asm=AVX2" if processor.endswith(("-v3", "-v4")) else ":asm=SSE4.2"


def _hdr10(target: TargetPictures) -> bool:
    return target.transfer == PQ


def set_up_sound(context: av.AudioCodecContext, settings: Transcoding, channels: int) -> None:
    row = settings.row.sound
    context.sample_rate = SAMPLE_RATE
    context.layout = _LAYOUTS[channels]
    context.format = row.sample_format
    context.time_base = Fraction(1, SAMPLE_RATE)
    context.thread_count = 1
    context.flags |= Flags.global_header.value | Flags.bitexact.value
    asked = settings.sound.bit_rate_kbps if settings.sound is not None else None
    if row.bit_rate:
        context.bit_rate = asked * 1000 if asked is not None else row.bit_rate * channels


def layout_of(channels: int) -> str:
    return _LAYOUTS[channels]


def picture_encoder(settings: Transcoding, facts: Facts, target: TargetPictures) -> av.VideoCodecContext:
    """Raises `BadMedia` `unsupported_size` where the encoder refuses the pictures."""
    context = cast("av.VideoCodecContext", av.CodecContext.create(settings.row.encoder, "w"))
    set_up_pictures(context, settings, facts, target)
    try:
        context.open()
    except (av.error.FFmpegError, ValueError):
        raise BadMedia(
            f"the profile {settings.profile} cannot encode {target.width}x{target.height} at {facts.rate} pictures a "
            "second: set width, height or fps",
            code="unsupported_size",
        ) from None
    # SVT-AV1 takes real-time priority where it runs as root, and whatever else the machine does would starve.
    schedule_as_others_do()
    return context


def coded_pictures(encoder: av.VideoCodecContext, frame: av.VideoFrame | None) -> Iterator[Coded]:
    """What an encoder makes of a picture; None: of the end."""
    for packet in coded(encoder.encode(frame)):
        yield _with_colours(packet) if encoder.name == "dnxhd" and encoder.colorspace == BT2020 else packet


def _with_colours(packet: Coded) -> Coded:
    # FFmpeg's encoder says BT.709 in every picture, and decoders believe that more than the file around it.
    payload = bytearray(packet.payload)
    payload[_COLOURS_AT] = payload[_COLOURS_AT] & ~_COLOURS_MASK | _COLOURS_BT2020
    return replace(packet, payload=bytes(payload))


def coded(packets: list[AnyPacket], track: int = 0) -> Iterator[Coded]:
    """Packets of an encoder, as they are kept."""
    for packet in packets:
        assert packet.pts is not None, "encoders give times"
        trimmed = 0
        if packet.has_sidedata("skip_samples"):
            trimmed = int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[4:8], "little")
        yield Coded(
            packet.pts,
            packet.pts if packet.dts is None else packet.dts,
            packet.duration or 0,
            packet.is_keyframe,
            track,
            trimmed,
            bytes(packet),
        )
