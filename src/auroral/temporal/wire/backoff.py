"""When to connect next, and why the last time it did not go well. Pure."""

from __future__ import annotations

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


class Backoff:
    """Pauses that double from 0.1 to 2 s while nothing comes of connecting.

    A connection that ends before it has answered a call is such a nothing too, but for the first one in a row: a
    server on its way out takes connections and sends them away, and the next one is another server's.
    """

    def __init__(self) -> None:
        self._in_vain = 0
        self._pause_s = 0.0
        self.due_s = 0.0
        """When the next attempt may be made; in the past: now."""
        self.reason = ""
        """Why the last attempt came to nothing."""

    def failed(self, now_s: float, reason: str) -> None:
        """No connection could be made."""
        self._in_vain += 1
        self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LONGEST_PAUSE_S)
        self.due_s, self.reason = now_s + self._pause_s, reason

    def lost(self, now_s: float, reason: str, *, answered: bool) -> None:
        """A connection has ended; `answered`: it has answered a call."""
        if answered:
            self._in_vain, self._pause_s = 0, 0.0
        elif self._in_vain:
            self.failed(now_s, reason)
        else:
            self._in_vain = 1
            self.reason = reason
