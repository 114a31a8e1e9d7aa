"""Which shard holds an asset, and what a store says of its shards."""

import json
from pathlib import Path

import pytest

from sinks.layout import FILE, Layout, claim
from sinks.location import Location
from stream.errors import Fatal
from stream.events.ids import asset_key
from stream.events.murmur2 import partition_of


def test_a_new_store_of_one_shard_lies_at_its_root_and_no_file_says_so(tmp_path: Path) -> None:
    layout = claim(tmp_path / "store", 1)
    assert layout == Layout.of(tmp_path / "store") == Layout(Location.of(tmp_path / "store"))
    assert layout.places == (Location.of(tmp_path / "store"),)
    assert not (tmp_path / "store" / FILE).exists()
    assert layout.shard("anything") == 0


def test_a_new_store_remembers_its_number(tmp_path: Path) -> None:
    layout = claim(tmp_path, 3)
    assert json.loads((tmp_path / FILE).read_text()) == {"shards": 3, "hash": "murmur2"}
    assert Layout.of(tmp_path) == layout == claim(tmp_path, 3)
    assert [place.directory.name for place in layout.places] == ["shard-0000", "shard-0001", "shard-0002"]


def test_shards_are_those_of_the_partitions_of_their_records(tmp_path: Path) -> None:
    layout = Layout(Location.of(tmp_path), 4)
    for number in range(100):
        key = asset_key("acme", f"clip {number}")
        assert layout.shard_of("acme", f"clip {number}") == layout.shard(key) == partition_of(key.encode(), 8) % 4


def test_keys_are_split_by_shard_and_none_is_lost(tmp_path: Path) -> None:
    layout = Layout(Location.of(tmp_path), 4)
    keys = [asset_key("acme", f"clip {number}") for number in range(50)]
    split = layout.split(keys)
    assert list(split) == sorted(split)
    assert {key: number for number, held in split.items() for key in held} == {key: layout.shard(key) for key in keys}
    assert layout.split([]) == {}


@pytest.mark.parametrize(("held", "asked"), [(4, 1), (4, 2)])
def test_another_number_is_refused(held: int, asked: int, tmp_path: Path) -> None:
    claim(tmp_path, held)
    with pytest.raises(
        Fatal, match=rf"has {held} shards.*asked for {asked}.*--shards {held}.*reshard {asked}"
    ) as caught:
        claim(tmp_path, asked)
    assert caught.value.code == "shards_differ"
    assert Layout.of(tmp_path).shards == held


@pytest.mark.parametrize("table", ["segments.lance", "moments/_delta_log"])
def test_tables_at_the_root_are_one_shard(table: str, tmp_path: Path) -> None:
    (tmp_path / table).mkdir(parents=True)
    with pytest.raises(Fatal, match=r"has 1 shard, .*asked for 4"):
        claim(tmp_path, 4)
    assert claim(tmp_path, 1).places == (Location.of(tmp_path),)


def test_dead_letters_at_the_root_say_nothing_of_shards(tmp_path: Path) -> None:
    (tmp_path / "dead_letters.lance").mkdir()
    assert claim(tmp_path, 4).shards == 4


def test_a_store_that_was_divided_anew_lies_in_folders_of_its_generation(tmp_path: Path) -> None:
    Layout(Location.of(tmp_path), 1, 2).write()
    found = claim(tmp_path, 1)
    assert found.places == (Location.of(tmp_path / "generation-2" / "shard-0000"),)
    with pytest.raises(Fatal, match="has 1 shard, "):
        claim(tmp_path, 2)


@pytest.mark.parametrize(
    "written", ["", "{", "[]", '{"shards": 4}', '{"shards": 0, "hash": "murmur2"}', '{"shards": 4, "hash": "crc32"}']
)
def test_a_file_that_cannot_be_read_is_refused_with_words(written: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(written)
    with pytest.raises(Fatal, match=FILE) as caught:
        claim(tmp_path, 4)
    assert caught.value.code == "shards_unreadable"


def test_a_divided_store_that_lost_its_file_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    claim(tmp_path, 4)
    (tmp_path / "shard-0000").mkdir()
    (tmp_path / FILE).unlink()
    with pytest.raises(Fatal, match="it is missing") as caught:
        claim(tmp_path, 1)
    assert caught.value.code == "shards_unreadable"
