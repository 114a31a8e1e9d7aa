"""The one way in which tests and benchmarks wait for what another thread, process or broker does."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from stream.clock import SystemClock

WAIT_S = 60.0


def wait_for(
    reached: Callable[[], bool],
    what: str,
    *,
    meanwhile: Callable[[], object] = lambda: None,
    within_s: float = WAIT_S,
    every_s: float = 0.05,
) -> None:
    """Return once it is true. Raises `AssertionError` that names `what` if it does not come true in time.

    `meanwhile` is called before each look: it drives what is waited for, or raises where waiting is in vain.
    """
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + within_s
    while True:
        meanwhile()
        if reached():
            return
        assert clock.monotonic_s() < deadline_s, f"in {within_s:.0f} s it did not come true that {what}"
        clock.sleep(every_s)


def must_run(process: subprocess.Popen[str], log: Path | None = None) -> Callable[[], None]:
    """For `meanwhile`: a process that ends before the point is reached fails the test, with the end of its log."""

    def look() -> None:
        code = process.poll()
        said = f": {log.read_text()[-2000:]}" if log is not None and code is not None else ""
        assert code is None, f"the process ended with {code} before the point was reached{said}"

    return look
