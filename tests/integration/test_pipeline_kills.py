"""kill -9 at random instants of an ingest, over and over: nothing is lost, nothing is there twice, no work that was
durable is done again. `make soak` does the same with the real models.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.kill_loop import Ordeal, Work
from benchmarks.testbed.runs import assert_same_rows, ingest, stored_rows
from sinks.maintenance.verify import verify

SEED = 20_261_124
SECONDS = 600


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("most", "options"),
    [
        (6, ()),
        (3, ("--models", "tags,vectors")),
        (3, ("--profile", "fast")),
        pytest.param(20, (), marks=pytest.mark.long),
    ],
)
def test_kills_at_random_instants_lose_nothing_and_double_nothing(
    tmp_path: Path, record_property: Callable[[str, object], None], most: int, options: tuple[str, ...]
) -> None:
    clip = write_clip(tmp_path / "long.mp4", seconds=SECONDS, fps=2, scenes=80, gop=20, size=(64, 48)).path
    assert ingest(tmp_path / "calm", clip, *options).code == 0
    expected = stored_rows(tmp_path / "calm")
    rng = random.Random(SEED)
    ordeals: list[Ordeal] = []
    while (kills := sum(ordeal.kills for ordeal in ordeals)) < most or not any(ordeal.durable for ordeal in ordeals):
        assert kills < 4 * most, "no kill left anything durable behind"
        work = Work(clip, ("--light", "--span", 20, *options), SECONDS)
        ordeal = Ordeal(tmp_path / f"state-{len(ordeals)}", work, rng)
        ordeals.append(ordeal)
        while not ordeal.run(kill=kills + ordeal.kills < max(most, kills + 1)):
            pass
        assert_same_rows(stored_rows(ordeal.state), expected)
        assert verify(ordeal.state / "lancedb", ordeal.state / "parquet").agrees
    again_s = sum(ordeal.decoded_s for ordeal in ordeals) - SECONDS * len(ordeals)
    record_property(
        "figure",
        f"{kills} kills over {len(ordeals)} ingests of {SECONDS} s: {again_s / kills:.0f} s were in flight at a"
        f" kill and decoded again, {again_s / (SECONDS * len(ordeals)):.0%} of the footage",
    )
