"""Whatever fails or dies, every record ends in its outputs or in a dead letter, and is acknowledged."""

import random
from collections.abc import Iterable, Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.errors import BadMedia, Retryable, Unavailable
from stream.events.base import Event
from stream.topology.stage import BatchPolicy, RetryPolicy
from stream.topology.topics import ANNOTATIONS
from tests.support.worker_kit import Kit, asset_id, echo

COUNT = 25


class StormScript:
    """Fails at random before or between outputs; records of `poison` always fail for good."""

    def __init__(self, rng: random.Random, poison: frozenset[str]) -> None:
        self._rng = rng
        self._poison = poison
        self.calm = False

    def __call__(self, events: Sequence[Event]) -> Iterable[Event]:
        for event in events:
            if asset_id(event) in self._poison:
                raise BadMedia("poison", code="poison")
            self._gust()
            yield from echo([event])
        self._gust()

    def _gust(self) -> None:
        if self.calm:
            return
        match self._rng.randrange(8):
            case 0:
                raise Retryable("later", code="later")
            case 1:
                raise Unavailable("away", code="away")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 3), st.booleans(), st.booleans())
@example(seed=496289, batch=3, poisoned=1, throttled=True, kills=False)
def test_nothing_is_lost_and_nothing_is_left(
    seed: int, batch: int, poisoned: int, throttled: bool, kills: bool
) -> None:
    rng = random.Random(seed)
    names = [f"{number}" for number in range(COUNT)]
    poison = frozenset(rng.sample(names, poisoned))
    script = StormScript(rng, poison)
    kit = Kit(
        script,
        batch=BatchPolicy(max_records=batch, max_wait_s=rng.choice([0.0, 1.0])),
        retry=RetryPolicy(max_attempts=10_000, base_delay_s=0.1, max_delay_s=1.0),
        throttled_by=(ANNOTATIONS.name,) if throttled else (),
    )
    kit.broker.declare(ANNOTATIONS.name, "reader")
    kit.publish(*names)
    seen: set[str] = set()
    buried: set[str] = set()
    for turn in range(3000):
        script.calm = turn > 500
        kit.worker.step()
        kit.clock.advance(rng.choice([0.0, 0.05, 0.5]))
        seen |= set(kit.output_names())
        buried |= {dead_letter.asset_id for dead_letter in kit.dead_letters()}
        if kills and turn < 500 and rng.randrange(20) == 0:
            kit.worker.close()  # as a kill does, it settles nothing
            kit.worker = kit.new_worker()
        if not kit.pending():
            break
    assert kit.pending() == 0
    assert buried == poison
    assert seen == set(names) - poison
    kit.worker.close()
    assert kit.sample("rushes_in_flight_records") == 0
    assert kit.sample("rushes_ready_workers") == 0
