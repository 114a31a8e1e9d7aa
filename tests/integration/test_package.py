"""Streaming packages, read by what is not the packager: ranges are decoded, times added up, XML parsed."""

import re
from collections.abc import Mapping
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import av
import numpy as np
import pytest
import vastlint
from PIL import Image
from pydantic import JsonValue

from stream.errors import BadMedia, BadRequest
from stream.media.package.settings import AdTag
from stream.media.package.tracks import CmafFragment, CmafTrack
from stream.media.package.vast import vast_tag
from stream.media.protocol import Settings
from tests.support.delivered import delivered, operator_named
from tests.support.media_examples import film_with_sound, made, work
from tests.support.numbered_clips import number_in, number_of, write_numbered

SECONDS = 11
TAG: dict[str, JsonValue] = {
    "ad_id": "ABCD1234567H",
    "title": "Dry & <wet>",
    "url_prefix": "https://cdn.example/a/",
    "impression_url": "https://ads.example/i?a=1&b=2",
    "tracking_url": "https://ads.example/t?e={event}",
}
SETTINGS: Settings = {"sprite_s": 1, "poster_s": 3, "vast": {**TAG}}
MPD, VAST = "{urn:mpeg:dash:schema:mpd:2011}", "{http://www.iab.com/VAST}"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    folder = tmp_path_factory.mktemp("package")
    film = delivered(film_with_sound(folder, seconds=SECONDS)["source"], {"profile": "h264_web"}, folder / "film")
    operator = operator_named("package")
    return made(
        operator, work(operator, {"sprite_s": 1, "poster_s": 3, "vast": TAG}, {"source": film}, folder / "made")
    )


def numbers_in(data: bytes) -> list[int]:
    with av.open(BytesIO(data), "r") as container:
        return [number_of(frame) for frame in container.decode(video=0)]


def test_each_hls_segment_plays_by_itself(package: Mapping[str, bytes]) -> None:
    text = package["video.m3u8"].decode()
    track = package["video.mp4"]
    found = re.search(r'#EXT-X-MAP:URI="video.mp4",BYTERANGE="(\d+)@0"', text)
    assert found is not None
    header = track[: int(found[1])]
    lasts = [Fraction(value) for value in re.findall(r"#EXTINF:([\d.]+),", text)]
    assert lasts == [4, 4, 3]
    numbers, end = [], None
    for size, start in re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)\nvideo.mp4", text):
        assert end is None or int(start) == end
        end = int(start) + int(size)
        numbers.append(numbers_in(header + track[int(start) : end]))
    assert end == len(track)
    assert numbers == [list(range(100)), list(range(100, 200)), list(range(200, 275))]
    assert "#EXT-X-TARGETDURATION:4\n" in text
    sound = [float(value) for value in re.findall(r"#EXTINF:([\d.]+),", package["sound.m3u8"].decode())]
    assert sum(sound) == pytest.approx(SECONDS, abs=0.03)


def test_ffmpeg_plays_what_the_playlists_say(package: Mapping[str, bytes], tmp_path: Path) -> None:
    """The whole presentation by its first file, as `ffprobe` and players that are built on FFmpeg read it."""
    for name, data in package.items():
        (tmp_path / name).write_bytes(data)
    text = package["master.m3u8"].decode()
    lasts = {name: re.findall(r"#EXTINF:([\d.]+),", package[f"{name}.m3u8"].decode()) for name in ("video", "sound")}
    with av.open(str(tmp_path / "master.m3u8"), options={"allowed_extensions": "m3u8,mp4"}) as container:
        shown, heard = container.streams.video[0], container.streams.audio[0]
        assert f"RESOLUTION={shown.width}x{shown.height},FRAME-RATE={float(shown.average_rate or 0):.3f}" in text
        assert f'CHANNELS="{heard.channels}"' in text
        assert (shown.codec_context.name, heard.codec_context.name) == ("h264", "aac")
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(sum(map(float, lasts["video"])), abs=0.001)
        pictures, samples = [], 0
        for frame in container.decode(video=0, audio=0):
            if isinstance(frame, av.VideoFrame):
                pictures.append((frame.time, number_of(frame)))
            elif isinstance(frame, av.AudioFrame):
                samples += frame.samples
    assert [number for _, number in pictures] == list(range(SECONDS * 25))
    assert [time for time, _ in pictures] == pytest.approx([number / 25 for number in range(SECONDS * 25)], abs=0.001)
    assert samples / 48_000 == pytest.approx(sum(map(float, lasts["sound"])), abs=1024 / 48_000)


