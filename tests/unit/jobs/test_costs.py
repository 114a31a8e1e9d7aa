"""What jobs cost: in units always, in money by a table, what was wasted apart, and nothing invented."""

from pathlib import Path

import pytest

from stream.errors import BadRequest
from stream.events.objects import TaskCost
from stream.jobs.prices import GIB, PriceTable
from stream.jobs.reports import rows_of, status_of
from stream.jobs.spending import Spending, VariantCosts
from tests.support.job_coordination import CoordinatorBench

PRICES = PriceTable.read(
    b'currency = "EUR"\ncpu_hour = 3.6\ngpu_hour = 7200\nstored_gib_hour = 0.5\ndelivered_gib = 2\n', "prices.toml"
)
HOUR_MS = 3_600_000


def test_money_is_units_times_prices_with_what_was_wasted_apart() -> None:
    spent = Spending(
        cpu_s=100.0,
        gpu_s=1.0,
        wasted_cpu_s=10.0,
        wasted_gpu_s=0.5,
        written_bytes=GIB,
        stored_byte_hours=4 * GIB,
        delivered_bytes=GIB // 2,
    )
    assert spent.told(PRICES)["money"] == {
        "currency": "EUR",
        "cpu": 0.1,
        "gpu": 2.0,
        "stored": 2.0,
        "delivered": 1.0,
        "total": 5.1,
        "wasted": 1.01,
    }
    assert "money" not in spent.told(None)


def test_every_part_is_charged_to_its_variant_and_time_in_the_store_counts(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one", "two")
    begun_ms = bench.clock.now_ms()
    (first, second) = [task for _, task in bench.take()]
    bench.clock.advance(3600)
    bench.end("acme", first, cost=TaskCost(cpu_s=4.0, written_bytes=1000))
    bench.clock.advance(3600)
    bench.end("acme", second, "failed", code="bad", message="bad", cost=TaskCost(cpu_s=2.0))
    bench.clock.advance(3600)
    job, now_ms = bench.job(), bench.clock.now_ms()
    rows = [row["cost"] for row in rows_of(bench.register, job, ["first", "second"], now_ms, PRICES)]
    assert [(row["cpu_s"], row["wasted_cpu_s"], row["stored_byte_hours"]) for row in rows] == [
        (4.0, 0.0, 2000),
        (2.0, 2.0, 0),
    ]
    whole = status_of(job, {}, {}, now_ms, PRICES)["cost"]
    assert (whole["cpu_s"], whole["wasted_cpu_s"], whole["stored_byte_hours"]) == (6.0, 2.0, 2000)
    assert (whole["money"]["total"], whole["money"]["wasted"]) == (0.006001, 0.002)
    assert now_ms - begun_ms == 3 * HOUR_MS
    bench.register.close()


def test_what_is_delivered_is_not_what_is_stored(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one")
    for _ in range(3):
        ((_, task),) = bench.take()
        bench.end("acme", task, cost=TaskCost(written_bytes=100))
    job = bench.job()
    assert (job.done, job.written_bytes, job.delivered_bytes) == (1, 200, 100)
    bench.register.close()


def test_a_delivery_carries_what_its_variant_cost_and_by_which_prices(tmp_path: Path) -> None:
    bench = CoordinatorBench(tmp_path)
    bench.submit("one")
    for _ in range(2):
        ((_, task),) = bench.take()
        bench.end("acme", task, cost=TaskCost(cpu_s=1.5))
    ((_, delivery),) = bench.take()
    cost = delivery.settings["cost"]
    assert isinstance(cost, dict)
    assert (cost["cpu_s"], "money" in cost) == (3.0, False)
    (row,) = bench.register.variants(bench.job().id)
    told = VariantCosts(bench.clock, PRICES).told(row, bench.clock.now_ms(), 1 << 29)
    assert (told["money"]["cpu"], told["money"]["delivered"]) == (0.003, 1.0)
    assert told["prices"] == PRICES.model_dump()
    bench.register.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"cpu_hour = 1", "currency"),
        (b'currency = "euro"', "currency"),
        (b'currency = "EUR"\ncpu_hour = -1', "cpu_hour"),
        (b'currency = "EUR"\ncpu_hour = nan', "cpu_hour"),
        (b'currency = "EUR"\ncpu_hour = inf', "cpu_hour"),
        (b'currency = "EUR"\ncpu_hour = "=1+1"', "cpu_hour"),
        (b'currency = "EUR"\ncpu_hour = true', "cpu_hour"),
        (b'currency = "EUR"\ncpu = 1', "cpu: extra"),
        (b"currency: EUR", "no TOML"),
        (b"\xff", "no TOML"),
        (b"a = " + b"[" * 5000, "no TOML"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_field(text: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        PriceTable.read(text, "prices.toml")
    assert refused.value.code == "prices_invalid"
    assert len(refused.value.message) < 1000
