"""What a job or a variant has used, in units, and with prices in money."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

from stream.clock import Clock
from stream.jobs.prices import PriceTable

_HOUR_MS = 3_600_000


class SpendingColumns(Protocol):
    """What the register keeps of a job and of a variant. `written_byte_ms`: for each result its bytes times the
    milliseconds from the job's submission to its writing, in all.
    """

    @property
    def cpu_s(self) -> float: ...
    @property
    def gpu_s(self) -> float: ...
    @property
    def wasted_cpu_s(self) -> float: ...
    @property
    def wasted_gpu_s(self) -> float: ...
    @property
    def written_bytes(self) -> int: ...
    @property
    def written_byte_ms(self) -> float: ...
    @property
    def delivered_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Spending:
    """`stored_byte_hours`: bytes of results times the hours from their writing until the job ended, or until now. What
    is kept after that is a matter of the store. `wasted_...`: of work that failed, was canceled or came too late; it is
    part of the sums.
    """

    cpu_s: float
    gpu_s: float
    wasted_cpu_s: float
    wasted_gpu_s: float
    written_bytes: int
    stored_byte_hours: float
    delivered_bytes: int

    @classmethod
    def until(cls, kept: SpendingColumns, elapsed_ms: int) -> "Spending":
        """As of a time after the job's submission."""
        # Equal to the sum over all results of bytes times their own age, without keeping each.
        byte_ms = max(0.0, kept.written_bytes * elapsed_ms - kept.written_byte_ms)
        return cls(
            kept.cpu_s,
            kept.gpu_s,
            kept.wasted_cpu_s,
            kept.wasted_gpu_s,
            kept.written_bytes,
            byte_ms / _HOUR_MS,
            kept.delivered_bytes,
        )

    def told(self, prices: PriceTable | None) -> dict[str, Any]:
        """As JSON: units, and `money` where there are prices."""
        units = {
            "cpu_s": round(self.cpu_s, 3),
            "gpu_s": round(self.gpu_s, 3),
            "wasted_cpu_s": round(self.wasted_cpu_s, 3),
            "wasted_gpu_s": round(self.wasted_gpu_s, 3),
            "written_bytes": self.written_bytes,
            "stored_byte_hours": round(self.stored_byte_hours),
            "delivered_bytes": self.delivered_bytes,
        }
        return priced(units, prices)


def priced(units: dict[str, Any], prices: PriceTable | None) -> dict[str, Any]:
    """Units with their `money`; without prices none is invented."""
    return units if prices is None else {**units, "money": prices.money(units)}


@dataclass(frozen=True, slots=True)
class VariantCosts:
    """What a manifest says that its variant cost."""

    clock: Clock
    prices: PriceTable | None = None

    def told(self, kept: SpendingColumns, submitted_ms: int, delivered_bytes: int) -> dict[str, Any]:
        """As of now, with what is delivered with the manifest."""
        spent = Spending.until(kept, self.clock.now_ms() - submitted_ms)
        told = replace(spent, delivered_bytes=delivered_bytes).told(self.prices)
        # Amounts say little without the prices that they were made with.
        return told if self.prices is None else {**told, "prices": self.prices.model_dump()}