def test_the_master_playlist_names_what_players_choose_by(package: Mapping[str, bytes]) -> None:
    text = package["master.m3u8"].decode()
    found = re.search(r"BANDWIDTH=(\d+),AVERAGE-BANDWIDTH=(\d+)", text)
    assert found is not None
    size = len(package["video.mp4"]) + len(package["sound.mp4"])
    assert int(found[2]) == pytest.approx(size * 8 / SECONDS, rel=0.05)
    assert int(found[1]) >= int(found[2])
    assert 'CODECS="avc1.64' in text
    assert 'mp4a.40.2",RESOLUTION=128x64,FRAME-RATE=25.000,AUDIO="sound"\nvideo.m3u8\n' in text


def test_dash_reads_the_same_tracks_by_their_own_index(package: Mapping[str, bytes]) -> None:
    root = ET.fromstring(package["manifest.mpd"])
    assert root.get("mediaPresentationDuration") == "PT11.000000S"
    for one in root.iter(f"{MPD}Representation"):
        track = package[str(one.findtext(f"{MPD}BaseURL"))]
        base = one.find(f"{MPD}SegmentBase")
        assert base is not None
        first, last = map(int, str(base.get("indexRange")).split("-"))
        assert track[first + 4 : first + 8] == b"sidx"
        assert track[last + 5 : last + 9] == b"moof"
        with av.open(BytesIO(track[:first] + track[last + 1 :]), "r") as container:
            assert sum(packet.size > 0 for packet in container.demux()) > SECONDS * 20


def test_sound_and_picture_begin_at_zero(package: Mapping[str, bytes]) -> None:
    """Read from the boxes: the first fragment's time, its first picture's offset to it, and what the edit leaves out:
    the reordering of pictures, and the run-up of the sound.
    """
    for name, left_out in (("video.mp4", 2 * 512), ("sound.mp4", 1024)):
        track = package[name]
        assert b"cmfc" in track[: int.from_bytes(track[:4])]
        tfdt, trun, elst = (track.index(kind) + 4 for kind in (b"tfdt", b"trun", b"elst"))
        assert int.from_bytes(track[tfdt + 4 : tfdt + 12]) == 0
        assert int.from_bytes(track[elst + 12 : elst + 16]) == left_out
        if name == "video.mp4":
            flags = int.from_bytes(track[trun + 1 : trun + 4])
            assert flags == 0xA05, "offset, first sample's flags; each sample's size and composition offset"
            assert int.from_bytes(track[trun + 20 : trun + 24], signed=True) == left_out


def test_the_ad_tag_says_what_is_delivered(package: Mapping[str, bytes]) -> None:
    root = ET.fromstring(package["vast.xml"])
    assert (root.tag, root.get("version")) == (f"{VAST}VAST", "4.2")
    inline = root.find(f"{VAST}Ad/{VAST}InLine")
    assert inline is not None
    assert inline.findtext(f"{VAST}AdTitle") == TAG["title"]
    assert inline.findtext(f"{VAST}Impression") == TAG["impression_url"]
    creative = inline.find(f"{VAST}Creatives/{VAST}Creative")
    assert creative is not None
    adid = creative.find(f"{VAST}UniversalAdId")
    assert adid is not None
    assert (adid.get("idRegistry"), adid.text) == ("ad-id.org", TAG["ad_id"])
    linear = creative.find(f"{VAST}Linear")
    assert linear is not None
    assert linear.findtext(f"{VAST}Duration") == "00:00:11.000"
    files = [str(one.text) for one in linear.iter(f"{VAST}MediaFile")]
    assert files == ["https://cdn.example/a/master.m3u8", "https://cdn.example/a/manifest.mpd"]
    assert len(list(linear.iter(f"{VAST}Tracking"))) == 5


