"""Progress and usage do not depend on the order or the number of times events arrive."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from stream.control.progress import ALL, Progress, StageTotal
from stream.events.asset import AssetChanged, AssetPublished, AssetRef, AssetStatus, Outcome, SegmentProgressed
from stream.events.base import Payload
from stream.events.ids import AssetVersion

COUNT = 4


def ref(asset_id: str = "a", *, tenant: str = "t", version: int = 1) -> AssetRef:
    return AssetRef(tenant=tenant, project="p", asset_id=asset_id, version=AssetVersion(version, 0))


def progressed(
    segment: int, *, asset: AssetRef | None = None, stage: str = "decode", outcome: Outcome = Outcome.DONE
) -> SegmentProgressed:
    return SegmentProgressed(
        asset=asset or ref(),
        stage=stage,
        segment=segment,
        segment_count=COUNT,
        video_ns=10 if segment < COUNT - 1 else 3,
        outcome=outcome,
    )


def changed(status: AssetStatus, *, asset: AssetRef | None = None, done: int = 0) -> AssetChanged:
    return AssetChanged(asset=asset or ref(), uri="file:///a", status=status, segments_done=done)


refs = st.builds(ref, st.sampled_from("ab"), tenant=st.sampled_from("tu"), version=st.integers(1, 2))
payloads: st.SearchStrategy[Payload] = st.one_of(
    st.builds(
        progressed,
        st.integers(0, COUNT - 1),
        asset=refs,
        stage=st.sampled_from(["decode", "index"]),
        outcome=st.sampled_from(list(Outcome)),
    ),
    st.builds(changed, st.sampled_from(list(AssetStatus)), asset=refs, done=st.integers(0, 3)),
)


def folded(events: Sequence[Payload]) -> Progress:
    progress = Progress()
    progress.apply(events)
    return progress


@given(st.lists(payloads, max_size=25), st.data())
def test_any_permutation_and_duplication_gives_the_same_state(events: list[Payload], data: st.DataObject) -> None:
    again = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)) if events else st.just([]))))
    first, second = folded(events), folded(again)
    assert first.subjects == second.subjects
    assert first.totals() == second.totals()
    assert first.usage() == second.usage()
    assert first.changes() == second.changes()


@given(st.lists(payloads, max_size=25))
def test_usage_counts_each_done_segment_once(events: list[Payload]) -> None:
    done = {
        (event.asset.tenant, event.stage, event.asset.asset_id, event.asset.version, event.segment): event.video_ns
        for event in events
        if isinstance(event, SegmentProgressed) and event.outcome is Outcome.DONE
    }
    for (tenant, stage), used_ns in folded(events).usage().items():
        assert used_ns == sum(video_ns for key, video_ns in done.items() if key[:2] == (tenant, stage))


def test_a_full_bitmap_folds_and_stays_full() -> None:
    progress = folded([progressed(segment) for segment in range(COUNT)])
    (asset,) = progress.subjects.values()
    assert asset.stages["decode"].done == ALL
    assert asset.parts_done("decode") == COUNT
    before = dict(progress.subjects)
    progress.apply([progressed(2)])
    assert progress.subjects == before
    assert progress.totals() == {"decode": StageTotal(33, 33)}


def test_failed_then_done_is_settled_once() -> None:
    progress = folded([progressed(0, outcome=Outcome.FAILED), progressed(1, outcome=Outcome.SUPERSEDED)])
    assert progress.totals()["decode"] == StageTotal(0, 20)
    progress.apply([progressed(0)])
    assert progress.totals()["decode"] == StageTotal(10, 20)
    (asset,) = progress.subjects.values()
    assert asset.parts_done("decode") == 1


def test_the_latest_version_speaks_for_the_asset() -> None:
    progress = folded(
        [
            changed(AssetStatus.PLANNED, asset=ref(version=2)),
            changed(AssetStatus.READY),
            changed(AssetStatus.FAILED, asset=ref("b")),
            changed(AssetStatus.READY, asset=ref("b")),
        ]
    )
    assert [(it.asset.asset_id, it.status) for it in progress.changes()] == [
        ("a", AssetStatus.PLANNED),
        ("b", AssetStatus.READY),
    ]


def test_impossible_segments_cost_nothing() -> None:
    huge = progressed(0).model_copy(update={"segment": 10**12, "segment_count": 10**13})
    negative = progressed(-1)
    progress = folded([huge, negative, progressed(COUNT), AssetPublished(uri="file:///x")])
    assert progress.totals() == {"decode": StageTotal(0, 0)}
