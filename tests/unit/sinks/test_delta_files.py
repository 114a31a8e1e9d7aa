"""Which files of the Delta table are joined, what is known of them, and which rows of a file go with a commit."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sinks.assets.fold import SpaceCell
from sinks.assets.tombstones import Retirement
from sinks.delta.commit_log import LOG, CommitLog, Number
from sinks.delta.data_files import DataFile, Partition
from sinks.delta.joining import joins
from sinks.delta.known_files import KnownFiles
from sinks.delta.placement import VersionTime
from sinks.delta.removal import NOTHING_REMOVED, Removal
from sinks.location import Location
from stream.events.ids import AssetVersion


def file(first_ms: int, size_bytes: int = 10, tenant: str = "acme", day: str = "1970-01-01") -> DataFile:
    return DataFile(f"{tenant}-{day}-{first_ms}", size_bytes, 1, tenant, day, first_ms, first_ms)


def row(asset: str = "a", content: str = "c", version: tuple[int, int] = (5, 0), cell: str = "s") -> dict[str, Any]:
    order = {"version_ms": version[0], "version_offset": version[1]}
    return {"segment_id": cell, "space": "one", "asset_key": asset, "content_key": content, **order}


def test_small_neighbours_in_time_are_joined_up_to_the_target() -> None:
    found = joins([file(4), file(1, 40), file(3, 40), file(2), file(6), file(5)], target_bytes=80)
    assert [[item.first_ms for item in run] for run in found] == [[4, 5, 6]]
    assert joins([file(number, 39) for number in range(5)], 80) == [
        [file(0, 39), file(1, 39), file(2, 39)],
        [file(3, 39), file(4, 39)],
    ]


def test_a_large_file_between_small_ones_keeps_them_apart() -> None:
    assert joins([file(1), file(2, 100), file(3)], 80) == []


def test_files_of_two_partitions_are_never_joined() -> None:
    assert joins([file(1), file(2, tenant="beta"), file(3, day="1970-01-02")], 80) == []


SPANS = st.tuples(st.sampled_from("ab"), st.integers(0, 2 * 86_400_000), st.integers(0, 9)).map(
    lambda span: DataFile(
        f"{span}", 1, 1, span[0], "1970-01-01", min(span[1], 86_399_999), min(span[1] + span[2], 86_399_999)
    )
)


@given(st.lists(SPANS, unique=True), st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 86_399_999))))
def test_files_that_may_hold_a_time_are_those_whose_span_holds_it(
    files: list[DataFile], asked: list[tuple[str, int]]
) -> None:
    times = [VersionTime(*item) for item in [*asked, *((file.tenant, file.last_ms) for file in files[:3])]]
    known = KnownFiles(0, 0, pa.schema([]))
    known.changed([], files, 7)
    known.changed(files[:1], [], None)
    expected = [
        file
        for file in files[1:]
        if any(time.tenant == file.tenant and file.first_ms <= time.append_ms <= file.last_ms for time in times)
    ]
    assert sorted(file.path for file in known.holding(times)) == sorted(file.path for file in expected)
    assert (known.version, known.number, known.has(files[1:]), known.has(files)) == (2, 7, True, not files)
    assert set(known) == set(files[1:])


def test_a_commit_never_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / LOG).mkdir()
    log = CommitLog(Location.of(tmp_path))
    assert log.add(3, [], [Number("rushes", 1)])
    before = (tmp_path / LOG / f"{3:020d}.json").read_bytes()
    assert not log.add(3, [], [Number("rushes", 2)])
    assert [path.read_bytes() for path in (tmp_path / LOG).iterdir()] == [before]


def test_what_killed_writers_staged_goes_and_commits_stay(tmp_path: Path) -> None:
    (tmp_path / LOG).mkdir()
    log = CommitLog(Location.of(tmp_path))
    assert log.add(3, [])
    names = [f"{3:020d}.json", "_commit_0f.json.tmp", "_commit_1f.json.tmp"]
    for name, age_s in zip(names, (900, 900, 60), strict=True):
        (tmp_path / LOG / name).touch()
        os.utime(tmp_path / LOG / name, (1_000 - age_s, 1_000 - age_s))
    log.drop_staged(1_000_000 - 600_000)
    assert sorted(path.name for path in (tmp_path / LOG).iterdir()) == [names[0], names[2]]


def test_rows_of_a_removed_cell_go_in_its_space_only() -> None:
    rows = pa.Table.from_pylist([row(cell="s"), row(cell="t"), row(cell="u")])
    removal = Removal(cells=(SpaceCell("s", "one"), SpaceCell("u", "two")))
    assert removal.mask(rows).to_pylist() == [True, False, False]
    assert NOTHING_REMOVED.mask(rows).to_pylist() == [False] * 3


VERSIONS = st.builds(AssetVersion, st.integers(0, 2), st.integers(0, 2))
MARKS = st.builds(
    Retirement,
    deleted=st.none() | VERSIONS,
    up_to=st.none() | VERSIONS,
    keep=st.none() | st.sampled_from("cd"),
    keep_after=st.none() | VERSIONS,
)


@given(st.dictionaries(st.sampled_from("ab"), MARKS))
def test_watermarks_void_the_rows_that_they_void_in_the_ledger(retired: dict[str, Retirement]) -> None:
    versions = [AssetVersion(ms, offset) for ms in range(3) for offset in range(3)]
    rows = [row(asset, content, version) for asset in "abe" for content in "cd" for version in versions]
    expected = [
        (mark := retired.get(item["asset_key"])) is not None
        and mark.voids(item["content_key"], AssetVersion(item["version_ms"], item["version_offset"]))
        for item in rows
    ]
    goes = Removal(retired=retired).mask(pa.Table.from_pylist(rows))
    assert goes.to_pylist() == expected


def test_a_folder_of_any_tenant_is_one_folder() -> None:
    assert Partition("acme", "1970-01-01").folder == "tenant=acme/day=1970-01-01"
    assert Partition("../o'ne il", "1970-01-01").folder == "tenant=..%2Fo%27ne%20il/day=1970-01-01"
