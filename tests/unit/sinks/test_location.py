"""What names a store is shown as it was named, and never taken apart."""

from pathlib import Path

import pytest

from sinks.location import Location
from stream.errors import Fatal


def test_a_location_is_the_directory_that_a_path_names(tmp_path: Path) -> None:
    location = Location.of(tmp_path)

    assert location == Location.of(str(tmp_path)) == Location.of(location)
    assert (location.path, str(location)) == (tmp_path, str(tmp_path))
    assert location.child("moments.lance").path == tmp_path / "moments.lance"


@pytest.mark.parametrize("uri", ["s3://bucket/stores/index", "gs://bucket", "az://container/index"])
def test_a_location_may_lie_on_an_object_store(uri: str) -> None:
    location = Location.of(f"{uri}/")

    assert (location.uri, location.path) == (uri, None)
    assert location.child("moments.lance").uri == f"{uri}/moments.lance"
    assert location.options is not None and Location.of("stores").options is None


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("s3://key:secret@bucket/index", "holds credentials"),
        ("s3://bucket/index?aws_secret_access_key=secret", "holds credentials"),
        ("ftp://bucket/index", "s3://, gs://, az://"),
        ("s3://", "name a bucket"),
        ("s3://bucket//index", "name a bucket"),
        ("s3://bucket/%2e%2e", "name a bucket"),
    ],
)
def test_a_uri_at_which_no_store_can_lie_is_refused(uri: str, why: str) -> None:
    with pytest.raises(Fatal, match=why) as refused:
        Location.of(uri)

    assert refused.value.code == "unusable_path"
    assert "secret" not in str(refused.value)