def validated(**settings: JsonValue) -> Any:
    """A tag with these settings, as a validator of others sees it."""
    video = CmafTrack("video", "avc1.64001f", 8, (CmafFragment(9, 99_000, Fraction(15)),), 1280, 720, Fraction(25))
    tag = vast_tag(AdTag.model_validate({**TAG, **settings}), video, None, Fraction(15), "0123456789abcdef" * 4)
    return vastlint.validate(tag)


def test_a_validator_finds_nothing_in_the_ad_tag(package: Mapping[str, bytes]) -> None:
    found = vastlint.validate(package["vast.xml"])
    assert found.valid
    assert [issue.id for issue in found.issues] == ["VAST-4.1-mezzanine-recommended"]
    # With everything that a tag can have, and addresses that would end or begin markup.
    whole = validated(
        advertiser="A & B",
        click_through_url="https://x.example/?a=<b>&c=]]>&d=%22",
        progressive_url="https://cdn.example/a.mp4?x=]]>",
        mezzanine_url="https://cdn.example/a.mov",
        mezzanine_type="video/quicktime",
    )
    assert list(whole.issues) == []
    # It is one that finds something where there is something.
    assert {issue.id for issue in validated(impression_url="http://ads.example/i").issues} >= {
        "VAST-2.0-tracking-https"
    }


def test_addresses_in_the_ad_tag_are_read_as_they_were_written() -> None:
    address = "https://x.example/?a=<b>&amp;c=]]>]]&d='\""
    video = CmafTrack("video", "avc1.64001f", 8, (CmafFragment(9, 99_000, Fraction(15)),), 1280, 720, Fraction(25))
    tag = AdTag.model_validate({**TAG, "click_through_url": address, "title": "https://x.example/ is <no> address"})
    root = ET.fromstring(vast_tag(tag, video, None, Fraction(15), "0123456789abcdef" * 4))
    assert [each.text for each in root.iter(f"{VAST}ClickThrough")] == [address]
    assert [each.text for each in root.iter(f"{VAST}AdTitle")] == ["https://x.example/ is <no> address"]


def test_each_cue_shows_the_picture_of_its_time(package: Mapping[str, bytes]) -> None:
    sheet = np.asarray(Image.open(BytesIO(package["sprites.jpg"])).convert("L"))
    cues = re.findall(r"(\S+) --> (\S+)\nsprites.jpg#xywh=(\d+),(\d+),(\d+),(\d+)", package["sprites.vtt"].decode())
    assert [cue[0] for cue in cues] == [f"00:00:{second:02}.000" for second in range(SECONDS)]
    assert [cue[1] for cue in cues] == [f"00:00:{second:02}.000" for second in range(1, SECONDS + 1)]
    for second, (_, _, *box) in enumerate(cues):
        left, top, width, height = map(int, box)
        assert (width, height) == (160, 80)
        assert number_in(sheet[top : top + height, left : left + width]) == 25 * second
    poster = np.asarray(Image.open(BytesIO(package["poster.jpg"])).convert("L"))
    assert poster.shape == (64, 128)
    assert number_in(poster) == 75


def test_captions_lie_beside_the_film(tmp_path: Path) -> None:
    film = delivered(film_with_sound(tmp_path, seconds=3)["source"], {"profile": "h264_web"}, tmp_path / "film")
    texts = {
        "en": b"\xef\xbb\xbfWEBVTT\r\n\r\n00:01.000 --> 00:02.500\r\nA <i>quiet</i> word\r\n",
        "ar": "WEBVTT\n\n00:00.000 --> 00:02.000\n\u0628\u0647\u062f\u0648\u0621\n".encode(),
    }
    inputs = {"source": film}
    for name, text in texts.items():
        inputs[name] = tmp_path / f"{name}.vtt"
        inputs[name].write_bytes(text)
    captions: list[JsonValue] = [
        {"input": "en", "language": "en", "name": "English"},
        {"input": "ar", "language": "ar"},
    ]
    operator = operator_named("package")
    found = made(operator, work(operator, {"captions": captions}, inputs, tmp_path / "made"))
    assert found["captions-en.vtt"] == b"WEBVTT\n\n00:01.000 --> 00:02.500\nA <i>quiet</i> word\n"
    assert found["captions-ar.vtt"] == texts["ar"]
    assert found["captions-en.m3u8"].endswith(b"#EXTINF:3.000000,\ncaptions-en.vtt\n#EXT-X-ENDLIST\n")
    master = found["master.m3u8"].decode()
    assert re.findall(r'TYPE=SUBTITLES,GROUP-ID="captions",NAME="(\w+)",.*LANGUAGE="(\w+)",URI="(.*)"', master) == [
        ("English", "en", "captions-en.m3u8"),
        ("ar", "ar", "captions-ar.m3u8"),
    ]
    assert 'AUDIO="sound",SUBTITLES="captions"\nvideo.m3u8' in master
    texts_in_dash = [
        (each.get("lang"), each.findtext(f"{MPD}Label"), each.findtext(f"{MPD}Representation/{MPD}BaseURL"))
        for each in ET.fromstring(found["manifest.mpd"]).iter(f"{MPD}AdaptationSet")
        if each.get("contentType") == "text"
    ]
    assert texts_in_dash == [("en", "English", "captions-en.vtt"), ("ar", None, "captions-ar.vtt")]


