"""What names the same thing to everybody is spelled in one way, and nothing else is."""

import pytest

from stream.events.ids import default_asset_id
from stream.events.spelling import canonical


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("/d//a.mp4", "/d/a.mp4"),
        ("/d/./a.mp4", "/d/a.mp4"),
        ("//d/a.mp4", "/d/a.mp4"),
        ("FILE://LocalHost/d//a%20b.mp4", "file:///d/a%20b.mp4"),
        ("HTTP://Host.Example:80/a/../b/./c?q=A#f", "http://host.example/b/c?q=A#f"),
        ("https://u:P@H:443", "https://u:P@h/"),
        ("https://h:/a", "https://h/a"),
        ("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
        ("https://h/a/..", "https://h/"),
        ("S3://Bucket/k/../k//x", "s3://Bucket/k/../k//x"),
    ],
)
def test_what_makes_no_difference_goes(uri: str, wanted: str) -> None:
    assert canonical(uri) == canonical(wanted) == wanted
    assert default_asset_id(uri) == default_asset_id(wanted)


@pytest.mark.parametrize(
    "uri",
    [
        "/d/a.mp4",
        "/d/x/../a.mp4",
        "/d/a b?c#d.mp4",
        "/D/A.MP4",
        "a.mp4",
        "file:///d/a.mp4",
        "file:///d/%61.mp4",
        "http://h:8080/A%2fb",
        "https://h:80/a",
        "http://h/a//b",
        "s3://bucket/a::b",
        "no scheme://h/a",
        "http://h/a\nb",
    ],
)
def test_what_may_make_a_difference_stays(uri: str) -> None:
    assert canonical(uri) == uri
