"""The control plane's table depends on neither the order nor the repetition of events."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.control.app import credentials
from stream.control.state import completion, completion_id, entries, head_key, is_name
from stream.control.view import ControlView, Usage, UsageKey
from stream.errors import Fatal
from stream.events.asset import AssetChanged, AssetPublished, AssetRef, AssetStatus, Outcome, SegmentProgressed
from stream.events.base import Payload
from stream.events.grid import SEGMENT_NS
from stream.events.progress import subject_of
from tests.support.control import NOON_MS, asset_ref, change, event, folded, life, report

HOUR_MS = 3_600_000
refs = st.builds(asset_ref, st.sampled_from("ab"), tenant=st.sampled_from("tu"), hour=st.integers(0, 30))
measures = st.integers(0, 5)
payloads: st.SearchStrategy[Payload] = st.one_of(
    st.builds(
        report,
        refs,
        st.sampled_from(["decode", "index"]),
        st.integers(0, 3),
        st.just(4),
        outcome=st.sampled_from(list(Outcome)),
        cpu_us=measures,
        device_us=measures,
        read_bytes=measures,
        video_ns=measures,
    ),
    st.builds(change, refs, st.sampled_from(list(AssetStatus)), done=st.integers(0, 4)),
)


@given(st.lists(payloads, max_size=25), st.data())
def test_any_permutation_and_duplication_gives_the_same_table(events: list[Payload], data: st.DataObject) -> None:
    again = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)) if events else st.just([]))))
    assert folded(events) == folded(again)


@given(st.lists(payloads, max_size=25))
def test_usage_counts_each_done_segment_once_with_its_highest_measures(events: list[Payload]) -> None:
    reports = [item for item in events if isinstance(item, SegmentProgressed)]
    cells = {(item.asset, item.stage, item.segment) for item in reports if item.outcome is Outcome.DONE}
    expected: dict[UsageKey, Usage] = {}
    for asset, stage, segment in cells:
        mine = [item for item in reports if (item.asset, item.stage, item.segment) == (asset, stage, segment)]
        key = UsageKey(asset.version.append_ms // HOUR_MS * HOUR_MS, asset.tenant, stage)
        sums = expected.get(key, Usage())
        expected[key] = Usage(
            sums.quantity + max(item.video_ns for item in mine if item.outcome is Outcome.DONE),
            sums.cpu_us + max(item.cpu_us for item in mine),
            sums.device_us + max(item.device_us for item in mine),
            sums.read_bytes + max(item.read_bytes for item in mine),
        )
    view = ControlView(folded(events))
    assert view.usage("hour") == expected
    assert sum(used.cpu_us for used in view.usage("day").values()) == sum(used.cpu_us for used in expected.values())


def test_usage_and_progress_of_two_tenants() -> None:
    mine, theirs = asset_ref("a"), asset_ref("b", tenant="u", hour=30)
    table = folded(
        [
            report(mine, "decode", 0, 3, cpu_us=5, read_bytes=7),
            report(mine, "decode", 0, 3, cpu_us=6, read_bytes=6),
            report(mine, "decode", 1, 3, outcome=Outcome.FAILED),
            report(theirs, "decode", 0, 1, cpu_us=1, read_bytes=1),
            change(mine, AssetStatus.READY, done=3),
            change(mine, AssetStatus.PARTIAL, done=2),
        ]
    )
    view = ControlView(table)
    day = NOON_MS // (24 * HOUR_MS) * 24 * HOUR_MS
    assert view.usage("day", "t") == {UsageKey(day, "t", "decode"): Usage(SEGMENT_NS, 6, 0, 7)}
    assert list(view.usage("day")) == [UsageKey(day, "t", "decode"), UsageKey(day + 24 * HOUR_MS, "u", "decode")]
    newest, older = view.subjects()
    assert (newest.name.asset_id, newest.head.asset.version, dict(newest.done)) == ("b", theirs.version, {"decode": 1})
    assert (older.head.segment_count, dict(older.done)) == (3, {"decode": 1})
    assert older.head.change is not None
    assert older.head.change.status is AssetStatus.READY
    assert view.subjects("nobody") == []


def test_what_no_asset_has_costs_nothing() -> None:
    huge = report(asset_ref("a"), "decode", 10**12, 10**13)
    assert folded([huge, report(asset_ref("a"), "", 0, 1), AssetPublished(uri="file:///x")]) == {}


def test_an_entry_is_small_however_long_the_asset() -> None:
    asset = asset_ref("a" * 900)
    table: dict[bytes, bytes] = {}
    written = 0
    for segment in range(0, 2000, 10):
        for key, value in entries(report(asset, "understand", segment, 2000), table.get):
            if table.get(key) != value:
                table[key] = value
                written += len(key) + len(value)
    long = AssetChanged.model_validate(
        {
            **change(asset, AssetStatus.PARTIAL).model_dump(),
            "labels": {str(at): "x" * 900 for at in range(16)},
            "missing_ns": [(at, at + 1) for at in range(10_000)],
            "reason": "r" * 2000,
        }
    )
    written += sum(len(key) + len(value) for key, value in entries(long, table.get))
    assert written < 5_000 + 100 * 200


def test_a_completion_is_told_once_for_each_status_that_is_final_and_new() -> None:
    asset = asset_ref("a")
    table: dict[bytes, bytes] = {}
    reports: list[tuple[str, str]] = []
    for status, done in (
        (AssetStatus.PLANNED, 0),
        (AssetStatus.PARTIAL, 1),
        (AssetStatus.PARTIAL, 1),
        (AssetStatus.PARTIAL, 2),
        (AssetStatus.READY, 3),
        (AssetStatus.PARTIAL, 2),
    ):
        changed = event(change(asset, status, done=done))
        again = completion(changed, table.get)
        assert again == completion(changed, table.get)
        if again is not None:
            assert isinstance(again.data, AssetChanged)
            assert again.data.uri == "https://host/a.mp4"
            reports.append((again.data.status, again.id))
        table.update(entries(changed.data, table.get))
    assert reports == [
        (status, completion_id(change(asset, status))) for status in (AssetStatus.PARTIAL, AssetStatus.READY)
    ]
    assert completion(event(report(asset, "decode", 0, 1)), table.get) is None


def test_versions_of_an_asset_have_keys_of_their_own() -> None:
    reports = life(asset_ref("a"), 3, random.Random(1))
    versions = (asset_ref("a"), asset_ref("a", hour=1), asset_ref("a", tenant="u"))
    assert len({head_key(subject_of(each)) for each in versions}) == 3
    assert len({key[:16] for key in folded(reports) if not is_name(key)}) == 1


names = st.builds(asset_ref, st.just("the secret name"), hour=st.integers(0, 5))


@given(st.lists(st.tuples(names, st.sampled_from(list(AssetStatus)), st.booleans()), min_size=1, max_size=12))
def test_a_deleted_asset_has_no_name_unless_it_was_published_again(
    reports: list[tuple[AssetRef, AssetStatus, bool]],
) -> None:
    events: list[Payload] = []
    named, deleted = [-1], [-1]
    for ref, status, reported in reports:
        if reported:
            events.append(report(ref, "decode", 0, 1))
        else:
            reason = AssetChanged.model_validate(
                change(ref, status).model_dump() | {"reason": "the secret name is bad"}
            )
            events.append(reason)
        gone = not reported and status is AssetStatus.DELETED
        (deleted if gone else named).append(ref.version.append_ms)
    table = folded(events)
    known = any(b"secret" in value for value in table.values())
    assert known is (max(named) > max(deleted))
    views = ControlView(table).subjects()
    assert {view.name.asset_id for view in views} == {"the secret name" if known else ""}
    assert len(views) == len({ref.version for ref, _, _ in reports})


def test_security_settings_reach_the_app() -> None:
    assert credentials({}) is None
    scram = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanisms": "SCRAM-SHA-256",
        "sasl.username": "me",
        "sasl.password": "secret",
    }
    made = credentials(scram)
    assert (made.username, made.password, made.mechanism.value) == ("me", "secret", "SCRAM-SHA-256")
    assert made.ssl_context is None
    assert credentials(scram | {"security.protocol": "SASL_SSL"}).ssl_context is not None
    with pytest.raises(Fatal, match="GSSAPI"):
        credentials(scram | {"sasl.mechanisms": "GSSAPI"})
