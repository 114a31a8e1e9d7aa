"""What names a store is shown as it was named, and never taken apart."""

from pathlib import Path

from sinks.location import Location


def test_a_location_is_the_directory_that_a_path_names(tmp_path: Path) -> None:
    location = Location.of(tmp_path)

    assert location == Location.of(str(tmp_path)) == Location.of(location)
    assert (location.path, str(location)) == (tmp_path, str(tmp_path))
    assert location.child("moments.lance").path == tmp_path / "moments.lance"
