"""kill -9 of a sink at random instants: after redelivery the store holds what an undisturbed run leaves."""

import random
import signal
import subprocess
from pathlib import Path

import pytest

from sinks import REGISTRY
from sinks.location import Location, Place
from stream.events.base import Event
from tests.support.annotations import annotations, asset_deleted, events, key_of, planned, ref, retired
from tests.support.leases import end_lease
from tests.support.programs import ROOT, program
from tests.support.sinks import Row, build, rows_of

BATCHES: list[list[Event]] = [
    *(
        events(
            planned(ref(f"clip-{number}"), of=2), *(annotations(ref(f"clip-{number}"), cell, of=2) for cell in (0, 1))
        )
        for number in range(6)
    ),
    *(events(annotations(ref(f"clip-{number}"), 0, of=2, revision=1, count=4)) for number in range(3)),
    events(planned(ref("clip-1", 2), content="b", of=1), annotations(ref("clip-1", 2), content="b", of=1)),
    events(retired(2, key_of("b", "clip-1"), ref("clip-1"))),
    [asset_deleted(ref("clip-2", 3))],
    events(annotations(ref("clip-2"), 0, of=2, revision=2)),
]


def held(name: str, place: Place) -> list[list[Row]]:
    sink = build(name, place)
    rows = [rows_of(sink, f"clip-{number}") for number in range(6)]
    sink.close()
    return rows


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_kills_at_random_instants_leave_the_same_rows(name: str, tmp_path: Path) -> None:
    _kill_at_random_instants(name, Location.of(tmp_path), most_delay_s=0.05)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_on_an_object_store_kills_leave_the_same_rows(name: str, s3_prefix: str) -> None:
    _kill_at_random_instants(name, Location.of(s3_prefix), most_delay_s=0.6)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_on_azure_kills_leave_the_same_rows(name: str, azure_prefix: str) -> None:
    _kill_at_random_instants(name, Location.of(azure_prefix), most_delay_s=0.3, most_kills=2)


def _kill_at_random_instants(name: str, under: Location, most_delay_s: float, most_kills: int = 5) -> None:
    store, undisturbed = under.child("store"), under.child("calm")
    calm = build(name, undisturbed)
    for batch in BATCHES:
        list(calm.process(batch))
    calm.close()
    chance = random.Random(7)
    first = kills = 0
    while first < len(BATCHES):
        command = program("deliver_to_sink", name, store.uri, first)
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            wanted = chance.randint(0, 3)
            timer = chance.uniform(0.0, most_delay_s)
            for line in process.stdout:
                first = int(line) + 1
                wanted -= 1
                if wanted <= 0 and kills < most_kills:
                    with_delay(process, timer)
                    break
            rest = process.stdout.read()
            first = max([first, *(int(line) + 1 for line in rest.split())])
        assert process.returncode in (0, -signal.SIGKILL)
        if store.path is None:
            end_lease(store, name)
        kills += process.returncode == -signal.SIGKILL
    assert kills > 0
    assert held(name, store) == held(name, undisturbed)


def with_delay(process: "subprocess.Popen[str]", delay_s: float) -> None:
    """Kill somewhere inside the next batch: the instant is the point of the test, not a synchronisation."""
    try:
        process.wait(delay_s)
    except subprocess.TimeoutExpired:
        process.kill()
