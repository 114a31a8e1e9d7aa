"""How a worker divides its time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker divides its time. Seconds; none of these changes what it does."""

    poll_timeout_s: float = 0.5  # longest wait for records
    keep_alive_s: float = 0.5  # polls at least this often, also when it has enough
    throttle_interval_s: float = 0.05  # asks for unread bytes at most this often
    flush_interval_s: float = 0.1  # outputs of a busy worker are settled at least this often
    unit_s: float = 0.005  # so long small batches follow each other before anything else is looked at
    flush_timeout_s: float = 30.0
    drain_s: float = 30.0  # how long work in flight may go on after a stop


DEFAULT_PACE = Pace()
