"""What a person types, as the uris of events and as what may be read."""

from pathlib import Path

import pytest

from decoders.container import DEMUXERS
from stream.cli.uris import VIDEO_SUFFIXES, expand, roots_of
from stream.errors import BadMedia


def test_a_file_uri_is_the_path_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    clip = tmp_path / "sub" / "a clip.mp4"
    clip.touch()
    for typed in (clip.as_uri(), clip.as_uri().replace("file://", "FILE://localhost")):
        assert expand([typed, str(clip)]) == {str(clip): clip}
    assert expand([tmp_path.as_uri()]) == expand([str(tmp_path)]) == {str(clip): clip}
    assert roots_of(expand([clip.as_uri()]).values()) == (clip.resolve(),)


def test_a_file_uri_of_another_host_is_refused() -> None:
    with pytest.raises(BadMedia, match="names no host"):
        expand(["file://home/me/clip.mp4"])


def test_other_uris_stay_and_allow_no_path() -> None:
    assert expand(["https://host/a.mp4", "s3://bucket/a.mp4"]) == {
        "https://host/a.mp4": None,
        "s3://bucket/a.mp4": None,
    }


def test_a_walk_takes_only_what_can_be_opened() -> None:
    """Suffixes that are not FFmpeg's name of their container are named here."""
    others = {
        "m2ts": "mpegts",
        "mts": "mpegts",
        "ts": "mpegts",
        "wmv": "asf",
        "mpg": "mpeg",
        "vob": "mpeg",
        "ogv": "ogg",
    }
    others |= {"mkv": "matroska", "m4v": "mov"}
    allowed = set(DEMUXERS.split(","))
    for suffix in VIDEO_SUFFIXES:
        name = suffix.removeprefix(".")
        assert others.get(name, name) in allowed, suffix
