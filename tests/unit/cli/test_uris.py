"""What a person types, as the uris of events and as what may be read."""

from pathlib import Path

import pytest

from decoders.container import DEMUXERS
from stream.cli.uris import VIDEO_SUFFIXES, asset_ids, expand, roots_of
from stream.errors import BadMedia
from stream.events.ids import default_asset_id


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


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:pw@host/a.mp4?sig=1#t=3",
        "https://host/a.mp4?0123456789abcdef0",
        "s3://bucket/a.mp4",
        "s3://bucket/a.mp4?",
        f"s3://bucket/{'a' * 2000}",
        f"s3://bucket/{'a' * 940}?{'sig=1' * 20}",
        f"s3://bucket/{'ä' * 474}x?sig=1",
    ],
)
def test_a_uri_and_its_id_name_the_same_asset(uri: str) -> None:
    (asset_id,) = asset_ids(uri)
    assert asset_id == default_asset_id(uri)
    assert asset_ids(asset_id) == [asset_id]


def test_a_path_names_its_own_asset_and_a_long_one_a_short_id(tmp_path: Path) -> None:
    assert asset_ids(str(tmp_path / "a.mp4")) == asset_ids((tmp_path / "a.mp4").as_uri()) == [str(tmp_path / "a.mp4")]
    deep = str(tmp_path / "/".join(["folder"] * 200))
    assert asset_ids(deep) == [default_asset_id(deep)] != [deep]


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