@pytest.mark.parametrize(
    ("captions", "words"),
    [
        ([{"input": "none", "language": "en"}], r"captions\.0\.input: there is no input 'none'"),
        ([{"input": "en", "language": "en"}, {"input": "en", "language": "EN"}], r"captions\.1\.language: EN stands"),
        ([{"input": "en", "language": "../en"}], r"captions\.0\.language"),
        ([{"input": "en", "language": "en", "name": 'a"b'}], r"captions\.0\.name"),
        (
            [{"input": "en", "language": "en", "name": "Words"}, {"input": "en", "language": "de", "name": "Words"}],
            r"captions\.1\.name: 'Words' is the name of others",
        ),
        (
            [{"input": "en", "language": "en"}, {"input": "en", "language": "de", "name": "en"}],
            r"captions\.1\.name: 'en' is the name of others",
        ),
        ([], "say which input"),
    ],
)
def test_captions_that_cannot_be_offered_are_refused(captions: JsonValue, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        operator_named("package").check({"captions": captions}, ["en", "source"])


def test_without_captions_the_settings_are_those_from_before_there_were_any() -> None:
    """They are part of the key, by which a finished package is known."""
    assert operator_named("package").check({}, ["source"]) == {
        "input": "source",
        "sound": True,
        "poster_s": None,
        "sprite_s": 2.0,
        "sprite_width": 160,
        "vast": None,
    }


def test_captions_that_are_none_are_refused(tmp_path: Path) -> None:
    film = delivered(film_with_sound(tmp_path, seconds=1)["source"], {"profile": "h264_web"}, tmp_path / "film")
    (tmp_path / "en.vtt").write_text("1\n00:00:01,000 --> 00:00:02,000\nof another format\n")
    operator = operator_named("package")
    settings: Settings = {"captions": [{"input": "en", "language": "en"}]}
    with pytest.raises(BadMedia, match="does not begin with WEBVTT") as caught:
        made(operator, work(operator, settings, {"source": film, "en": tmp_path / "en.vtt"}, tmp_path / "made"))
    assert caught.value.code == "bad_captions"


def test_what_cannot_be_streamed_is_refused(tmp_path: Path) -> None:
    silent = write_numbered(tmp_path / "silent.mp4", range(10), time_base=Fraction(1, 25))
    with pytest.raises(BadMedia, match="set sound to false"):
        delivered(silent, {}, tmp_path / "sound", "package")
    assert delivered(silent, {"sound": False}, tmp_path / "silent", "package").name == "master.m3u8"
    master = delivered(silent, {"profile": "prores_422", "sound": None}, tmp_path / "prores")
    with pytest.raises(BadMedia, match="prores cannot be streamed") as caught:
        delivered(master, {"sound": False}, tmp_path / "refused", "package")
    assert caught.value.code == "not_streamable"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url_prefix": "https://cdn.example/a"}, "vast.url_prefix: it must end with /"),
        ({"url_prefix": "file:///etc/"}, "vast.url_prefix"),
        ({"title": "a\nb"}, "vast.title"),
        ({"impression_url": "https://x.example/\x00"}, "vast.impression_url"),
    ],
)
def test_a_wrong_tag_is_named(change: dict[str, str], said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        operator_named("package").check({"vast": {**TAG, **change}}, ["source"])
    assert caught.value.code == "template_invalid"
