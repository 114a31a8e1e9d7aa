"""Turns and account: nobody starves, nothing idles while somebody may, shares are kept, order within an asset too."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.events.asset import AssetChanged, AssetRef, AssetStatus, Outcome, SegmentProgressed
from stream.events.grid import SECOND_NS
from stream.events.ids import AssetVersion
from stream.events.progress import PartReport, progress_of
from stream.topology.admission_policy import AdmissionPolicy
from stream.topology.lanes import LANES, Lane, lane_of
from stream.worker.fair_queue import Claim, Credits, FairQueue, RoundRobin

QUANTUM = 10.0
costs = st.lists(st.floats(0.01, 300.0), min_size=1, max_size=200)
flows = st.integers(2, 6).map(lambda count: [f"t{number}" for number in range(count)])


def anybody(_tenant: str, _lane: Lane) -> bool:
    return True


def queue() -> FairQueue[int]:
    return FairQueue(quantum=QUANTUM, batch_share=0.2)


@given(flows, costs)
def test_flows_that_always_wait_get_the_same_service(tenants: list[str], charges: list[float]) -> None:
    turns: RoundRobin[str] = RoundRobin(lambda _: QUANTUM)
    served = dict.fromkeys(tenants, 0.0)
    for cost in charges:
        tenant = turns.next(tenants, lambda _: True)
        assert tenant is not None
        turns.charge(tenant, cost)
        served[tenant] += cost
        spread = max(served.values()) - min(served.values())
        assert spread <= QUANTUM + max(charges) + 1e-6


@given(flows, costs, st.lists(st.booleans(), min_size=200, max_size=200))
def test_a_flow_that_comes_and_goes_gains_nothing(tenants: list[str], charges: list[float], there: list[bool]) -> None:
    turns: RoundRobin[str] = RoundRobin(lambda _: QUANTUM)
    served = dict.fromkeys(tenants, 0.0)
    for cost, all_wait in zip(charges, there, strict=False):
        tenant = turns.next(tenants if all_wait else tenants[:1], lambda _: True)
        assert tenant is not None
        turns.charge(tenant, cost)
        served[tenant] += cost
    assert all(served[name] <= served[tenants[0]] + QUANTUM + max(charges) + 1e-6 for name in tenants)


@given(flows, costs)
def test_turns_are_deterministic(tenants: list[str], charges: list[float]) -> None:
    def order() -> list[str | None]:
        turns: RoundRobin[str] = RoundRobin(lambda _: QUANTUM)
        found = []
        for cost in charges:
            found.append(turns.next(tenants, lambda _: True))
            turns.charge(found[-1] or "", cost)
        return found

    assert order() == order()


entries = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(LANES), st.sampled_from(["x", "y", "z"])),
    max_size=80,
)


@given(entries, st.data())
def test_everything_comes_out_once_and_an_asset_in_order(
    items: list[tuple[str, Lane, str]], data: st.DataObject
) -> None:
    waiting = queue()
    came: list[tuple[Claim, int]] = []
    for number, (tenant, lane, asset) in enumerate(items):
        waiting.add(number, Claim(tenant, lane, asset))
        if data.draw(st.booleans()) and (taken := waiting.take(anybody)):
            came.append(taken)
            waiting.charge(taken[0], data.draw(st.floats(0.1, 100)))
    while taken := waiting.take(anybody):
        came.append(taken)
        waiting.charge(taken[0], 1.0)
    assert sorted(number for _, number in came) == list(range(len(items)))
    assert len(waiting) == 0
    for owner in {(tenant, asset) for tenant, _, asset in items}:
        of_one = [number for claim, number in came if (claim.tenant, claim.subject) == owner]
        assert of_one == sorted(of_one)


@given(entries, st.sets(st.sampled_from(["a", "b", "c"])))
def test_it_never_idles_while_somebody_may(items: list[tuple[str, Lane, str]], barred: set[str]) -> None:
    waiting = queue()
    for number, (tenant, lane, asset) in enumerate(items):
        waiting.add(number, Claim(tenant, lane, asset))

    def may(tenant: str, _lane: Lane) -> bool:
        return tenant not in barred

    expected = sum(tenant not in barred for tenant, _, _ in items)
    came = 0
    while waiting.may_any(may):
        taken = waiting.take(may)
        assert taken is not None
        assert taken[0].tenant not in barred
        waiting.charge(taken[0], 25.0)
        came += 1
    assert waiting.take(may) is None
    assert came == expected


def test_a_newcomer_is_next_whatever_waits_before_it() -> None:
    waiting = queue()
    for number in range(10_000):
        waiting.add(number, Claim("hog", "interactive", str(number)))
    for _ in range(50):
        claim, _ = waiting.take(anybody) or pytest.fail("nothing")
        waiting.charge(claim, 7.0)
    waiting.add(-1, Claim("small", "interactive", "one"))
    assert (waiting.take(anybody) or pytest.fail("nothing"))[1] == -1


def test_an_asset_of_hours_is_paid_off_before_its_tenant_is_next() -> None:
    waiting = queue()
    for number in range(500):
        waiting.add(number, Claim("long", "interactive", f"l{number}"))
        waiting.add(number, Claim("short", "interactive", f"s{number}"))
    order = []
    for _ in range(200):
        claim, _ = waiting.take(anybody) or pytest.fail("nothing")
        waiting.charge(claim, 1000.0 if claim.tenant == "long" else 10.0)
        order.append(claim.tenant)
    assert order.count("long") == 2
    assert order.index("long", order.index("long") + 1) >= 100


@pytest.mark.parametrize("cost", [1.0, 5.0, 120.0])
def test_batch_gets_its_share_and_no_more_while_both_lanes_wait(cost: float) -> None:
    waiting = queue()
    for number in range(3000):
        for lane in LANES:
            waiting.add(number, Claim("t", lane, f"{lane}{number}"))
    served: Counter[str] = Counter()
    for _ in range(2000):
        claim, _ = waiting.take(anybody) or pytest.fail("nothing")
        waiting.charge(claim, cost)
        served[claim.lane] += 1
    assert served["batch"] / 2000 == pytest.approx(0.2, abs=0.01)


def test_an_asset_keeps_to_the_lane_in_which_it_waits() -> None:
    waiting = queue()
    waiting.add(1, Claim("t", "batch", "a"))
    waiting.add(2, Claim("t", "interactive", "a"))
    waiting.add(3, Claim("t", "interactive", "b"))
    assert [(waiting.take(anybody) or pytest.fail("nothing"))[1] for _ in range(3)] == [3, 1, 2]
    waiting.add(4, Claim("t", "interactive", "a"))
    assert (waiting.take(anybody) or pytest.fail("nothing"))[0].lane == "interactive"


def test_what_comes_back_is_first_and_what_is_gone_is_dropped() -> None:
    waiting = queue()
    for number in range(4):
        waiting.add(number, Claim("t", "interactive", f"{number}"))
    claim, number = waiting.take(anybody) or pytest.fail("nothing")
    waiting.add(number, claim, place="next")
    assert waiting.drop(lambda item: item == 1) == [1]
    assert [(waiting.take(anybody) or pytest.fail("nothing"))[1] for _ in range(3)] == [0, 2, 3]


@pytest.mark.parametrize(
    ("priority", "lane"),
    [("interactive", "interactive"), ("batch", "batch"), (-1, "batch"), (0, "interactive"), (5, "interactive")],
)
def test_lanes_by_name_or_number(priority: Lane | int, lane: Lane) -> None:
    assert lane_of(priority) == lane


POLICY = AdmissionPolicy(tenant_credit=30.0, credit=60.0, lease_s=100.0, settled_by=("index",))


def ref(tenant: str = "t", asset: str = "a", offset: int = 0) -> AssetRef:
    return AssetRef(tenant=tenant, project="p", asset_id=asset, version=AssetVersion(1, offset))


def cell(
    segment: int, stage: str = "plan", outcome: Outcome = Outcome.DONE, *, of: AssetRef | None = None, seconds: int = 10
) -> SegmentProgressed:
    return SegmentProgressed(
        asset=of or ref(),
        stage=stage,
        segment=segment,
        segment_count=100,
        video_ns=seconds * SECOND_NS,
        outcome=outcome,
    )


@pytest.fixture
def account() -> Credits:
    return Credits(POLICY, "plan")


def test_a_tenant_may_until_its_credit_is_out(account: Credits) -> None:
    for segment in range(3):
        assert account.may("t")
        account.apply(cell(segment), 0.0)
    assert not account.may("t")
    assert account.may("other")
    assert not account.may("other", "batch"), "half of what is for all is taken"
    account.apply(cell(1, "index"), 1.0)
    assert account.may("t")


def test_short_assets_are_bounded_by_their_number() -> None:
    account = Credits(replace(POLICY, tenant_assets=2, assets=4), "plan")
    for name in ("a", "b"):
        assert account.may("t")
        account.apply(cell(0, of=ref(asset=name), seconds=1), 0.0)
        account.apply(cell(1, of=ref(asset=name), seconds=1), 0.0)
    assert not account.may("t")
    assert account.may("u")
    assert not account.may("u", "batch"), "half of what is for all is taken"
    account.apply(cell(0, "index", of=ref(asset="a"), seconds=1), 0.0)
    assert not account.may("t"), "one of two cells"
    account.apply(cell(1, "index", of=ref(asset="a"), seconds=1), 0.0)
    assert account.may("t")
    account.apply(AssetChanged(asset=ref(asset="b"), uri="u", status=AssetStatus.READY), 0.0)
    for name in ("c", "d"):
        assert account.may("t")
        account.apply(cell(0, of=ref(asset=name), seconds=1), 0.0)
    assert not account.may("t")


def test_a_long_asset_leaves_credit_for_short_ones() -> None:
    account = Credits(replace(POLICY, asset_credit=15.0), "plan")
    for segment in range(100):
        account.apply(cell(segment), 0.0)
    assert account.of_tenant("t") == account.outstanding == 15 * SECOND_NS
    assert account.may("t") and account.may("other")
    account.apply(cell(0, of=ref(asset="short")), 0.0)
    account.apply(cell(1, of=ref(asset="short")), 0.0)
    assert not account.may("t"), "15 and 15 s"
    for segment in range(99):
        account.apply(cell(segment, "index"), 1.0)
    assert account.outstanding == (10 + 15) * SECOND_NS
    account.apply(cell(99, "index"), 1.0)
    assert account.outstanding == account.of_tenant("t") == 15 * SECOND_NS


def test_where_interactive_assets_wait_batch_has_a_fifth_of_what_is_outstanding() -> None:
    account = Credits(replace(POLICY, tenant_credit=1000.0, credit=1000.0), "plan")
    assert account.may("b", "batch", contended=True)
    batch = cell(0, of=ref("b"), seconds=5).model_copy(update={"priority": -1})
    account.apply(batch, 0.0)
    assert not account.may("b", "batch", contended=True)
    assert account.may("b", "batch")
    for segment in range(2):
        account.apply(cell(segment), 0.0)
        account.apply(cell(segment), 0.0)
    assert not account.may("b", "batch", contended=True), "5 of 25 s"
    account.apply(cell(2), 0.0)
    assert account.may("b", "batch", contended=True)
    account.apply(batch.model_copy(update={"stage": "index", "priority": None}), 0.0)
    assert (account.batch, account.outstanding) == (0, 30 * SECOND_NS)


@pytest.mark.parametrize(
    "event", [cell(0, "index"), cell(0, "decode", Outcome.FAILED), cell(0, "x", Outcome.SUPERSEDED)]
)
def test_the_index_or_a_failure_gives_credit_back_once(account: Credits, event: SegmentProgressed) -> None:
    account.apply(cell(0), 0.0)
    account.apply(cell(0), 0.0)  # its own word, read back
    account.apply(cell(0, "decode"), 0.0)
    assert account.outstanding == 10 * SECOND_NS
    account.apply(event, 0.0)
    account.apply(event, 0.0)
    assert (account.outstanding, account.of_tenant("t")) == (0, 0)


def test_a_final_asset_has_nothing_outstanding(account: Credits) -> None:
    for offset in range(3):
        account.apply(cell(0, of=ref(offset=offset)), 0.0)
    account.apply(AssetChanged(asset=ref(offset=1), uri="u", status=AssetStatus.PLANNED), 0.0)
    assert account.of_tenant("t") == 30 * SECOND_NS
    account.apply(AssetChanged(asset=ref(offset=1), uri="u", status=AssetStatus.READY), 0.0)
    assert account.of_tenant("t") == 10 * SECOND_NS


def test_lost_credit_comes_back_after_silence(account: Credits) -> None:
    for segment in range(3):
        account.apply(cell(segment), 0.0)
    account.apply(cell(0, "index"), 50.0)
    account.expire(149.0)
    assert account.of_tenant("t") == 20 * SECOND_NS
    account.expire(150.0)
    assert account.outstanding == 0
    assert account.may("t")


def report(event: SegmentProgressed) -> PartReport:
    return progress_of(event) or pytest.fail("no report")


def test_nothing_counts_less_than_a_look_or_more_than_a_cell(account: Credits) -> None:
    assert account.cost(report(cell(0, seconds=0))) == SECOND_NS
    assert account.cost(report(cell(0, seconds=10**6))) == 10 * SECOND_NS


moves = st.lists(
    st.tuples(
        st.sampled_from(["t", "u"]),
        st.integers(0, 3),
        st.sampled_from(["plan", "index", "decode"]),
        st.sampled_from([Outcome.DONE, Outcome.FAILED]),
    ),
    max_size=60,
)


@given(moves)
def test_outstanding_is_what_was_planned_and_not_settled(reports: list[tuple[str, int, str, Outcome]]) -> None:
    account = Credits(POLICY, "plan")
    model: set[tuple[str, int]] = set()
    for tenant, segment, stage, outcome in reports:
        account.apply(cell(segment, stage, outcome, of=ref(tenant)), 0.0)
        if stage == "plan" and outcome is Outcome.DONE:
            model.add((tenant, segment))
        elif stage == "index" or outcome is Outcome.FAILED:
            model.discard((tenant, segment))
        assert account.outstanding == len(model) * 10 * SECOND_NS
        for name in ("t", "u"):
            assert account.of_tenant(name) == sum(who == name for who, _ in model) * 10 * SECOND_NS
