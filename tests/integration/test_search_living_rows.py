"""What a reader keeps of rows holds until they change, whatever a writer does to the table meanwhile."""

import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa

from sinks.query.living_rows import LivingRows


def assets(**names: str) -> pa.Table:
    return pa.table({"key": list(names), "name": list(names.values())})


class Reader:
    """Asks for names by key, and counts the keys that it has to read."""

    def __init__(self, path: Path) -> None:
        self._path, self._rows, self.read = path, LivingRows[str](), 0

    def names(self, *keys: str) -> dict[str, str]:
        table = lance.dataset(self._path)
        found = self._rows.kept(table, keys)
        lacking = set(keys).difference(found)
        self.read = len(lacking)
        return found | self._rows.read(table, lacking, lambda asked: self._scanned(table, asked))

    @staticmethod
    def _scanned(table: Any, keys: Collection[str]) -> Iterator[tuple[str, int, str]]:
        rows = table.to_table(with_row_id=True).to_pylist()
        return ((row["key"], row["_rowid"], row["name"]) for row in rows if row["key"] in keys)


def test_a_row_is_read_once_however_much_is_written_beside_it(tmp_path: Path) -> None:
    table = lance.write_dataset(assets(a="one", b="two"), tmp_path / "assets.lance")
    reader = Reader(tmp_path / "assets.lance")
    assert reader.names("a", "b", "c") == {"a": "one", "b": "two"}
    lance.write_dataset(assets(c="three"), table.uri, mode="append")
    assert (reader.names("a", "b", "c"), reader.read) == ({"a": "one", "b": "two", "c": "three"}, 1)
    assert (reader.names("a", "b", "c"), reader.read) == ({"a": "one", "b": "two", "c": "three"}, 0)


def test_what_is_changed_deleted_or_made_anew_is_read_anew(tmp_path: Path) -> None:
    table = lance.write_dataset(assets(a="one", b="two", c="three"), tmp_path / "assets.lance")
    reader = Reader(tmp_path / "assets.lance")
    reader.names("a", "b", "c")
    table.update({"name": "'other'"}, where="key = 'a'")
    assert reader.names("a", "b", "c") == {"a": "other", "b": "two", "c": "three"}
    table.merge_insert("key").when_matched_update_all().execute(assets(b="merged"))
    assert reader.names("a", "b", "c") == {"a": "other", "b": "merged", "c": "three"}
    table.delete("key = 'c'")
    assert reader.names("a", "b", "c") == {"a": "other", "b": "merged"}
    table.optimize.compact_files(materialize_deletions_threshold=0)
    assert reader.names("a", "b", "c") == {"a": "other", "b": "merged"}
    shutil.rmtree(table.uri)
    # As many rows in a fragment of the same number.
    lance.write_dataset(assets(a="new", b="newer"), table.uri)
    assert reader.names("a", "b", "c") == {"a": "new", "b": "newer"}
