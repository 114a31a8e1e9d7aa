"""How a worker divides its time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker divides its time, in seconds. None of these values changes its results."""

    poll_timeout_s: float = 0.5  # longest wait for records
    keep_alive_s: float = 0.5  # polls at least this often, also when the buffer is full
    throttle_interval_s: float = 0.05  # asks for unread bytes at most this often
    flush_interval_s: float = 0.1  # outputs of a busy worker are settled at least this often
    unit_s: float = 0.005  # small batches follow each other for this long before the worker polls or settles
    flush_timeout_s: float = 30.0
    timed_s: float = 1.0  # what an operator does by the time alone, it does at most this often
    drain_s: float = 30.0  # how long work in flight may go on after a stop


DEFAULT_PACE = Pace()
