"""Life of an asset: statuses, visibility and watermarks do not depend on the order in which events arrive."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sinks.assets.asset_status import outcomes_of
from sinks.assets.ledger_entries import LedgerEntry
from sinks.assets.lifecycle import AssetState, Settled, deleted, deletion_code, expires_at_ms, failed, planned, settle
from stream.events.annotations import Annotations
from stream.events.asset import UNKNOWN_ASSET, AssetFailed, AssetPlanned, AssetStatus, SegmentFailed
from stream.events.base import Payload
from stream.events.ids import AssetVersion
from tests.support import annotations as make

S = 1_000_000_000


class Life:
    """An asset driven by events, its ledger in memory; what is retired is swept at once, as the index does."""

    def __init__(self) -> None:
        self.state = AssetState(tenant="acme", asset_id="clip")
        self.ledger: list[LedgerEntry] = []
        self.settled: list[Settled] = []

    def say(self, *words: Payload | AssetVersion, redelivered: Sequence[AssetVersion] = ()) -> Settled:
        """An `AssetVersion` stands for a deletion up to it."""
        for word in words:
            match word:
                case AssetVersion():
                    self.state = deleted(self.state, word)
                case AssetPlanned():
                    self.state = planned(self.state, word)
                case AssetFailed():
                    self.state = failed(self.state, word)
                case Annotations():
                    self._store(LedgerEntry.done(word, 0))
                case SegmentFailed():
                    self._store(LedgerEntry.failed(word, 0))
        settled = settle(self.state, outcomes_of(self.ledger), redelivered)
        self.state = settled.state
        self.ledger = [item for item in self.ledger if not self._void(item)]
        self.settled.append(settled)
        return settled

    def _store(self, item: LedgerEntry) -> None:
        if not self._void(item):
            self.ledger.append(item)

    def _void(self, item: LedgerEntry) -> bool:
        return self.state.retirement.voids(item.content_key, item.version)

    def statuses(self) -> list[AssetStatus]:
        return [change.status for settled in self.settled for change in settled.changed]


def cells(number: int = 1, content: str = "a", of: int = 3) -> list[Annotations]:
    return [make.annotations(make.ref(number=number), segment, content=content, of=of) for segment in range(of)]


def test_ready_when_every_cell_is_there() -> None:
    life = Life()
    life.say(make.planned(), *cells()[:2])
    assert (life.statuses(), life.state.live) == ([AssetStatus.PLANNED], make.version(1))
    settled = life.say(cells()[2])
    assert life.statuses() == [AssetStatus.PLANNED, AssetStatus.READY]
    assert [(item.up_to, item.keep) for item in settled.retired] == [(make.version(1), make.key_of("a"))]
    assert life.say().changed == ()


def test_partial_names_what_is_missing_and_a_replay_makes_it_ready() -> None:
    life = Life()
    settled = life.say(
        make.planned(of=4), *cells(of=4)[:1], *(make.segment_failed(segment=segment) for segment in (1, 2, 3))
    )
    (change,) = settled.changed
    assert change.status is AssetStatus.PARTIAL
    assert change.missing_ns == ((10 * S, 35 * S),)
    assert change.reason == "3 of 4 segments missing (00:00:10.000-00:00:35.000): the bitstream is broken"
    assert (change.code, change.segments_done) == ("corrupt", 1)
    settled = life.say(*cells(of=4)[1:])
    assert [item.status for item in settled.changed] == [AssetStatus.READY]


def test_failed_when_nothing_is_usable() -> None:
    life = Life()
    life.say(make.planned(of=1), make.segment_failed())
    assert (life.statuses(), life.state.live) == ([AssetStatus.FAILED], None)
    other = Life()
    (change,) = other.say(make.asset_failed()).changed
    assert (change.status, change.code, change.reason) == (AssetStatus.FAILED, "not_a_video", "no video stream")


def superseded(number: int, segment: int, content: str) -> SegmentFailed:
    word = make.segment_failed(make.ref(number=number), segment, content=content)
    return word.model_copy(update={"outcome": "superseded"})


def test_a_changed_source_is_planned_again_once() -> None:
    life = Life()
    settled = life.say(make.planned(labels={"team": "red"}), *cells()[:2], superseded(1, 2, "a"))
    (change,) = settled.changed
    assert (change.status, change.code) == (AssetStatus.PARTIAL, "superseded")
    ((number, published),) = settled.replans
    assert (number, published.labels, published.replan) == (make.version(1), {"team": "red"}, True)
    assert life.say().replans == ()
    settled = life.say(make.planned(make.ref(number=2), content="b"), superseded(2, 0, "b"), *cells(2, "b")[1:])
    assert settled.replans == (), "a file that is being written would be planned for ever"
    assert "publish it again" in (settled.newest.reason or "")
    settled = life.say(make.planned(make.ref(number=3), content="c"), *cells(3, "c"))
    assert (settled.newest.status, settled.replans) == (AssetStatus.READY, ())


def test_a_file_that_is_being_written_is_planned_no_more_whatever_comes_after() -> None:
    life = Life()
    life.say(make.planned(), *cells()[:2], superseded(1, 2, "a"))
    life.say(make.planned(make.ref(number=2), content="b"), superseded(2, 0, "b"), *cells(2, "b")[1:])
    assert life.say(cells(2, "b")[1]).replans == ()
    assert life.say(superseded(2, 0, "b"), redelivered=[make.version(2)]).replans == ()


def test_a_replay_of_what_else_failed_may_find_another_source_too() -> None:
    life = Life()
    life.say(make.planned(), *cells()[:2], superseded(1, 2, "a"))
    newer = make.ref(number=2)
    corrupt = make.segment_failed(newer, 1, content="b")
    assert not life.say(make.planned(newer, content="b"), superseded(2, 0, "b"), corrupt, cells(2, "b")[2]).replans
    assert [version for version, _ in life.say(superseded(2, 1, "b")).replans] == [newer.version]


def test_a_replay_that_finds_another_source_leads_to_a_plan_however_often() -> None:
    life = Life()
    for number, content in enumerate("abc", 1):
        corrupt = [make.segment_failed(make.ref(number=number), segment, content=content) for segment in (0, 2)]
        settled = life.say(make.planned(make.ref(number=number), content=content), cells(number, content)[1], *corrupt)
        assert (settled.newest.status, settled.newest.code, settled.replans) == (AssetStatus.PARTIAL, "corrupt", ())
        settled = life.say(superseded(number, 2, content))
        assert settled.newest.code == "superseded", "it says more than that cell 0 is corrupt"
        assert [version for version, _ in settled.replans] == [make.version(number)]


def test_changed_content_is_live_only_when_ready() -> None:
    life = Life()
    life.say(make.planned(), *cells())
    newer = make.ref(number=2)
    life.say(make.planned(newer, content="b"), *cells(2, "b")[:2])
    assert life.state.live == make.version(1)
    settled = life.say(cells(2, "b")[2])
    assert life.state.live == make.version(2)
    assert [(item.up_to, item.keep) for item in settled.retired] == [(make.version(2), make.key_of("b"))]
    assert {item.content_key for item in life.ledger} == {make.key_of("b")}


def test_a_failed_version_never_replaces_a_live_one() -> None:
    life = Life()
    life.say(make.planned(), *cells())
    life.say(make.asset_failed(make.ref(number=2)))
    assert life.state.live == make.version(1)
    newer = make.ref(number=3)
    settled = life.say(make.planned(newer, content="b"), *cells(3, "b")[:2], make.segment_failed(newer, 2, content="b"))
    assert (settled.newest.status, life.state.live) == (AssetStatus.PARTIAL, make.version(1))


def test_the_same_content_again_is_ready_by_the_ledger() -> None:
    life = Life()
    life.say(make.planned(), *cells())
    settled = life.say(make.planned(make.ref(number=2), assumed=(0, 1, 2)))
    assert [item.status for item in settled.changed] == [AssetStatus.READY]
    assert len(life.ledger) == 3
    assert life.state.live == make.version(2)


def test_the_same_content_planned_anew_waits_for_its_own_cells() -> None:
    life = Life()
    life.say(make.planned(), *cells()[:2], make.segment_failed(segment=2))
    settled = life.say(make.planned(make.ref(number=2), assumed=(0, 1)))
    assert settled.newest.status is AssetStatus.PLANNED
    settled = life.say(cells(2)[2])
    assert settled.newest.status is AssetStatus.READY


def test_deleted_is_void_for_ever_and_may_be_published_again() -> None:
    life = Life()
    life.say(make.planned(), *cells())
    settled = life.say(make.version(2))
    assert [item.status for item in settled.changed] == [AssetStatus.DELETED]
    assert [(item.up_to, item.keep) for item in settled.retired] == [(make.version(2), None)]
    assert (life.ledger, life.state.live, life.state.deleted) == ([], None, True)
    assert life.say(make.planned(), *cells()).changed == ()
    settled = life.say(make.planned(make.ref(number=3)), *cells(3))
    assert (settled.newest.status, life.state.live) == (AssetStatus.READY, make.version(3))


def test_a_deletion_of_what_was_never_known_says_so_until_it_is_published() -> None:
    state = AssetState(tenant="acme", asset_id="clip")
    assert deletion_code(state) == UNKNOWN_ASSET
    gone = deleted(state, make.version(1), code=UNKNOWN_ASSET)
    assert [item.code for item in settle(gone, {}).changed] == [UNKNOWN_ASSET]
    assert deletion_code(gone) == UNKNOWN_ASSET
    assert deletion_code(planned(gone, make.planned(make.ref(number=2)))) == "deleted"
    for code in ("deleted", "retention"):
        assert deletion_code(deleted(state, make.version(1), code=code)) == "deleted"


def test_cells_that_were_retired_after_plan_looked_are_asked_for_once() -> None:
    life = Life()
    life.say(make.planned(labels={"team": "red"}), *cells())
    life.say(make.planned(make.ref(number=2), content="b"), *cells(2, "b"))
    again = make.planned(make.ref(number=3), assumed=(0, 1, 2), labels={"team": "red"})
    ((number, published),) = life.say(again).replans
    assert number == make.version(3)
    assert (published.asset_id, published.uri, published.labels) == ("clip", again.uri, {"team": "red"})
    assert published.replan, "plan must not trust its memory of what is outstanding again"
    assert life.say(again).replans == ()
    settled = life.say(make.planned(make.ref(number=4)), *cells(4))
    assert (settled.newest.status, settled.replans) == (AssetStatus.READY, ())
    assert life.state.live == make.version(4)


def test_what_cannot_be_asked_for_without_its_query_is_told_as_missing() -> None:
    """The query is not kept: without it the uri may name something else."""
    life = Life()
    query = {"uri": "https://user:pw@host/clip.mp4?id=5"}
    life.say(make.planned().model_copy(update=query), *cells())
    life.say(make.planned(make.ref(number=2), content="b").model_copy(update=query), *cells(2, "b"))
    again = make.planned(make.ref(number=3), assumed=(0, 1, 2)).model_copy(update=query)
    settled = life.say(again)
    assert settled.replans == ()
    (change,) = settled.changed
    assert (change.status, change.code, change.uri) == (
        AssetStatus.FAILED,
        "uri_not_kept",
        "https://host/clip.mp4?…",
    )
    assert "publish it again" in (change.reason or "")
    assert life.say(again).changed == ()
    assert "pw" not in life.state.model_dump_json()
    assert "id=5" not in life.state.model_dump_json()
    settled = life.say(make.planned(make.ref(number=4)), *cells(4))
    assert settled.newest.status is AssetStatus.READY


def test_a_plan_that_relies_on_what_is_gone_again_and_again_is_asked_once() -> None:
    """As one with a wrong memory of what is outstanding does: each replan would lead to another."""
    life = Life()
    life.say(make.planned(), *cells())
    life.say(make.planned(make.ref(number=2), content="b"), *cells(2, "b"))
    asked = [life.say(make.planned(make.ref(number=number), assumed=(0, 1, 2))).replans for number in range(3, 9)]
    assert [len(item) for item in asked] == [1, 0, 0, 0, 0, 0]
    ((number, _),) = life.say(redelivered=[make.version(3)]).replans
    assert number == make.version(8), "what may have been lost is said again, for whoever waits now"
    assert life.say(*cells(9), make.planned(make.ref(number=9))).newest.status is AssetStatus.READY


def test_what_a_retirement_takes_from_a_later_version_is_asked_for_at_once() -> None:
    life = Life()
    life.say(make.planned(of=2), cells(of=2)[0], make.segment_failed(segment=1))
    again = make.ref(number=3)
    life.say(make.planned(make.ref(number=2), content="b"), make.planned(again, of=2, assumed=(0,)))
    assert life.say(make.segment_failed(again, 1)).newest.status is AssetStatus.PARTIAL
    settled = life.say(*cells(2, "b"))
    assert (life.state.live, settled.newest.status) == (make.version(2), AssetStatus.PLANNED)
    assert [version for version, _ in settled.replans] == [make.version(3)]
    assert life.say(redelivered=[make.version(2)]).replans == settled.replans, (
        "a retirement is said again with what it led to"
    )


def test_cells_still_on_their_way_are_waited_for() -> None:
    life = Life()
    life.say(make.planned(content="b"), *cells(1, "b"))
    life.say(make.planned(make.ref(number=2)), cells(2)[0])
    settled = life.say(make.planned(make.ref(number=3), assumed=(0, 1, 2)))
    assert (settled.replans, settled.newest.status) == ((), AssetStatus.PLANNED)
    settled = life.say(*cells(2)[1:])
    assert (settled.newest.status, life.state.live) == (AssetStatus.READY, make.version(3))


def test_what_was_said_is_said_again_when_its_cause_comes_again() -> None:
    life = Life()
    first = life.say(make.planned(), *cells())
    again = life.say(make.planned(), redelivered=[make.version(1)])
    assert (first.changed, first.retired) == (again.changed, again.retired)
    gone = life.say(make.version(2))
    assert life.say(make.version(2), redelivered=[make.version(2)]).changed == gone.changed


def test_retention_ends_for_the_live_version_only() -> None:
    life = Life()
    life.say(make.planned(retention_days=2), *cells())
    assert expires_at_ms(life.state) == make.version(1).append_ms + 2 * 86_400_000
    life.say(make.planned(make.ref(number=2), content="b"))
    assert expires_at_ms(life.state) is None


WORDS: list[Payload | AssetVersion] = [
    make.planned(),
    *cells(),
    make.segment_failed(segment=1),
    make.asset_failed(make.ref(number=2)),
    make.planned(make.ref(number=3), content="b"),
    *cells(3, "b")[:2],
    make.segment_failed(make.ref(number=3), 2, content="b"),
    make.planned(make.ref(number=4), content="c", of=2),
    *cells(4, "c", of=2),
    make.planned(make.ref(number=5), content="d", of=2),
    make.segment_failed(make.ref(number=5), 0, content="d"),
    cells(5, "d", of=2)[1],
]


def summary(life: Life) -> object:
    attempts = [(item.version, item.announced, item.content_key) for item in life.state.attempts]
    held = {(item.content_key, item.segment) for item in life.ledger if item.space}
    return attempts, life.state.live, life.state.retirement, held


@given(chosen=st.sets(st.integers(0, len(WORDS) - 1)), deletion=st.sampled_from([None, 2, 4, 6]), data=st.data())
def test_order_duplicates_and_batches_do_not_matter(
    chosen: set[int], deletion: int | None, data: st.DataObject
) -> None:
    words = [WORDS[index] for index in sorted(chosen)]
    words += [] if deletion is None else [make.version(deletion)]
    expected = Life()
    expected.say(*words)
    repeated = words + (data.draw(st.lists(st.sampled_from(words), max_size=5)) if words else [])
    shuffled = data.draw(st.permutations(repeated))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(shuffled)), max_size=6)) | {0, len(shuffled)})
    life = Life()
    for start, end in pairwise(cuts):
        life.say(*shuffled[start:end])
    life.say()
    expected.say()
    assert summary(life) == summary(expected)
