"""The server's decisions about connections, in Python: what `server/internal/policy` decides, to the nanosecond. Pure.

Held to it by the vectors of `server/conformance`, which says what each decision means. Times are whole nanoseconds,
`u` is a random number in [0, 1).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

SECOND = 1_000_000_000
_SLOWEST = 86_400 * SECOND
_LARGEST = 10_000

Leave = Literal["free", "held", "probe"]


def scale(duration: int, factor: float) -> int:
    """Multiply a duration by a factor of zero or more, and cut the fraction of a nanosecond off."""
    return int(float(duration) * factor)


class Bucket:
    """Token bucket: at most burst + rate × t openings in any stretch of t seconds; full at `now`."""

    __slots__ = ("full_at", "interval", "slack")

    def __init__(self, rate_per_s: float, burst: int, now: int) -> None:
        interval = _SLOWEST
        if rate_per_s > 0:
            per_token = SECOND / rate_per_s
            if per_token < _SLOWEST:
                interval = max(math.ceil(per_token), 1)
        self.interval = interval
        self.slack = (min(max(burst, 1), _LARGEST) - 1) * interval
        self.full_at = now

    def take(self, now: int) -> int:
        """Take a token and return 0, or take none and return how long to wait before asking again."""
        full = max(self.full_at, now)
        early = full - now - self.slack
        if early > 0:
            return early
        self.full_at = full + self.interval
        return 0


def start_delay(enabled: bool, longest: int, u: float) -> int:
    """How long a process waits before its first opening."""
    return scale(longest, u) if enabled and longest > 0 else 0


def backoff(attempt: int, first: int, longest: int, u: float) -> int:
    """The wait after the attempt-th failure in a row (from 1): doubled, capped, then 50 to 150 % of it."""
    base = min(first, longest)
    while attempt > 1 and 0 < base < longest:
        base = longest if base > longest // 2 else base * 2
        attempt -= 1
    return scale(base, 0.5 + u)


class Holdoff:
    """Keeps from something that fails: held after a failure, then one probe at a time, free after a success."""

    __slots__ = ("failures", "first", "longest", "until")

    def __init__(self, first: int, longest: int) -> None:
        self.first = first
        self.longest = longest
        self.failures = 0
        self.until = 0

    def leave(self, now: int) -> Leave:
        """What is allowed now."""
        if not self.failures:
            return "free"
        return "held" if now < self.until else "probe"

    def failed(self, now: int, u: float) -> int:
        """Note a failure and return the wait from now; one that comes while held lengthens nothing."""
        if self.failures and now < self.until:
            return self.until - now
        self.failures += 1
        wait = backoff(self.failures, self.first, self.longest, u)
        self.until = now + wait
        return wait

    def succeeded(self) -> None:
        """Note a success."""
        self.failures = self.until = 0


class WarmupResult(NamedTuple):
    """How far a warm-up came."""

    target: int
    created: int
    failed: int
    attempts: int

    @property
    def complete(self) -> bool:
        """Every connection was opened."""
        return self.created >= self.target

    @property
    def usable(self) -> bool:
        """A server can start with what was opened."""
        return self.created > 0 or self.target <= 0


GIVE_UP = 3
"""So many connections in a row may fail while none is open."""


class Warmup:
    """Fills a pool one connection after the other, each failure followed by a back-off."""

    __slots__ = (
        "_failures",
        "_first",
        "_longest",
        "_retries",
        "_wait",
        "attempts",
        "created",
        "failed_count",
        "target",
    )

    def __init__(self, target: int, max_retries: int, first_backoff: int, max_backoff: int) -> None:
        self.target = target
        self.created = self.failed_count = self.attempts = 0
        self._retries = max_retries
        self._first = first_backoff
        self._longest = max_backoff
        self._failures = 0
        self._wait = 0

    def next(self) -> int | None:
        """How long to wait before the next opening (0: open now, then say how it ended), or none: done."""
        if self.created + self.failed_count >= self.target or (self.created == 0 and self.failed_count >= GIVE_UP):
            return None
        wait, self._wait = self._wait, 0
        return wait

    def opened(self) -> None:
        """The connection at hand is open."""
        self.attempts += 1
        self.created += 1
        self._failures = 0

    def failed(self, u: float) -> None:
        """An attempt failed."""
        self.attempts += 1
        self._failures += 1
        self._wait = backoff(self._failures, self._first, self._longest, u)
        if self._failures >= self._retries:
            self.failed_count += 1
            self._failures = 0

    @property
    def result(self) -> WarmupResult:
        """How far it came."""
        return WarmupResult(self.target, self.created, self.failed_count, self.attempts)


def expiry(opened: int, lifetime: int, jitter: float, u: float) -> int:
    """When a connection ends: opened + lifetime × (1 − jitter × u)."""
    return opened + lifetime - scale(lifetime, jitter * u)


def due(now: int, expires: int) -> bool:
    """Whether a connection has reached its end."""
    return now >= expires


def keep(
    *, target: int, reservoir: int, open_: int, ready: int, due_idle: int, opening: int, max_opening: int
) -> tuple[int, int]:
    """Openings to begin, and due and idle connections to close: opens first, closes only while `target` others stay."""
    full = target + reservoir
    to_open = full - ready - opening
    if to_open > 0:  # the usual answer is none, and a simulated day asks a million times
        to_open = min(to_open, max_opening - opening, full + max_opening - open_ - opening)
    retire = due_idle and min(due_idle, open_ - target)
    return (to_open if to_open > 0 else 0), (retire if retire > 0 else 0)


def max_opening(leave: Leave, usual: int) -> int:
    """How many openings the keeper may have under way."""
    if leave == "free":
        return usual
    return min(usual, 1) if leave == "probe" else 0


WINDOW_TTL_S = 180
_AFTER_REFUSAL = 200_000_000
_AFTER_REFUSAL_LEAST = 25_000_000


def window_key(endpoint: str, unix_second: int) -> str:
    """The key of one second's counter."""
    return f"dsqlconnect#{endpoint}#{unix_second}"


def window_expires(unix_second: int) -> int:
    """The Unix second from which the counter of a second may be deleted."""
    return unix_second + WINDOW_TTL_S


def unix_second(now_unix: int) -> int:
    """The second that a wall-clock time is counted in."""
    return now_unix // SECOND


def after_refusal(now_unix: int, refusals: int, u: float) -> int:
    """The wait after the refusals-th refusal in a row: until the next second begins, and a jitter that shrinks."""
    spread = _AFTER_REFUSAL
    while refusals > 1 and spread > _AFTER_REFUSAL_LEAST:
        spread //= 2
        refusals -= 1
    return (unix_second(now_unix) + 1) * SECOND - now_unix + scale(spread, u)


def window_bound(limit: int, span: int, skew: int) -> int:
    """The most openings that counters per second let through in any span, with clocks at most `skew` off."""
    return (-(-(span + 2 * skew) // SECOND) + 1) * limit
