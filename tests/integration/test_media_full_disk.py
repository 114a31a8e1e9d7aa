"""A child of media operators whose disk has no room: who fills it decides what becomes of the work."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.testbed.disks import small_disk
from sinks.location import Location
from sinks.objects.store import ObjectStore
from stream.errors import Retryable, Unavailable
from stream.media.rendering import Rendered, Renderer, RenderWork
from tests.support.media_operators import OPERATORS

DISK_MIB = 96


def rendered(renderer: Renderer, mebibytes: int) -> Rendered:
    renderer.prepare()
    work = RenderWork("part", "flood", {"mebibytes": mebibytes}, {})
    return renderer.run(work, stop=lambda: False, progress=lambda _: None)


def test_work_waits_for_room_that_others_take_and_fails_where_it_takes_all_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", DISK_MIB) as disk, ExitStack() as held:
        held.callback((renderer := Renderer(disk.path / "scratch", operators=OPERATORS)).close)
        disk.fill(leave_bytes=8 << 20)
        with pytest.raises(Unavailable) as waits:
            rendered(renderer, 16)
        assert waits.value.code == "disk_full"
        disk.make_room()
        (path,) = rendered(renderer, 16).files.values()
        assert path.stat().st_size == 16 << 20
        with pytest.raises(Retryable) as fails:
            rendered(renderer, 2 * DISK_MIB)
        assert fails.value.code == "media_disk_full"
        (path,) = rendered(renderer, 16).files.values()
        assert path.stat().st_size == 16 << 20, "nothing of the work before is left"


def test_what_was_written_while_the_disk_was_full_is_not_believed(tmp_path: Path) -> None:
    """Not every library tells that a write failed."""
    with small_disk(tmp_path / "disk", DISK_MIB) as disk, ExitStack() as held:
        held.callback((renderer := Renderer(disk.path / "scratch", operators=OPERATORS)).close)
        rendered(renderer, 0)
        disk.fill(leave_bytes=4096)
        with pytest.raises(Unavailable):
            rendered(renderer, 0)


def test_a_copy_that_finds_no_room_is_no_fault_of_the_store(tmp_path: Path, s3_prefix: str) -> None:
    objects = ObjectStore(Location.of(f"{s3_prefix}/objects")).of("acme")
    digest = objects.put_bytes(bytes(2 << 20))
    with small_disk(tmp_path / "disk", DISK_MIB) as disk:
        disk.fill(leave_bytes=1 << 20)
        with pytest.raises(Unavailable) as full:
            objects.fetch(digest, disk.path)
        assert full.value.code == "disk_full"
        disk.make_room()
        assert objects.fetch(digest, disk.path).stat().st_size == 2 << 20
