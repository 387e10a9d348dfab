"""What goes wrong at the door: throttling, tokens that expire, policies that deny, networks that break."""

from __future__ import annotations

from dataclasses import dataclass

from auroral.aws_calls import Kind, api_name
from tests.support.fake_ecs.clock import FakeClock
from tests.support.fake_ecs.failures import Refused

ANY = "*"


@dataclass
class _Fault:
    call: str
    """`ecs:UpdateService`, `ecs:*` or `*`."""
    refusal: Refused
    left: int | None
    """Calls that still fail; None: all."""
    from_s: float
    until_s: float
    after_change: bool = False

    def hits(self, call: str, elapsed_s: float) -> bool:
        service = call.partition(":")[0]
        named = self.call in (ANY, call, f"{service}:{ANY}")
        return named and self.left != 0 and self.from_s <= elapsed_s < self.until_s


class Faults:
    """Faults by time, or by how many calls they hit. Times are seconds after the start of the clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._faults: list[_Fault] = []

    def fail(
        self,
        call: str,
        code: str,
        words: str,
        *,
        times: int | None = 1,
        from_s: float = 0.0,
        until_s: float = float("inf"),
        kind: Kind | None = None,
        after_change: bool = False,
    ) -> None:
        """Let a call fail: `ecs:UpdateService`, `ecs:*`, `*`.

        `after_change`: what it asks for is done, and the answer lost.
        """
        refusal = Refused(code, words, kind)
        self._faults.append(_Fault(call, refusal, times, from_s, until_s, after_change))

    def throttle(self, call: str = ANY, *, times: int | None = 1, from_s: float = 0.0, until_s: float = 1e12) -> None:
        """`ThrottlingException`."""
        self.fail(call, "ThrottlingException", "Rate exceeded", times=times, from_s=from_s, until_s=until_s)

    def expire(self, from_s: float | None = None) -> None:
        """The token is over, from then on."""
        begins_s = self._clock.elapsed_s if from_s is None else from_s
        words = "The security token included in the request is expired"
        self.fail(ANY, "ExpiredTokenException", words, times=None, from_s=begins_s)

    def deny(self, call: str) -> None:
        """A policy does not allow it."""
        words = f"User: arn:aws:sts::123456789012:assumed-role/operator/me is not authorized to perform: {call}"
        self.fail(call, "AccessDeniedException", words, times=None)

    def break_network(self, *, from_s: float = 0.0, until_s: float = 1e12, times: int | None = None) -> None:
        """No answer."""
        words = "Could not connect to the endpoint URL"
        self.fail(
            ANY,
            "EndpointConnectionError",
            words,
            times=times,
            from_s=from_s,
            until_s=until_s,
            kind=Kind.UNREACHABLE,
        )

    def clear(self) -> None:
        """All is well again: new credentials, another policy."""
        self._faults.clear()

    def strike(self, service: str, operation: str, *, done: bool) -> None:
        """Raises `Refused` where a fault hits this call; `done`: it has been carried out."""
        call = api_name(service, operation)
        for fault in self._faults:
            if fault.after_change == done and fault.hits(call, self._clock.elapsed_s):
                if fault.left is not None:
                    fault.left -= 1
                raise fault.refusal
