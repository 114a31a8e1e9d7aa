"""Whose stores these are: adopted without a mark, refused with another one, whole after a loss."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sinks.maintenance.marker import FILE, Marker, adopted, identified, marked
from stream.errors import Fatal


class State:
    """A state directory with two stores."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores = (folder / "lancedb", folder / "parquet")

    def open(self, deployment: str = "rushes", cluster: str = "") -> Marker:
        return identified(self.folder, self.stores, deployment, cluster)

    def adopt(self, deployment: str = "rushes", cluster: str = "") -> Marker:
        return adopted(self.folder, self.stores, deployment, cluster)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


@contextmanager
def refused(code: str, *words: str) -> Iterator[None]:
    with pytest.raises(Fatal) as found:
        yield
    assert found.value.code == code
    assert all(word in found.value.message for word in words), found.value.message


def test_stores_without_a_mark_get_one_and_keep_it(state: State) -> None:
    state.stores[0].mkdir(parents=True)  # of an older release
    first = state.open("night")
    assert (first.deployment, len(first.stores)) == ("night", 32)
    assert state.open("night") == first
    assert [marked(folder) for folder in (state.folder, *state.stores)] == [first] * 3


def test_another_deployment_is_refused(state: State) -> None:
    state.open("night")
    with refused("other_deployment", "'night'", "'rushes'", "--deployment night", "rushes adopt"):
        state.open()


def test_another_cluster_is_refused_and_the_first_one_remembered(state: State) -> None:
    first = state.open()
    assert state.open(cluster="c1").stores == first.stores
    assert state.open(cluster="c1") == state.open()  # a command without a broker minds no cluster
    with refused("other_cluster", "c1", "c2", "rushes adopt --broker"):
        state.open(cluster="c2")


@pytest.mark.parametrize("lost", [(0,), (1,), (0, 1)])
def test_a_store_that_was_lost_is_one_of_them_again(state: State, lost: tuple[int, ...]) -> None:
    first = state.open()
    for number in lost:
        shutil.rmtree(state.stores[number])
    assert state.open() == first
    assert marked(state.stores[lost[0]]) == first


def test_stores_of_two_deployments_do_not_go_together(state: State, tmp_path: Path) -> None:
    mine, other = state.open(), State(tmp_path / "other")
    theirs = other.open("night")
    shutil.rmtree(state.stores[0])
    other.stores[0].rename(state.stores[0])
    with refused("stores_mixed", mine.stores[:8], theirs.stores[:8], "lancedb", "rushes adopt"):
        state.open()
    assert state.adopt().stores not in {mine.stores, theirs.stores}
    assert state.open().deployment == "rushes"


def test_adopting_keeps_the_id_and_changes_sides(state: State) -> None:
    first = state.open("night", "c1")
    assert state.adopt("day", "c2") == Marker(first.stores, "day", "c2")
    assert state.open("day", "c2").stores == first.stores
    with refused("other_deployment"):
        state.open("night")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"stores": "x"}', b"\xff"])
def test_what_is_no_mark_is_named(state: State, content: bytes) -> None:
    state.open()
    (state.folder / FILE).write_bytes(content)
    with refused("stores_mark", FILE):
        state.open()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with refused("state_unwritable", "--state"):
        State(blocked).open()
