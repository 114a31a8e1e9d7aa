"""HLS playlists (RFC 8216) and the DASH manifest (ISO/IEC 23009-1) of one set of tracks. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from xml.etree import ElementTree as ET  # it writes, and reads nothing

from stream.media.package.settings import Captions
from stream.media.package.tracks import CmafFragment, CmafTrack

SEGMENT_S = 4
"""HLS segments are whole fragments of this together, or one longer fragment."""

_MPD = "urn:mpeg:dash:schema:mpd:2011"
_CHANNELS = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
_CHANNEL_CONFIGURATIONS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 8: 7}


def master_playlist(
    video: CmafTrack, sound: CmafTrack | None, playlists: tuple[str, str], captions: Sequence[Captions] = ()
) -> str:
    """`playlists`: names of the picture's and the sound's."""
    tracks = [video] if sound is None else [video, sound]
    peak = sum(track.peak_bits_per_s for track in tracks)
    mean = sum(track.mean_bits_per_s for track in tracks)
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    group = ""
    if sound is not None:
        group = ',AUDIO="sound"'
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="sound",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="{sound.channels}",URI="{playlists[1]}"'
        )
    lines += [
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="captions",NAME="{each.called}",DEFAULT=NO,'
        f'AUTOSELECT=YES,FORCED=NO,LANGUAGE="{each.language}",URI="{each.file}.m3u8"'
        for each in captions
    ]
    group += ',SUBTITLES="captions"' if captions else ""
    codecs = ",".join(track.codec for track in tracks)
    lines.append(
        f'#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean},CODECS="{codecs}",'
        f"RESOLUTION={video.width}x{video.height},FRAME-RATE={float(video.rate):.3f}{group}"
    )
    return "\n".join([*lines, playlists[0], ""])


def media_playlist(track: CmafTrack) -> str:
    segments = list(_segments(track.fragments))
    longest = math.ceil(max(segment.seconds for segment in segments))
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{longest}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{track.name}",BYTERANGE="{track.header_bytes}@0"',
    ]
    for segment in segments:
        lines += [f"#EXTINF:{float(segment.seconds):.6f},", f"#EXT-X-BYTERANGE:{segment.size}@{segment.start}"]
        lines.append(track.name)
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def captions_playlist(captions: Captions, seconds: Fraction) -> str:
    """Of one WebVTT file, whose times are those of the film."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{math.ceil(seconds)}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        f"#EXTINF:{float(seconds):.6f},",
        f"{captions.file}.vtt",
    ]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def _segments(fragments: tuple[CmafFragment, ...]) -> Iterator[CmafFragment]:
    held: CmafFragment | None = None
    for fragment in fragments:
        if held is None:
            held = fragment
        elif held.seconds + fragment.seconds <= SEGMENT_S + Fraction(1, 10):
            held = CmafFragment(held.start, held.size + fragment.size, held.seconds + fragment.seconds)
        else:
            yield held
            held = fragment
    if held is not None:
        yield held


def dash_manifest(
    video: CmafTrack,
    sound: CmafTrack | None,
    seconds: Fraction,
    captions: Sequence[Captions] = (),
    sizes: Mapping[str, int] = MappingProxyType({}),
) -> bytes:
    """The on-demand profile: each track is one file with its own index. `sizes`: of the files of captions."""
    ET.register_namespace("", _MPD)
    root = ET.Element(
        f"{{{_MPD}}}MPD",
        {
            "profiles": "urn:mpeg:dash:profile:isoff-on-demand:2011",
            "type": "static",
            "mediaPresentationDuration": f"PT{float(seconds):.6f}S",
            "minBufferTime": f"PT{SEGMENT_S}S",
        },
    )
    period = _child(root, "Period", id="0", start="PT0S")
    rate = f"{video.rate.numerator}/{video.rate.denominator}"
    pictures = _child(period, "AdaptationSet", id="0", contentType="video", subsegmentAlignment="true")
    pictures.set("subsegmentStartsWithSAP", "1")
    shown = _representation(pictures, "video", video, "video/mp4")
    shown.attrib |= {"width": str(video.width), "height": str(video.height), "frameRate": rate, "sar": "1:1"}
    if sound is not None:
        sounds = _child(period, "AdaptationSet", id="1", contentType="audio", subsegmentAlignment="true")
        sounds.set("subsegmentStartsWithSAP", "1")
        one = _representation(sounds, "sound", sound, "audio/mp4")
        one.set("audioSamplingRate", str(sound.sample_rate))
        configured = ET.Element(
            f"{{{_MPD}}}AudioChannelConfiguration",
            {"schemeIdUri": _CHANNELS, "value": str(_CHANNEL_CONFIGURATIONS.get(sound.channels, 0))},
        )
        one.insert(0, configured)
    for number, each in enumerate(captions, 2):
        texts = _child(period, "AdaptationSet", id=str(number), contentType="text", lang=each.language)
        if each.name:
            _child(texts, "Label").text = each.name
        _child(texts, "Role", schemeIdUri="urn:mpeg:dash:role:2011", value="subtitle")
        bits_per_s = str(math.ceil(sizes[each.file] * 8 / seconds))
        shown = _child(texts, "Representation", id=each.file, mimeType="text/vtt", bandwidth=bits_per_s)
        _child(shown, "BaseURL").text = f"{each.file}.vtt"
    return written(root)


def _representation(parent: ET.Element, name: str, track: CmafTrack, kind: str) -> ET.Element:
    made = _child(
        parent, "Representation", id=name, mimeType=kind, codecs=track.codec, bandwidth=str(track.peak_bits_per_s)
    )
    _child(made, "BaseURL").text = track.name
    base = _child(made, "SegmentBase", indexRange=f"{track.index[0]}-{track.index[1]}")
    _child(base, "Initialization", range=f"0-{track.header_bytes - 1}")
    return made


def _child(parent: ET.Element, name: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, f"{{{_MPD}}}{name}", attributes)


def written(root: ET.Element) -> bytes:
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"
