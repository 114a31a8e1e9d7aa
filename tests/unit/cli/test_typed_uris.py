"""What a person types, as the uris of events and as what may be read."""

import os
from pathlib import Path

import pytest

from stream.cli.options.uris import asset_ids, expand, lies_under, roots_of, spelled
from stream.errors import BadMedia
from stream.events.asset import AssetPublished
from stream.events.ids import default_asset_id


def test_a_file_uri_is_the_path_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    clip = tmp_path / "sub" / "a clip.mp4"
    clip.touch()
    for typed in (clip.as_uri(), clip.as_uri().replace("file://", "FILE://localhost")):
        assert expand([typed, str(clip)]).uris == [str(clip)]
        assert list(expand([typed, str(clip)]).roots) == [clip.resolve()]
    assert expand([tmp_path.as_uri()]).uris == expand([str(tmp_path)]).uris == [str(clip)]
    assert list(expand([tmp_path.as_uri()]).roots) == [tmp_path.resolve()]


def test_one_argument_that_names_nothing_fails_alone(tmp_path: Path) -> None:
    clip = str(tmp_path / "a.mp4")
    found = expand(["file://home/me/clip.mp4", "", "/" + "folder/" * 700 + "a.mp4", "http://h/\udce9.mp4", clip])
    assert found.uris == [clip]
    reasons = [each.reason for each in found.left_out.failures]
    assert len(reasons) == 4
    assert "names no host" in reasons[0]
    assert "an empty text is not a path" in reasons[1]
    assert all("4000 bytes" in reason for reason in reasons[2:])


def test_what_is_refused_is_named_without_its_secrets() -> None:
    found = expand(["https://user:hunter2@host/" + "a" * 4000 + "?sig=hunter2", "file://me:hunter2@host/a.mp4"])
    assert not found.uris
    assert len(found.left_out.failures) == 2
    assert "hunter2" not in "".join([*found.left_out.lines(), str(found.left_out.as_json())])


def test_what_cannot_be_looked_at_is_left_to_its_event(tmp_path: Path) -> None:
    """Longer than a file system takes, a loop of links, and a user that is not there."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    typed = [
        str(tmp_path / ("x" * 300)),
        str(tmp_path / "loop"),
        str(tmp_path / "loop" / "a.mp4"),
        "~nobody-here/a.mp4",
    ]
    found = expand(typed)
    assert found.uris == [*typed[:3], str(Path.cwd() / typed[3])]
    assert not found.left_out.failures


def test_roots_that_lead_nowhere_end_nothing(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    typed = [tmp_path / "loop", tmp_path / ("x" * 300), tmp_path / "gone", tmp_path, None]
    assert tmp_path.resolve() in roots_of(typed)


def test_other_uris_stay_and_allow_no_path() -> None:
    found = expand(["https://host/a.mp4", "s3://bucket/a.mp4", "HTTPS://HOST:443/x/../a.mp4"])
    assert found.uris == ["https://host/a.mp4", "s3://bucket/a.mp4"]
    assert not found.roots


def test_however_it_is_spelled_a_path_is_one_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "d"
    (folder / "sub").mkdir(parents=True)
    clip = folder / "a.mp4"
    clip.write_bytes(b"x")
    monkeypatch.chdir(folder)
    typed = [
        "a.mp4",
        "./a.mp4",
        "../d/a.mp4",
        "sub/../a.mp4",
        f"{tmp_path}//d/./a.mp4",
        f"/{clip}",
        f"file://{tmp_path}/d/sub/%2e%2e/%61.mp4",
        str(folder),
        "..",
    ]
    assert expand(typed).uris == [str(clip)]
    assert {tuple(asset_ids(each)) for each in typed} == {(str(clip),)}


def test_a_link_is_a_name_of_its_own_and_dots_behind_it_lead_where_the_system_goes(tmp_path: Path) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "linked").symlink_to(tmp_path / "far" / "deep")
    assert spelled(f"{tmp_path}/near/linked/a.mp4") == f"{tmp_path}/near/linked/a.mp4"
    assert spelled(f"{tmp_path}/near/linked/../a.mp4") == f"{tmp_path}/far/a.mp4"
    assert spelled(f"{tmp_path}/near/../a.mp4") == f"{tmp_path}/a.mp4"
    assert spelled("/../../a.mp4") == "/a.mp4"


def test_names_that_no_event_may_hold_become_uris(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.mp4"))
    path.write_bytes(b"x")
    (uri,) = expand([str(tmp_path)]).uris
    assert uri.endswith("/caf%E9%0A.mp4")
    assert expand([str(path)]).uris == [uri]
    assert list(expand([str(path)]).roots) == [path]
    assert AssetPublished(uri=uri).identity() == uri
    assert asset_ids(str(path)) == [uri]


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:pw@host/a.mp4?sig=1#t=3",
        "https://host/a.mp4?0123456789abcdef0",
        "HTTP://Host:80/./a.mp4?x",
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


def test_a_deletion_of_what_names_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadMedia, match="no footage"):
        asset_ids(str(tmp_path))


def test_ids_of_a_folder_are_known_when_it_is_gone() -> None:
    assert lies_under("/d/sub/a.mp4", "/d")
    assert lies_under("file:///d/%E9.mp4", "/d")
    assert not lies_under("/dd/a.mp4", "/d")
    assert lies_under("/a.mp4", "/")
