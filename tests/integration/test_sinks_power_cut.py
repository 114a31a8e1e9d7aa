"""A power cut at any instant: what was acknowledged is there, the rest comes again, and the stores open."""

import importlib
import itertools
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sinks import REGISTRY
from sinks.dead_letters import DeadLetters, DeadLetterSink
from sinks.durability.durable_store import Disk
from sinks.protocol import Sink
from stream.clock import ManualClock
from stream.events.base import Event
from stream.events.dead_letter import DeadLetter
from tests.support.annotations import annotations, asset_deleted, events, key_of, planned, ref, retired
from tests.support.power_cut import ForgetfulDisk, Unsynced
from tests.support.sinks import Row, rows_of

BATCHES: list[list[Event]] = [
    events(planned(of=2), annotations(of=2)),
    events(annotations(segment=1, of=2), planned(ref("other"), of=1), annotations(ref("other"), of=1)),
    events(annotations(of=2, revision=1, count=4)),
    events(planned(ref("clip", 2), content="b", of=1), annotations(ref("clip", 2), content="b", of=1)),
    events(retired(2, key_of("b")), annotations(ref("other"), of=1, revision=1)),
    [asset_deleted(ref("other", 3)), *events(planned(ref("third"), of=1), annotations(ref("third"), of=1))],
]
ASSETS = ("clip", "other", "third")
UPKEEP_BEFORE = (3, 5)


def build(name: str, directory: Path, disk: Disk) -> Sink:
    module, _, attribute = REGISTRY[name].partition(":")
    sink: Sink = getattr(importlib.import_module(module), attribute)(directory, ManualClock(), disk=disk)
    sink.open()
    return sink


def held(sink: Sink) -> list[Row]:
    """Rows that may be seen, and the ledger's word of them. When they were written is not compared."""
    return [row for asset_id in ASSETS for row in rows_of(sink, asset_id)]


def deliver(sink: Sink, batches: Sequence[Sequence[Event]]) -> None:
    for batch in batches:
        list(sink.process(batch))


def cuts(calls: int, acknowledged: Sequence[int], *, every: bool = False) -> Iterator[tuple[int, Unsynced]]:
    """Syncs after which to cut: each last one of a batch and the one before, and others between; every kind of loss."""
    if every:
        yield from itertools.product(range(calls + 1), Unsynced)
        return
    edges = {edge + by for edge in acknowledged for by in (-1, 0)}
    between = random.Random(7).sample(range(calls), 8)
    yield from zip(sorted(edges.union(between)), itertools.cycle(Unsynced), strict=False)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_power_cut_at_any_sync_loses_nothing_that_was_acknowledged(name: str, every: bool, tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    forgetful = ForgetfulDisk(live)
    sink = build(name, live / "store", forgetful.disk())
    acknowledged: list[int] = []
    after = [held(sink)]
    for number, batch in enumerate(BATCHES):
        if number in UPKEEP_BEFORE:
            sink.maintain()
        list(sink.process(batch))
        acknowledged.append(len(forgetful.calls))
        after.append(held(sink))
    sink.close()

    for calls, unsynced in cuts(len(forgetful.calls), acknowledged, every=every):
        done = sum(at <= calls for at in acknowledged)
        place = tmp_path / "cut"
        forgetful.leave(place, calls, unsynced)
        again = build(name, place / "store", Disk(sync=lambda _path: None, boot=lambda: "after"))
        assert held(again) in after[done : done + 2], (calls, unsynced)
        deliver(again, BATCHES[done:])
        assert held(again) == after[-1], (calls, unsynced)
        again.close()
        shutil.rmtree(place)


def letters(number: int) -> list[Event]:
    """Of a clip of their own."""
    made = [
        DeadLetter(
            letter_id=f"{number}-{at}",
            stage="decode",
            topic="spans",
            partition=0,
            offset=10 * number + at,
            append_time_ms=ref().version.append_ms,
            failed_at_ms=1000,
            attempts=1,
            code="corrupt",
            message="the bitstream is broken",
            tenant="acme",
            asset_id=f"clip-{number}",
            event_type="rushes.span.planned.v1",
            key=b"k",
            value=bytes(100),
            headers={},
        )
        for at in range(2)
    ]
    return events(*made)


LETTERS: list[list[Event]] = [
    letters(1),
    letters(2),
    [*letters(3), *letters(1)],  # some come again
    events(retired(2, None, ref("clip-2"))),
    letters(4),
]


def opened(place: Path, disk: Disk) -> DeadLetterSink:
    sink = DeadLetterSink(place, ManualClock(), disk=disk)
    sink.open()
    return sink


def listed(place: Path) -> list[str]:
    return sorted(item.dead_letter.letter_id for item in DeadLetters(place).listed())


def test_a_power_cut_at_any_sync_loses_no_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.dead_letters._COMPACT_EVERY", 2)
    live = tmp_path / "live"
    live.mkdir()
    forgetful = ForgetfulDisk(live)
    sink, acknowledged, after = opened(live / "store", forgetful.disk()), list[int](), [listed(live / "store")]
    for batch in LETTERS:
        list(sink.process(batch))
        acknowledged.append(len(forgetful.calls))
        after.append(listed(live / "store"))
    sink.close()
    assert [len(names) for names in after] == [0, 2, 4, 6, 4, 6]

    for calls, unsynced in zip(range(len(forgetful.calls) + 1), itertools.cycle(Unsynced), strict=False):
        done = sum(at <= calls for at in acknowledged)
        place = tmp_path / "cut"
        forgetful.leave(place, calls, unsynced)
        again = opened(place / "store", Disk(sync=lambda _path: None, boot=lambda: "after"))
        assert listed(place / "store") in after[done : done + 2], (calls, unsynced)
        for batch in LETTERS[done:]:
            list(again.process(batch))
        assert listed(place / "store") == after[-1], (calls, unsynced)
        again.close()
        shutil.rmtree(place)
