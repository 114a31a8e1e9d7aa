"""A folder walk: footage whatever it is called, everything else counted by name, nothing that ends or blocks it."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.cli.options.folders import FolderWalk
from stream.cli.options.left_out import LeftOut

FOOTAGE = {
    "MP4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
    "MOV": b"\0\0\0\x08wide\0\0\0\x10mdat",
    "Matroska": b"\x1a\x45\xdf\xa3\x9f",
    "AVI": b"RIFF\0\0\0\0AVI LIST",
    "TS": (b"\x47" + bytes(187)) * 8,
    "M2TS": (bytes(4) + b"\x47" + bytes(187)) * 8,
    "PS": b"\0\0\1\xba\x44" + bytes(20),
    "FLV": b"FLV\1\5\0\0\0\t",
    "ASF": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "RM": b".RMF\0\0\0\x12",
    "MXF": bytes.fromhex("060e2b34020501010d010201"),
    "Ogg": b"OggS\0\2" + bytes(22) + b"\x80theora",
    "DV": bytes.fromhex("1f0700bf"),
    "H.264": bytes.fromhex("000000016742c00bd9000000 0168ce3c80000001 65"),
    "HEVC": bytes.fromhex("00000001 40010c 00000001 42010101 00000001 4401c172"),
    "MPEG-2": bytes.fromhex("000001b3 0a005a13"),
    "MPEG-4": bytes.fromhex("000001b0 01000001b5 0900000100 00000120"),
}


@pytest.fixture
def left_out() -> LeftOut:
    return LeftOut()


def names(walk: FolderWalk) -> list[str]:
    return [Path(path).name for path in walk]


@pytest.mark.parametrize("kind", FOOTAGE)
def test_footage_is_taken_whatever_it_is_called(tmp_path: Path, left_out: LeftOut, kind: str) -> None:
    called = ["clip", "clip.bin", "CLIP.MOD", "clip.insv", "clip.lrv", "clip.qt", "clip.xyz", ".hidden.mp4", "a.ts"]
    for name in called:
        (tmp_path / name).write_bytes(FOOTAGE[kind])
    assert names(FolderWalk(str(tmp_path), left_out)) == sorted(called)
    assert not left_out.counts
    assert not left_out.failures


def test_what_is_called_footage_is_taken_so_that_somebody_is_told(tmp_path: Path, left_out: LeftOut) -> None:
    for name in ("a.mp4", "b.MOV", "c.insv", "d.rmvb", "e.m2ts", "f.264"):
        (tmp_path / name).write_bytes(b"" if name == "a.mp4" else b"no footage at all")
    assert len(names(FolderWalk(str(tmp_path), left_out))) == 6


LEFT_OUT = {
    "pictures": {
        "a.jpg": b"\xff\xd8\xff\xe0",
        "b.png": b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d") + b"IHDR" + bytes(17) + b"\0\0\0\0IDAT",
        "c.HEIC": b"\0\0\0\x18ftypheic",
        "d": b"II*\0",
    },
    "sound": {"a.mp3": b"ID3\4", "b.wav": b"RIFF\0\0\0\0WAVEfmt ", "c.m4a": b"\0\0\0\x18ftypisom", "d": b"fLaC"},
    "text, documents and project files": {
        "app.ts": b"export const a = 1\n",
        "go.mod": b"module example\n",
        "notes.txt": "Ünïcode\n".encode(),
        "a.pdf": b"%PDF-1.7\n\0",
    },
    "subtitles": {"a.srt": b"1\n00:00:01,000 --> 00:00:02,000\nhello\n", "b.vtt": b"WEBVTT\n"},
    "playlists": {"a.m3u8": b"#EXTM3U\n#EXTINF:10,\na.ts\n"},
    "archives and disc images": {"a.zip": b"PK\3\4\0", "b": bytes(257) + b"ustar"},
    "programs and databases": {"a.db": b"SQLite format 3\0"},
    "unfinished downloads and copies": {"a.mp4.part": FOOTAGE["MP4"], ".clip.mp4.Xy12zW": FOOTAGE["MP4"]},
    "system files": {"._a.mp4": b"\0\5\x16\7\0\2\0\0", ".DS_Store": b"\0\0\0\1Bud1", "Thumbs.db": b"\xd0\xcf"},
    "empty files": {"empty": b""},
    "other files": {"a.bin": bytes(range(256))},
}


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_what_is_left_out_is_counted_by_kind(tmp_path: Path, left_out: LeftOut, kind: str) -> None:
    (tmp_path / "sub").mkdir()
    for name, content in LEFT_OUT[kind].items():
        (tmp_path / "sub" / name).write_bytes(content)
    (tmp_path / "ok.mp4").write_bytes(FOOTAGE["MP4"])
    assert names(FolderWalk(str(tmp_path), left_out)) == ["ok.mp4"]
    assert left_out.counts == {kind: len(LEFT_OUT[kind])}
    (line,) = left_out.lines()
    assert line.startswith(f"Left out, {kind}: {len(LEFT_OUT[kind])} (")
    assert left_out.as_json()["left_out"][0]["count"] == len(LEFT_OUT[kind])


def test_trash_is_not_walked(tmp_path: Path, left_out: LeftOut) -> None:
    for folder in (".Trashes", "$RECYCLE.BIN", ".Trash-1000", "System Volume Information", "kept"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").write_bytes(FOOTAGE["MP4"])
    assert list(FolderWalk(str(tmp_path), left_out)) == [str(tmp_path / "kept" / "a.mp4")]
    assert left_out.counts == {"system files": 4}


def test_what_is_no_file_is_named_and_blocks_nothing(tmp_path: Path, left_out: LeftOut) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert names(FolderWalk(str(tmp_path), left_out)) == []
    assert left_out.counts == {"pipes, sockets and devices": 3}


def test_links(tmp_path: Path, left_out: LeftOut) -> None:
    """A linked file is followed once, a linked folder is named, and a link that leads nowhere is missing footage."""
    card = tmp_path / "card"
    (card / "sub").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for place in (card / "sub" / "a.mp4", tmp_path / "elsewhere" / "b.mp4"):
        place.write_bytes(FOOTAGE["MP4"])
    (card / "again.mp4").symlink_to(card / "sub" / "a.mp4")
    (card / "b.mp4").symlink_to(tmp_path / "elsewhere" / "b.mp4")
    (card / "c.mp4").symlink_to(tmp_path / "elsewhere" / "b.mp4")
    (card / "up").symlink_to(card)
    (card / "sub" / "up").symlink_to("..")
    (card / "out").symlink_to(tmp_path / "elsewhere")
    (card / "gone.mp4").symlink_to(tmp_path / "gone.mp4")
    (card / "loop.mp4").symlink_to(card / "loop.mp4")
    walk = FolderWalk(str(card), left_out)
    assert list(walk) == [str(card / "b.mp4"), str(card / "sub" / "a.mp4")]
    assert walk.followed == [str(card / "b.mp4")]
    assert left_out.counts == {"links to what is there already": 4, "linked folders": 1}
    assert [(Path(each.path).name, each.reason) for each in left_out.failures] == [
        ("gone.mp4", "the link leads nowhere: what it names is not there"),
        ("loop.mp4", "the link leads nowhere: a loop of symbolic links"),
    ]
    assert any("name them outright" in line for line in left_out.lines())


def test_what_may_not_be_read_is_named(tmp_path: Path, left_out: LeftOut, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's answers are given in its place: a test that runs as root may read everything."""
    (tmp_path / "locked").mkdir()
    for name in ("secret", "film.mp4", "ok.mp4"):
        (tmp_path / name).write_bytes(FOOTAGE["MP4"])
    listed, opened = os.scandir, os.open

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if path.endswith("locked"):
            raise PermissionError(errno.EACCES, "denied")
        return listed(path)

    def opening(path: str, flags: int) -> int:
        if path.endswith(("secret", "film.mp4")):
            raise PermissionError(errno.EACCES, "denied")
        return opened(path, flags)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "open", opening)
    assert names(FolderWalk(str(tmp_path), left_out)) == ["film.mp4", "ok.mp4"]
    assert {Path(each.path).name: each.reason for each in left_out.failures} == {
        "locked": "the folder cannot be listed: permission denied; let this user read it",
        "secret": "the file cannot be read: permission denied; let this user read it",
    }
