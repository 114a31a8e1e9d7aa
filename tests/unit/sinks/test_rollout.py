"""Ready means ready in one space: what two roll-outs did of an asset between them is made whole in the later one's."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.assets.asset_status import Outcomes, outcomes_of
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.lifecycle import MAX_ASKED, AssetState, Settled, planned, settle
from stream.events.aim import NO_AIM, Aim
from stream.events.annotations import Annotations, Space
from stream.events.asset import AssetPlanned, AssetStatus
from tests.support import annotations as make

OLD, NEW = make.SPACE, make.OTHER_SPACE
OLD_AIM = Aim(space=OLD.key, understand="u1", epoch_ms=100)
NEW_AIM = Aim(space=NEW.key, understand="u2", epoch_ms=200)


def plan(aim: Aim, number: int = 1, assumed: tuple[int, ...] = (), of: int = 3) -> AssetPlanned:
    made = make.planned(make.ref(number=number), of=of, assumed=assumed)
    return made.model_copy(update={"aim": aim})


def cell(segment: int, space: Space, epoch_ms: int, number: int = 1) -> Annotations:
    return make.annotations(make.ref(number=number), segment, of=3, space=space, epoch_ms=epoch_ms)


class Index:
    """One asset's life, told batch by batch."""

    def __init__(self) -> None:
        self.state = AssetState(tenant="acme", asset_id="clip")
        self.ledger: list[LedgerEntry] = []

    @property
    def outcomes(self) -> Outcomes:
        return outcomes_of(self.ledger)

    def say(self, *words: AssetPlanned | Annotations, aim: Aim = NO_AIM, again: int | None = None) -> Settled:
        for word in words:
            if isinstance(word, AssetPlanned):
                self.state = planned(self.state, word)
            else:
                self.ledger.append(LedgerEntry.done(word, 0))
        settled = settle(self.state, self.outcomes, () if again is None else [make.version(again)], aim)
        self.state = settled.state
        return settled


def test_cells_of_another_space_make_nothing_ready() -> None:
    """An older roll-out's late work does not count for what a later one planned."""
    found = Index().say(plan(NEW_AIM), *(cell(number, OLD, 100) for number in range(3)))
    assert found.newest.status is AssetStatus.PLANNED
    assert found.newest.done == 0


def test_cells_scattered_over_two_spaces_are_planned_and_asked_for_once() -> None:
    index = Index()
    found = index.say(plan(OLD_AIM), cell(0, OLD, 100), cell(1, NEW, 200))
    assert (found.newest.status, found.replans) == (AssetStatus.PLANNED, ())  # the third is on its way
    found = index.say(cell(2, OLD, 100))
    assert (found.newest.status, found.newest.space, found.newest.done) == (AssetStatus.PLANNED, NEW.key, 1)
    ((version, asked),) = found.replans
    assert (version, asked.replan, asked.asset_id) == (make.version(1), True, "clip")
    assert index.say().replans == ()
    assert len(index.say(again=1).replans) == 1, "what led to it came again"


def test_the_asked_for_plan_makes_it_ready_in_the_later_space() -> None:
    index = Index()
    index.say(plan(OLD_AIM), cell(0, OLD, 100), cell(1, NEW, 200), cell(2, OLD, 100))
    found = index.say(plan(NEW_AIM, 2, assumed=(1,)), cell(0, NEW, 200, 2))
    assert found.newest.status is AssetStatus.PLANNED
    found = index.say(cell(2, NEW, 200, 2))
    assert (found.newest.status, found.newest.space, found.replans) == (AssetStatus.READY, NEW.key, ())


def test_what_ends_in_the_old_space_after_a_roll_out_began_is_visible_and_asked_for() -> None:
    index = Index()
    found = index.say(plan(OLD_AIM), *(cell(number, OLD, 100) for number in range(3)), aim=NEW_AIM)
    assert (found.newest.status, found.state.live) == (AssetStatus.READY, make.version(1))
    assert len(found.replans) == 1
    found = index.say(plan(NEW_AIM, 2), aim=NEW_AIM)
    assert (found.newest.status, found.state.live) == (AssetStatus.PLANNED, make.version(1)), "it shows as it was"


def test_what_was_ready_before_a_roll_out_stays_as_it_is() -> None:
    index = Index()
    index.say(plan(OLD_AIM), *(cell(number, OLD, 100) for number in range(3)))
    assert index.say(aim=NEW_AIM).replans == ()


def test_a_roll_out_that_keeps_the_space_asks_for_nothing() -> None:
    later = OLD_AIM.model_copy(update={"epoch_ms": 200, "understand": "u9"})
    found = Index().say(plan(OLD_AIM), cell(0, OLD, 100), cell(1, OLD, 200), cell(2, OLD, 100), aim=later)
    assert (found.newest.status, found.replans) == (AssetStatus.READY, ())


def test_all_cells_done_by_the_later_roll_out_need_no_other_plan() -> None:
    found = Index().say(plan(OLD_AIM), *(cell(number, NEW, 200) for number in range(3)), aim=NEW_AIM)
    assert (found.newest.status, found.newest.space, found.replans) == (AssetStatus.READY, NEW.key, ())


def test_plans_of_an_older_release_count_any_space() -> None:
    found = Index().say(plan(NO_AIM), cell(0, OLD, 100), cell(1, NEW, 200), cell(2, OLD, 100), aim=NEW_AIM)
    assert (found.newest.status, found.replans) == (AssetStatus.READY, ())


def test_a_plan_that_the_former_roll_out_takes_again_and_again_is_asked_for_only_so_often() -> None:
    index, asked = Index(), 0
    for number in range(1, MAX_ASKED + 10):
        found = index.say(plan(OLD_AIM, number, assumed=(0, 2)), cell(0, OLD, 100), cell(2, OLD, 100),
                          cell(1, NEW, 200, number))  # fmt: skip
        asked += len(found.replans)
    assert asked == MAX_ASKED + 1


@given(st.permutations(range(3)), st.lists(st.booleans(), min_size=3, max_size=3))
def test_ready_is_whole_in_one_space(order: list[int], later: list[bool]) -> None:
    """Whichever of two roll-outs does which cell, and in which order."""
    index = Index()
    index.say(plan(OLD_AIM))
    for segment in order:
        found = index.say(cell(segment, NEW, 200) if later[segment] else cell(segment, OLD, 100))
    whole = len(set(later)) == 1
    assert (found.newest.status is AssetStatus.READY) is whole
    assert len(found.replans) == (not whole)
