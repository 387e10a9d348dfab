"""Who may open a connection: token bucket, cap, and a door held shut. Pure: time is an argument."""

from __future__ import annotations

from auroral.local.double import refusals
from auroral.local.double.refusals import Refusal
from auroral.local.double.settings import DoubleSettings


class TokenBucket:
    """`burst` tokens at most, `rate_per_s` of them a second."""

    def __init__(self, rate_per_s: float, burst: float, now_s: float) -> None:
        self.rate_per_s = rate_per_s
        self.burst = burst
        self.tokens = burst
        self._at_s = now_s

    def take(self, now_s: float) -> bool:
        """Take one, where there is one."""
        self._refill(now_s)
        # A token refilled in pieces may miss one by rounding.
        if self.tokens < 1 - 1e-9:
            return False
        self.tokens = max(0.0, self.tokens - 1)
        return True

    def change(self, rate_per_s: float, burst: float, now_s: float) -> None:
        """Another rate and burst; a smaller burst spills what it does not hold, a larger one starts full."""
        self._refill(now_s)
        self.tokens = burst if burst > self.burst else min(self.tokens, burst)
        self.rate_per_s, self.burst = rate_per_s, burst

    def _refill(self, now_s: float) -> None:
        elapsed_s = max(0.0, now_s - self._at_s)
        self._at_s = max(now_s, self._at_s)
        self.tokens = min(self.burst, self.tokens + elapsed_s * self.rate_per_s)


class Door:
    """Decides on each attempt to open a connection, before its token is looked at."""

    def __init__(self, settings: DoubleSettings, now_s: float) -> None:
        self._settings = settings
        self._bucket = TokenBucket(settings.connect_rate_per_s, settings.connect_burst, now_s)
        self._shut_until_s = now_s
        self.open = 0
        """Connections that are open now."""

    def change(self, settings: DoubleSettings, now_s: float) -> None:
        """Take new settings; the bucket is touched only where its own change."""
        old, self._settings = self._settings, settings
        rate = (settings.connect_rate_per_s, settings.connect_burst)
        if rate != (old.connect_rate_per_s, old.connect_burst):
            self._bucket.change(*rate, now_s)

    def shut(self, until_s: float) -> None:
        """Refuse all until then."""
        self._shut_until_s = until_s

    def knock(self, now_s: float) -> Refusal | None:
        """One attempt. It costs a token of the bucket unless the door is shut."""
        if now_s < self._shut_until_s:
            return refusals.UNAVAILABLE
        if not self._bucket.take(now_s):
            return refusals.RATE_EXCEEDED
        return refusals.TOO_MANY_CONNECTIONS if self.open >= self._settings.max_connections else None
