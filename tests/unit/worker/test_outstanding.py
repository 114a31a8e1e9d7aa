"""Which planned cells may still come, from reports and from what groups have left."""

import pytest

from stream.events.asset import AssetChanged, AssetRef, AssetStatus, Outcome, SegmentProgressed
from stream.events.ids import AssetVersion
from stream.events.progress import ASSET, SubjectKey
from stream.pipelines.understanding import reference_topology
from stream.topology.admission_policy import Hop
from stream.topology.hops import hops
from stream.topology.topics import TOPICS
from stream.worker.outstanding import MAX_PARTS, SLACK_MS, Left, Outstanding, PartName

DECODE = Hop("decode", "spans", "plan")
UNDERSTAND = Hop("understand", "frames", "decode")
INDEX = Hop("index", "annotations", "understand", failures=True)
PARQUET = Hop("parquet", "annotations", "understand", failures=True)
CAPTION = Hop("caption", "annotations", "understand", failures=True, reports=False)
NOTHING_LEFT: Left = dict.fromkeys(("decode", "understand", "caption", "index", "parquet"))
T0 = 1_000_000


def ref(name: str = "a", version: int = 1) -> AssetRef:
    return AssetRef(tenant="t", project="p", asset_id=name, version=AssetVersion(version, 0))


def report(stage: str, segment: int = 0, outcome: Outcome = Outcome.DONE, name: str = "a") -> SegmentProgressed:
    return SegmentProgressed(
        asset=ref(name), stage=stage, segment=segment, segment_count=9, video_ns=10, outcome=outcome
    )


def cell(segment: int = 0, name: str = "a") -> PartName:
    return PartName(SubjectKey(ASSET, "t", name, AssetVersion(1, 0)), segment)


@pytest.fixture
def fold() -> Outstanding:
    return Outstanding("plan", (DECODE, UNDERSTAND, INDEX, PARQUET))


def look(fold: Outstanding, now_ms: int = T0 + 1000, **left: int | None) -> list[PartName]:
    fold.begin_check()
    return fold.end_check({**NOTHING_LEFT, **left}, now_ms)


def reported(fold: Outstanding, *stages: str, at_ms: int = T0, segment: int = 0) -> None:
    for stage in stages:
        fold.apply(report(stage, segment), at_ms, at_ms)


def test_the_way_of_cells_follows_from_the_stages() -> None:
    policy = reference_topology().stage("plan").admission
    assert policy is not None
    assert policy.way == (DECODE, UNDERSTAND, CAPTION, INDEX, PARQUET)
    assert hops("plan", (), TOPICS) == ()


@pytest.mark.parametrize("reached", [("plan",), ("plan", "decode"), ("plan", "decode", "understand")])
def test_a_cell_whose_stage_has_nothing_left_is_lost(fold: Outstanding, reached: tuple[str, ...]) -> None:
    reported(fold, *reached)
    assert look(fold) == [cell()]
    assert cell() not in fold


@pytest.mark.parametrize(
    ("reached", "waits_for"),
    [(("plan",), "decode"), (("plan", "decode"), "understand")],
)
def test_a_cell_whose_stage_has_something_as_old_may_still_come(
    fold: Outstanding, reached: tuple[str, ...], waits_for: str
) -> None:
    reported(fold, *reached)
    assert look(fold, **{waits_for: T0 + SLACK_MS}) == []
    assert cell() in fold
    assert look(fold, **{waits_for: T0 + SLACK_MS + 1}) == [cell()]


def test_a_cell_that_one_of_the_sinks_skipped_is_lost_though_the_other_still_has_it(fold: Outstanding) -> None:
    reported(fold, "plan", "decode", "understand")
    assert look(fold, index=T0) == [cell()]


def test_a_cell_that_both_sinks_have_to_read_may_still_come(fold: Outstanding) -> None:
    reported(fold, "plan", "decode", "understand")
    assert look(fold, index=T0, parquet=T0) == []
    reported(fold, "index")
    assert look(fold, parquet=T0) == []
    assert look(fold) == [cell()]


def test_what_both_sinks_reported_is_not_outstanding(fold: Outstanding) -> None:
    reported(fold, "plan", "decode", "understand", "index", "parquet")
    assert cell() not in fold
    assert look(fold) == []


def test_a_failure_goes_past_the_stages_between(fold: Outstanding) -> None:
    reported(fold, "plan")
    fold.apply(report("decode", outcome=Outcome.FAILED), T0, T0)
    assert look(fold, index=T0, parquet=T0) == []
    assert look(fold, parquet=T0) == [cell()]


def test_what_moves_during_a_look_is_not_judged_by_it(fold: Outstanding) -> None:
    reported(fold, "plan")
    fold.begin_check()
    reported(fold, "decode")
    assert fold.end_check(NOTHING_LEFT, T0) == []
    assert cell() in fold


def test_a_plan_that_was_not_read_back_is_believed_for_a_while(fold: Outstanding) -> None:
    fold.apply(report("plan"), T0)
    assert look(fold, T0 + 59_999) == []
    assert look(fold, T0 + 60_000) == [cell()]


def test_a_stage_without_reports_sends_cells_round_again(fold: Outstanding) -> None:
    again = Outstanding("plan", (DECODE, UNDERSTAND, CAPTION, INDEX, PARQUET))
    reported(again, "plan", "decode", "understand", "index", "parquet")
    assert look(again, caption=T0) == []
    assert look(again, index=T0 + 10 * SLACK_MS) == []
    assert look(again) == [cell()]


def test_a_deletion_ends_what_was_planned_before_it(fold: Outstanding) -> None:
    reported(fold, "plan")
    for version, there in ((0, True), (1, False)):
        fold.apply(AssetChanged(asset=ref(version=version), uri="", status=AssetStatus.DELETED), T0)
        assert (cell() in fold) is there


def test_what_nobody_planned_is_not_followed(fold: Outstanding) -> None:
    reported(fold, "decode")
    assert cell() not in fold


def test_it_is_bounded(fold: Outstanding) -> None:
    for number in range(MAX_PARTS + 1):
        fold.apply(report("plan", 0, name=str(number)), T0, T0)
    assert cell(name="0") not in fold
    assert cell(name="1") in fold
    assert cell(name=str(MAX_PARTS)) in fold
