"""When somebody who published may stop following."""

from stream.control.completion import Awaited
from stream.events.asset import AssetChanged, AssetRef, AssetStatus, Outcome, SegmentFailed, SegmentProgressed
from stream.events.ids import AssetVersion

FIRST, SECOND = AssetVersion(100, 5), AssetVersion(100, 6)


def ref(version: AssetVersion, tenant: str = "t") -> AssetRef:
    return AssetRef(tenant=tenant, project="p", asset_id="clip", version=version)


def changed(
    version: AssetVersion, status: AssetStatus = AssetStatus.READY, *, code: str | None = None, tenant: str = "t"
) -> AssetChanged:
    return AssetChanged(asset=ref(version, tenant), uri="clip", status=status, code=code)


def progressed(version: AssetVersion, segment: int, stage: str = "index") -> SegmentProgressed:
    return SegmentProgressed(
        asset=ref(version), stage=stage, segment=segment, segment_count=2, video_ns=1, outcome=Outcome.DONE
    )


def test_an_older_version_or_another_tenant_settles_nothing() -> None:
    awaited = Awaited(("index",))
    awaited.published("t", "clip", SECOND)
    assert not awaited.received(changed(FIRST))
    assert not awaited.received(changed(SECOND, tenant="other"))
    assert awaited.received(changed(SECOND, AssetStatus.PLANNED))
    assert not awaited.settled
    assert awaited.received(changed(SECOND))
    assert awaited.settled


def test_a_later_version_settles_an_earlier_one() -> None:
    awaited = Awaited(("index",))
    awaited.published("t", "clip", FIRST)
    awaited.received(changed(SECOND, AssetStatus.FAILED))
    assert awaited.settled


def test_a_changed_source_is_waited_for_once_more_and_no_further() -> None:
    awaited = Awaited(("index",))
    awaited.published("t", "clip", FIRST)
    awaited.received(changed(FIRST, AssetStatus.FAILED, code="superseded"))
    awaited.received(changed(FIRST, AssetStatus.FAILED, code="superseded"))
    assert not awaited.settled
    awaited.received(changed(SECOND, AssetStatus.FAILED, code="superseded"))
    assert awaited.settled


def test_cells_sent_again_are_settled_by_the_index_alone() -> None:
    awaited = Awaited(("index",))
    for segment in (0, 1):
        failed = SegmentFailed(
            asset=ref(FIRST), content_key="c", segment=segment, stage="decode", code="hang", message="m"
        )
        awaited.sent_again(failed)
    awaited.received(progressed(FIRST, 0))
    awaited.received(progressed(FIRST, 1, "decode"))
    awaited.received(progressed(SECOND, 1))
    assert not awaited.settled
    assert awaited.received(progressed(FIRST, 1))
    assert awaited.settled


def test_a_later_version_settles_the_cells_of_an_earlier_one() -> None:
    """Whatever became of them: they may have been skipped."""
    awaited = Awaited(("index",))
    awaited.sent_again(
        SegmentFailed(asset=ref(FIRST), content_key="k", segment=0, stage="decode", code="c", message="")
    )
    awaited.received(changed(FIRST))
    assert not awaited.settled
    awaited.received(changed(SECOND))
    assert awaited.settled
