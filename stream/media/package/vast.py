"""The ad tag of a package: VAST 4.2 (IAB Tech Lab), one linear creative. Pure."""

import math
import re
import uuid
from fractions import Fraction
from xml.etree import ElementTree as ET  # it writes, and reads nothing
from xml.sax.saxutils import unescape

from stream.media.package.manifests import written
from stream.media.package.settings import AdTag
from stream.media.package.tracks import CmafTrack

_NAMESPACE = "http://www.iab.com/VAST"
_ADDRESS = re.compile(rb">(https?://[^<]*)</")
_EVENTS = ("start", "firstQuartile", "midpoint", "thirdQuartile", "complete")


def vast_tag(tag: AdTag, video: CmafTrack, sound: CmafTrack | None, seconds: Fraction, digest: str) -> bytes:
    """`digest` of the film: the `AdServingId` comes from it, so that the same package has the same tag."""
    root = ET.Element("VAST", {"version": "4.2", "xmlns": _NAMESPACE})
    inline = _child(_child(root, "Ad", id=tag.ad_id), "InLine")
    _child(inline, "AdSystem", version="1").text = "rushes"
    _child(inline, "Impression", id="impression").text = tag.impression_url
    _child(inline, "AdServingId").text = str(uuid.UUID(digest[:32]))
    _child(inline, "AdTitle").text = tag.title
    if tag.advertiser is not None:
        _child(inline, "Advertiser").text = tag.advertiser
    creative = _child(_child(inline, "Creatives"), "Creative", id=tag.ad_id, sequence="1")
    linear = _child(creative, "Linear")
    if tag.tracking_url is not None:
        events = _child(linear, "TrackingEvents")
        for event in _EVENTS:
            _child(events, "Tracking", event=event).text = tag.tracking_url.replace("{event}", event)
    _child(linear, "Duration").text = clock(seconds)
    _files(_child(linear, "MediaFiles"), tag, video, sound)
    if tag.click_through_url is not None:
        _child(_child(linear, "VideoClicks"), "ClickThrough", id="click").text = tag.click_through_url
    _child(creative, "UniversalAdId", idRegistry=tag.registry).text = tag.ad_id
    return _with_cdata(written(root))


def _files(parent: ET.Element, tag: AdTag, video: CmafTrack, sound: CmafTrack | None) -> None:
    tracks = [video] if sound is None else [video, sound]
    kilobits = str(math.ceil(sum(track.mean_bits_per_s for track in tracks) / 1000))
    common = {
        "width": str(video.width),
        "height": str(video.height),
        "codec": ",".join(track.codec for track in tracks),
        "scalable": "true",
        "maintainAspectRatio": "true",
    }
    streams = [
        ("hls", "application/vnd.apple.mpegurl", f"{tag.url_prefix}master.m3u8"),
        ("dash", "application/dash+xml", f"{tag.url_prefix}manifest.mpd"),
    ]
    if tag.progressive_url is not None:
        made = _child(parent, "MediaFile", id="progressive", delivery="progressive", type="video/mp4", bitrate=kilobits)
        made.attrib |= common
        made.text = tag.progressive_url
    for name, kind, url in streams:
        made = _child(parent, "MediaFile", id=name, delivery="streaming", type=kind, **common)
        made.text = url
    if tag.mezzanine_url is not None:
        size = {name: common[name] for name in ("width", "height")}
        _child(parent, "Mezzanine", delivery="progressive", type=tag.mezzanine_type, **size).text = tag.mezzanine_url


def _with_cdata(document: bytes) -> bytes:
    """With all addresses as CDATA, as players of older VAST expect them; `ElementTree` cannot write that."""

    def wrapped(match: "re.Match[bytes]") -> bytes:
        # What would end the section is divided among two.
        text = unescape(match[1].decode()).replace("]]>", "]]]]><![CDATA[>")
        return f"><![CDATA[{text}]]></".encode()

    return _ADDRESS.sub(wrapped, document)


def clock(seconds: Fraction) -> str:
    """`hh:mm:ss.mmm`, to the nearest millisecond."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"


def _child(parent: ET.Element, name: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, name, attributes)
