"""How many requests one caller, and all callers of one tenant, may send: token buckets in this process."""

import ipaddress
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

from stream.clock import Clock
from stream.service.caller import Caller
from stream.service.problems import Problem

BURST_S = 10.0
"""So many seconds' worth may come at once: a page of results asks for all its pictures."""
TENANT_SHARE = 4
"""All callers of a tenant together may send so many times as much as one."""
_MOST_BUCKETS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float
    refusing: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """`wait_s`: until one request is let in. `first`: of a row of refusals, which is the one to write down."""

    wait_s: float
    first: bool

    def problem(self) -> Problem:
        return Problem(
            429,
            "Too many requests in a short time.",
            code="too_many_requests",
            headers={"retry-after": str(max(1, math.ceil(self.wait_s)))},
        )


class TokenBuckets:
    """Thread-safe. Each name gets `per_s` tokens a second and holds `most`."""

    def __init__(self, clock: Clock, per_s: float, most: float) -> None:
        self._clock = clock
        self._per_s = per_s
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> Refusal | None:
        """One token; None where there was one."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            bucket = self._buckets.setdefault(name, _Bucket(self._most, now_s))
            self._buckets.move_to_end(name)
            # Who has not asked for longest has a full one again, or nearly.
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
            bucket.tokens = min(self._most, bucket.tokens + (now_s - bucket.at_s) * self._per_s)
            bucket.at_s = now_s
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                bucket.refusing = False
                return None
            first, bucket.refusing = not bucket.refusing, True
            return Refusal((1 - bucket.tokens) / self._per_s, first)


class RequestLimits:
    """`per_s`: of one caller. The one administrator of a machine that nobody has set up has no limit."""

    def __init__(self, clock: Clock, per_s: float) -> None:
        self._callers = TokenBuckets(clock, per_s, per_s * BURST_S)
        self._tenants = TokenBuckets(clock, per_s * TENANT_SHARE, per_s * TENANT_SHARE * BURST_S)
        self._strangers = TokenBuckets(clock, per_s, per_s * BURST_S)

    def of_strangers(self, ip: str | None) -> Refusal | None:
        """None where another request that says nothing valid of who sends it may be looked at, by where it comes from.
        Each of them is an event of the trail, which would fill the disk and so stop the service.
        """
        return self._strangers.take(_network(ip))

    def refusal(self, caller: Caller) -> Refusal | None:
        """None where the request is let in."""
        if caller.access.everything:
            return None
        refused = self._callers.take(caller.access.principal)
        tenants = caller.access.tenants()
        # Of somebody in several tenants it is not known for which one a request is.
        if refused is not None or len(tenants) != 1:
            return refused
        return self._tenants.take(next(iter(tenants)))


def _network(ip: str | None) -> str:
    """One client has all addresses of an IPv6 network of 64 bits."""
    if ip is None:
        return ""
    address = ipaddress.ip_address(ip)
    return ip if address.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))
