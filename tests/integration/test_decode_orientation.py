"""How a picture lies: the container, the coded picture and EXIF state it, and each picture stands upright."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from models.pictures.colour import images_of
from tests.support.pictures import (
    CORNERS,
    corners,
    decoded,
    encoded,
    muxed,
    names_of,
    shown,
    written,
)


def test_pictures_with_exif_stand_upright(tmp_path: Path) -> None:
    """FFmpeg hands the EXIF of a JPEG on as side data of a kind that PyAV does not know."""
    exif = Image.Exif()
    exif[Base.Orientation] = 6  # turn clockwise by 90 degrees
    jpeg = io.BytesIO()
    Image.fromarray(corners()).save(jpeg, "JPEG", exif=exif, quality=95)
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = corners().shape[:2]
        stream.pix_fmt = "yuvj420p"
        for number in range(5):
            packet = av.Packet(jpeg.getvalue())
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, number, number, True
            container.mux(packet)
    media, (cell,) = decoded(path)
    assert media.display_width < media.display_height
    names = list(CORNERS)
    turned = np.rot90(np.arange(4).reshape(2, 2), -1)
    assert names_of(images_of(cell)[0]) == tuple(names[number] for number in turned.ravel())


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_all_eight_orientations(tmp_path: Path, suffix: str, turned: int, mirrored: bool) -> None:
    """As `set_display_rotation` states: anticlockwise, then mirrored left to right."""
    path = written(tmp_path / f"clip.{suffix}", "libx264", [corners()] * 3, turned=turned, mirrored=mirrored)
    expected = np.rot90(np.arange(4).reshape(2, 2), turned // 90)
    expected = expected[:, ::-1] if mirrored else expected
    names = list(CORNERS)
    media, (cell,) = decoded(path)
    assert (media.display_width > media.display_height) == (turned % 180 == 0)
    for image in images_of(cell):
        assert names_of(image) == tuple(names[number] for number in expected.ravel())


def display_orientation(turned: int, *, mirrored: bool) -> bytes:
    """SEI of H.264 (D.1.27) in front of a picture, in a unit of its own; it lasts (repetition period 1)."""
    # Not cancelled, the flips, the angle, ue(1), no extension.
    bits = f"0{int(mirrored)}0{turned * 65536 // 360:016b}" + "010" + "0"
    bits += "1" if len(bits) % 8 else ""
    payload = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))
    body = bytes([6, 47, len(payload)]) + payload + b"\x80"
    escaped = bytearray()
    for byte in body:
        if escaped[-2:] == b"\0\0" and byte <= 3:
            escaped.append(3)
        escaped.append(byte)
    return b"\0\0\0\1" + bytes(escaped)


@pytest.mark.parametrize("every_key", [False, True])
def test_the_coded_picture_states_its_orientation(tmp_path: Path, every_key: bool) -> None:
    """In SEI, which FFmpeg gives with the picture that carries it only: the others lie the same way."""
    packets: list[av.Packet[Any]] = []
    for number, packet in enumerate(encoded("libx264", [corners()] * 30, 0)):
        data = bytes(packet)
        if packet.is_keyframe and (every_key or number == 0):
            data = display_orientation(90, mirrored=False) + data
        changed = av.Packet(data)
        changed.pts, changed.dts, changed.is_keyframe = packet.pts, packet.dts, packet.is_keyframe
        packets.append(changed)
    path = muxed(tmp_path / "clip.ts", packets)
    images = shown(path)
    assert len(images) == 3
    for image in images:
        assert names_of(image) == ("green", "yellow", "red", "blue")
