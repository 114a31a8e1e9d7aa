"""A disk that really takes no more: the stores say so in words, keep what they have, and go on when there is room."""

import importlib
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchmarks.testbed.disks import SmallDisk, files_no_longer_than, small_disk
from sinks import REGISTRY
from sinks.dead_letters import DeadLetters, DeadLetterSink
from sinks.protocol import Sink
from stream.clock import ManualClock
from stream.errors import Unavailable
from stream.events.base import Event
from tests.integration.test_sinks_dead_letters import LETTER
from tests.support.annotations import annotations, asset_deleted, events, planned, ref
from tests.support.sinks import Row, build, feed, rows_of

TURNS = 10
# Enough for some of a batch's files and not for all, so that it breaks off in another place each time.
ROOM_BYTES = (0, 4_096, 8_192, 16_384, 32_768)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", size_mib=16) as mounted:
        yield mounted


@pytest.fixture(params=sorted(REGISTRY))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def to_the_brim(name: str, directory: Path) -> Sink:
    """A sink that leaves no reserve, so that the disk itself has the say."""
    module, _, attribute = REGISTRY[name].partition(":")
    sink: Sink = getattr(importlib.import_module(module), attribute)(directory, ManualClock(), min_free_bytes=0)
    sink.open()
    return sink


def batch(turn: int) -> list[Event]:
    asset = ref(f"clip-{turn}")
    cells = [annotations(asset, cell, of=2, count=20) for cell in (0, 1)]
    return [*events(planned(asset, of=2), *cells), *([asset_deleted(ref("clip-0", 2))] if turn == TURNS - 1 else [])]


def everything(sink: Sink) -> list[list[Row]]:
    return [rows_of(sink, f"clip-{turn}") for turn in range(TURNS)]


def refusals(sink: Sink, refusing: Callable[[int], AbstractContextManager[None]], words: str) -> int:
    """Every batch meets a store that refuses, again and again, then one that does not. How often it refused."""
    refused = 0
    for turn in range(TURNS):
        for _ in range(2):
            with refusing(turn):
                try:
                    feed(sink, batch(turn))
                except Unavailable as error:
                    assert error.code == "store_unavailable"
                    assert words in error.message
                    assert "nothing is lost" in error.message
                    refused += 1
        feed(sink, batch(turn))
    return refused


def test_a_full_disk_loses_nothing(name: str, disk: SmallDisk, tmp_path: Path) -> None:
    rng = random.Random(11)

    class Full(AbstractContextManager[None]):
        def __enter__(self) -> None:
            disk.fill(rng.choice(ROOM_BYTES))

        def __exit__(self, *_: object) -> None:
            disk.make_room()

    sink = to_the_brim(name, disk.path / "store")
    assert refusals(sink, lambda _: Full(), "the disk is full") >= TURNS
    sink.maintain()
    found = everything(sink)
    sink.close()
    assert found == undisturbed(name, tmp_path)


def test_a_limit_on_files_loses_nothing(name: str, tmp_path: Path) -> None:
    sink = to_the_brim(name, tmp_path / "store")
    assert refusals(sink, lambda turn: files_no_longer_than(256 << (turn % 5)), "a file may not grow") >= TURNS
    found = everything(sink)
    sink.close()
    assert found == undisturbed(name, tmp_path)


def undisturbed(name: str, tmp_path: Path) -> list[list[Row]]:
    calm = build(name, tmp_path / "calm")
    for turn in range(TURNS):
        feed(calm, batch(turn))
    rows = everything(calm)
    calm.close()
    assert rows[0] == []
    assert all(len(of_asset) == 40 for of_asset in rows[1:])
    return rows


def test_a_full_disk_keeps_letters_waiting(disk: SmallDisk) -> None:
    sink = DeadLetterSink(disk.path / "store", ManualClock())
    sink.open()
    disk.fill()
    for _ in range(2):
        with pytest.raises(Unavailable, match="the disk is full"):
            list(sink.process(events(LETTER)))
    disk.make_room()
    list(sink.process(events(LETTER)))
    assert [item.dead_letter.letter_id for item in DeadLetters(disk.path / "store").listed()] == [LETTER.letter_id]
    sink.close()


def test_a_full_disk_is_told_at_open(name: str, disk: SmallDisk) -> None:
    module, _, attribute = REGISTRY[name].partition(":")
    sink = getattr(importlib.import_module(module), attribute)(disk.path / "store", ManualClock())
    sink.open()
    with pytest.raises(Unavailable, match="make room"):
        feed(sink, batch(1))
    sink.close()
