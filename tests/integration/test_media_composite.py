"""`composite` on real files: times, colours, orientation, sound, joined parts, hostile input."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from stream.errors import BadMedia
from stream.media.composite.operator import Composite
from stream.media.protocol import Task
from tests.support.colour_reference import PRINTED, coded
from tests.support.numbered_clips import number_in, write_numbered

OPERATOR = Composite()
SMALL = {"width": 128, "height": 64, "fps": 25, "duration": 1}
CODES = {"bt601": 5, "bt709": 1}


def task(folder: Path, settings: Mapping[str, Any], inputs: Mapping[str, Path]) -> Task:
    checked = OPERATOR.check({**SMALL, **settings}, sorted(inputs))
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True)
    return Task(checked, inputs, folder / "out", folder / "scratch")


def rendered(folder: Path, settings: Mapping[str, Any], inputs: Mapping[str, Path] | None = None) -> Path:
    work = task(folder / "work", settings, inputs or {})
    OPERATOR.render(work)
    return work.folder / "picture.mkv"


def pictures(path: Path) -> list[npt.NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.reformat(format="yuv444p").to_ndarray(), np.uint8) for frame in container.decode(video=0)
        ]


def sound(path: Path) -> npt.NDArray[np.float64]:
    """float64 [n, 2] of full scale 1."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio=0)]
    return np.concatenate(frames).astype(np.float64) / 2**31


def shown_rgb(planes: npt.NDArray[np.uint8], x: int, y: int, matrix: str = "bt709") -> npt.NDArray[np.float64]:
    """What a player shows of limited range, written from the recommendations."""
    luma, cb, cr = (
        (float(planes[index, y, x]) - zero) / span for index, zero, span in ((0, 16, 219), (1, 128, 224), (2, 128, 224))
    )
    kr, kb = PRINTED[matrix]
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    return np.array([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue]).clip(0, 1) * 255


def write_patches(path: Path, codes: list[tuple[int, int, int]], pix_fmt: str, tags: tuple[int, int]) -> None:
    """A lossless film of one picture with eight patches of 16 pixels, of these code values."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 64, pix_fmt
        stream.codec_context.colorspace, stream.codec_context.color_range = tags
        planes = np.repeat(np.repeat(np.array(codes, np.uint8).T[:, None, :], 64, axis=1), 16, axis=2)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
        if pix_fmt == "yuv420p":
            halves = [planes[0].reshape(-1), planes[1, ::2, ::2].reshape(-1), planes[2, ::2, ::2].reshape(-1)]
            frame = av.VideoFrame.from_ndarray(np.concatenate(halves).reshape(96, 128), format="yuv420p")
        frame.colorspace, frame.color_range = tags
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_colours_of_footage_stay_within_2_of_255(tmp_path: Path, matrix: str, full: bool, pix_fmt: str) -> None:
    random = np.random.default_rng(20)
    colours = [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), *random.uniform(0.05, 0.95, (6, 3)).tolist()]
    codes = [coded((red, green, blue), matrix, full=full, bits=8) for red, green, blue in colours]
    write_patches(tmp_path / "film.mkv", codes, pix_fmt, (CODES[matrix], 2 if full else 1))
    settings = {"layers": [{"kind": "video", "input": "film", "when_shorter": "hold"}], "pixel_format": pix_fmt}
    found = pictures(rendered(tmp_path, {**settings, "duration": 0.04}, {"film": tmp_path / "film.mkv"}))[0]
    seen = np.array([shown_rgb(found, 16 * index + 8, 32) for index in range(8)])
    # The footage's own rounding to 8 bit is not ours: it is taken from its code values.
    kr, kb = PRINTED[matrix]
    zero, luma_span, span = (0, 255, 255) if full else (16, 219, 224)
    luma, cb, cr = ((np.array(codes) - [zero, 128, 128]) / [luma_span, span, span]).T
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    wanted = np.stack([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue], axis=1).clip(0, 1) * 255
    assert np.abs(seen - wanted).max() <= 2


def test_colours_of_settings_and_pictures_stay_within_2_of_255(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (12, 180, 77)).save(tmp_path / "logo.png")
    layers = [
        {"kind": "shape", "fill": "#c81e3c", "anchor": "left", "width": 40, "height": 64},
        {"kind": "image", "input": "logo", "anchor": "right", "width": 40, "height": 40},
        {"kind": "shape", "fill": "#0000ff80", "anchor": "left", "width": 40, "height": 20},
    ]
    found = pictures(rendered(tmp_path, {"background": "#f0a010", "layers": layers}, {"logo": tmp_path / "logo.png"}))[
        3
    ]
    places = {(64, 32): (240, 160, 16), (10, 5): (200, 30, 60), (110, 32): (12, 180, 77), (10, 32): (100, 15, 158)}
    for (x, y), colour in places.items():
        assert np.abs(shown_rgb(found, x, y) - colour).max() <= 2
    poster = np.asarray(Image.open(tmp_path / "work" / "out" / "poster.png").convert("RGB")).astype(int)
    assert all(np.abs(poster[y, x] - colour).max() <= 2 for (x, y), colour in places.items())


def numbers(folder: Path, film: Path, settings: Mapping[str, Any], **layer: Any) -> list[int]:
    shown = {"kind": "video", "input": "film", "fit": "stretch", **layer}
    return [
        number_in(picture[0]) for picture in pictures(rendered(folder, {**settings, "layers": [shown]}, {"film": film}))
    ]


def test_each_frame_shows_the_picture_of_its_time(tmp_path: Path) -> None:
    """Behind a seek into a GOP of 60 pictures with reordering, in parts of half a second."""
    film = tmp_path / "film.mp4"
    write_numbered(film, range(250), time_base=Fraction(1, 25), gop=60, options={"bf": "3"})
    found = numbers(tmp_path, film, {"part_seconds": 0.5, "duration": 1.6}, source_start=6.2)
    assert found == list(range(155, 195))
    film_50 = tmp_path / "film.mkv"
    write_numbered(film_50, range(100), time_base=Fraction(1, 50))
    assert numbers(tmp_path / "2", film_50, {}) == list(range(0, 50, 2))
    assert numbers(tmp_path / "3", film_50, {"fps": "24000/1001", "duration": 1.001}) == [
        int((n + 0.3) * 50 * 1.001 / 24) for n in range(24)
    ]


def test_footage_that_is_shorter_loops_holds_or_is_an_error(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    write_numbered(film, range(10), time_base=Fraction(1, 25))
    assert numbers(tmp_path / "1", film, {}, when_shorter="loop") == [n % 10 for n in range(25)]
    assert numbers(tmp_path / "2", film, {}, when_shorter="hold") == [min(n, 9) for n in range(25)]
    with pytest.raises(BadMedia, match=r"'film' ends after 0\.400 s.*when_shorter") as caught:
        numbers(tmp_path / "3", film, {})
    assert caught.value.code == "footage_too_short"
    assert numbers(tmp_path / "4", film, {}, end=0.4)[:10] == list(range(10))
    # Behind a card nothing is seen, so nothing is missed.
    card = {"kind": "end_card", "start": 0.4, "background": "#ffffff", "layers": [{"kind": "text", "text": "Now"}]}
    layers = [{"kind": "video", "input": "film"}, card]
    hidden = pictures(rendered(tmp_path / "5", {"layers": layers}, {"film": film}))
    assert [bool((picture[0] == 235).mean() > 0.5) for picture in hidden] == [False] * 10 + [True] * 15


def test_parts_give_the_bytes_of_the_whole(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    write_numbered(film, range(60), time_base=Fraction(1, 25), gop=40, options={"bf": "2"})
    write_tone(tmp_path / "voice.wav", seconds=1)
    settings = {
        "fps": "30000/1001", "duration": 2.002, "part_seconds": 0.7, "pixel_format": "yuv420p",
        "layers": [{"kind": "video", "input": "film"}, {"kind": "text", "text": "Now", "start": 0.3, "fade_in": 0.5}],
        "sounds": [{"input": "voice", "loop": True}, {"input": "voice", "start": 1, "duck": {"under": 0}}],
    }  # fmt: skip
    inputs = {"film": film, "voice": tmp_path / "voice.wav"}
    whole = task(tmp_path / "whole", settings, inputs)
    OPERATOR.render(whole)
    joined = task(tmp_path / "joined", settings, inputs)
    parts = list(OPERATOR.divide(joined))
    assert [part["kind"] for part in parts] == ["frames"] * 3 + ["sound"]
    folders = [tmp_path / f"part-{index}" for index in range(len(parts))]
    for part, folder in reversed(list(zip(parts, folders, strict=True))):
        folder.mkdir()
        OPERATOR.render(replace(joined, folder=folder, part=part))
    OPERATOR.join(joined, folders)
    digests = [
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in work.folder.iterdir()}
        for work in (whole, joined)
    ]
    assert digests[0] == digests[1]
    assert digests[0].keys() == OPERATOR.outputs(whole.settings).keys()
    assert len(sound(whole.folder / "picture.mkv")) == 96_096
    assert len(pictures(whole.folder / "picture.mkv")) == 60


@pytest.mark.parametrize(
    ("turned", "red", "blue", "black"),
    [(0, (56, 32), (72, 32), (40, 32)), (-90, (4, 20), (124, 44), None), (180, (72, 32), (56, 32), (88, 32))],
)
def test_turned_footage_and_its_pixel_aspect_are_honoured(
    tmp_path: Path, turned: int, red: tuple[int, int], blue: tuple[int, int], black: tuple[int, int] | None
) -> None:
    """Red at the left of blue, with pixels twice as high as wide: 32 x 64 as stored, 64 x 32 where it is turned."""
    film = tmp_path / "film.mp4"
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :32, 0] = picture[:, 32:, 2] = 200
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.sample_aspect_ratio = Fraction(1, 2)
        if turned:
            stream.set_display_rotation(turned)
        for _ in range(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    shown = {"kind": "video", "input": "film", "fit": "contain"}
    found = pictures(rendered(tmp_path, {"layers": [shown]}, {"film": film}))[5]
    assert shown_rgb(found, *red).argmax() == 0
    assert shown_rgb(found, *red)[0] > 150
    assert shown_rgb(found, *blue).argmax() == 2
    if black is not None:
        assert shown_rgb(found, *black).max() <= 2


def write_tone(path: Path, *, seconds: float, level: float = 0.25, start: float = 0.0, channels: int = 1) -> None:
    times = np.arange(round(seconds * 48_000)) / 48_000
    wave = np.where(times >= start, level * np.sin(2 * np.pi * 1000 * times), 0)
    samples = np.repeat(np.rint(wave * 32767).astype(np.int16), channels)[None, :]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono" if channels == 1 else "stereo")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono" if channels == 1 else "stereo")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def rms(samples: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def test_sounds_have_their_levels_times_and_fades(tmp_path: Path) -> None:
    write_tone(tmp_path / "bed.wav", seconds=5)
    write_tone(tmp_path / "voice.wav", seconds=0.5, level=0.25, channels=2)
    sounds = [
        {
            "input": "bed",
            "gain_db": -6.0206,
            "fade_out": 0.5,
            "duck": {"under": 1, "by_db": 40, "attack": 0.1, "release": 0.1},
        },
        {"input": "voice", "start": 1, "gain_db": -96},
    ]
    inputs = {"bed": tmp_path / "bed.wav", "voice": tmp_path / "voice.wav"}
    heard = sound(rendered(tmp_path, {"duration": 3, "sounds": sounds}, inputs))
    assert len(heard) == 144_000
    plain = 0.125 / np.sqrt(2)
    assert rms(heard[:40_000]) == pytest.approx(plain, rel=0.01)  # one channel is copied to both, at its own level
    # A voice too low to be heard ducks nothing; its level counts and not its presence.
    assert rms(heard[60_000:66_000]) == pytest.approx(plain, rel=0.01)
    assert rms(heard[-12_000:-11_000]) == pytest.approx(plain / 2, rel=0.05)
    assert rms(heard[-100:]) < plain / 50
    loud = [sounds[0], {**sounds[1], "gain_db": 0}]
    ducked = sound(rendered(tmp_path / "loud", {"duration": 3, "sounds": loud}, inputs))
    assert rms(ducked[54_000:70_000]) == pytest.approx(0.25 / np.sqrt(2), rel=0.03)
    assert rms(ducked[80_000:100_000]) == pytest.approx(plain, rel=0.01)


def test_a_sound_loops_unless_it_is_too_short(tmp_path: Path) -> None:
    for name, seconds in (("long", 0.3), ("short", 0.01)):
        write_tone(tmp_path / f"{name}.wav", seconds=seconds)
    inputs = {name: tmp_path / f"{name}.wav" for name in ("long", "short")}
    heard = sound(rendered(tmp_path, {"sounds": [{"input": "long", "loop": True}]}, inputs))
    assert np.array_equal(heard[:14_400], heard[14_400:28_800])
    assert rms(heard[-4_800:]) == pytest.approx(0.25 / np.sqrt(2), rel=0.01)
    with pytest.raises(BadMedia, match=r"'short' has less than 0\.1 s and cannot loop"):
        rendered(tmp_path / "2", {"sounds": [{"input": "short", "loop": True}]}, inputs)


def test_a_clip_without_sounds_is_silent_and_a_picture_without_layers_is_plain(tmp_path: Path) -> None:
    path = rendered(tmp_path, {"sample_bits": 16})
    assert len(pictures(path)) == 25
    with av.open(str(path)) as container:
        heard = np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio=0)])
    assert heard.shape == (48_000, 2)
    assert not heard.any()


def test_text_captions_and_key_are_seen_where_they_should_be(tmp_path: Path) -> None:
    (tmp_path / "words.vtt").write_text("WEBVTT\n\n00:00.400 --> 00:00.800\n<b>Later</b>\n")
    green = Image.new("RGB", (64, 64), (0, 255, 0))
    green.paste((255, 0, 0), (16, 16, 48, 48))
    green.save(tmp_path / "actor.png")
    layers = [
        {"kind": "image", "input": "actor", "anchor": "left", "width": 64, "height": 64, "chroma_key": {}},
        {"kind": "captions", "input": "words", "size": 12, "box": None},
        {
            "kind": "text",
            "text": "أهلا",
            "language": "ar",
            "size": 14,
            "anchor": "top-right",
            "align": "start",
            "start": 0.2,
        },
    ]
    inputs = {"words": tmp_path / "words.vtt", "actor": tmp_path / "actor.png"}
    found = pictures(rendered(tmp_path, {"background": "#000080", "layers": layers}, inputs))
    bright = [picture[0] > 150 for picture in found]
    assert [int(picture[44:, :].any()) for picture in bright] == [0] * 10 + [1] * 10 + [0] * 5
    assert [int(picture[:24, 70:].any()) for picture in bright] == [0] * 5 + [1] * 20
    assert np.abs(shown_rgb(found[0], 4, 4) - (0, 0, 128)).max() <= 2
    assert np.abs(shown_rgb(found[0], 32, 32) - (255, 0, 0)).max() <= 4


def test_a_mask_shows_its_light_parts(tmp_path: Path) -> None:
    mask = Image.new("L", (20, 10), 0)
    mask.paste(255, (0, 0, 10, 10))
    mask.save(tmp_path / "mask.png")
    Image.new("RGB", (8, 8), (200, 0, 0)).save(tmp_path / "logo.png")
    inputs = {"mask": tmp_path / "mask.png", "logo": tmp_path / "logo.png"}
    for invert, red in ((False, 16), (True, 112)):
        layer = {"kind": "image", "input": "logo", "fit": "stretch", "mask": {"input": "mask", "invert": invert}}
        found = pictures(rendered(tmp_path / str(invert), {"layers": [layer]}, inputs))[0]
        assert np.abs(shown_rgb(found, red, 32) - (200, 0, 0)).max() <= 2
        assert shown_rgb(found, 128 - red, 32).max() <= 2


@pytest.mark.parametrize(
    ("name", "content", "layer", "code"),
    [
        ("film", b"", {"kind": "video"}, "unreadable_container"),
        ("film", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", {"kind": "video"}, "unreadable_container"),
        ("film", b"ffconcat version 1.0\nfile /etc/passwd\n", {"kind": "video"}, "unreadable_container"),
        ("logo", b"\x89PNG\r\n\x1a\n" + bytes(60), {"kind": "image"}, "bad_image"),
        ("logo", b"GIF89a" + bytes(60), {"kind": "image"}, "bad_image"),
        ("logo", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", {"kind": "logo"}, "bad_image"),
        ("words", b"1\n00:00:00,000 --> 00:00:01,000\nSubRip\n", {"kind": "captions"}, "bad_captions"),
        ("words", b"WEBVTT\n\n00:02.000 --> 00:01.000\nx\n", {"kind": "captions"}, "bad_captions"),
        ("words", b"WEBVTT\n\n\xff\xfe", {"kind": "captions"}, "bad_captions"),
    ],
)
def test_hostile_inputs_are_refused_in_words(
    tmp_path: Path, name: str, content: bytes, layer: dict[str, Any], code: str
) -> None:
    path = tmp_path / "input"
    path.write_bytes(content)
    with pytest.raises(BadMedia) as caught:
        rendered(tmp_path, {"layers": [{**layer, "input": name}]}, {name: path})
    assert caught.value.code == code
    assert name in caught.value.message
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    ("size", "told"),
    [((7_000, 7_000), "7000 x 7000 pixels; at most 40,000,000"), ((14_000, 14_000), "more than 40,000,000 pixels")],
)
def test_a_picture_that_is_a_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, size: tuple[int, int], told: str
) -> None:
    Image.new("1", size).save(tmp_path / "logo.png")
    with pytest.raises(BadMedia, match=told) as caught:
        rendered(tmp_path, {"layers": [{"kind": "image", "input": "logo"}]}, {"logo": tmp_path / "logo.png"})
    assert caught.value.code == "bad_image"
