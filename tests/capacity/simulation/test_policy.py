"""The Python model decides what the server decides: every vector of server/conformance, to the nanosecond."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.simulation import policy

VECTORS = Path(__file__).parents[3] / "server" / "conformance"
Answer = Callable[[dict[str, Any]], Any]


def ns(value: Any) -> int:
    exact = Decimal(value) * policy.SECOND
    assert exact == int(exact), f"{value} s has more than nine decimals"
    return int(exact)


class Keys:
    """Reads an object of which every key must be read, and none be missing."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.left = dict(values)

    def ns(self, key: str) -> int:
        return ns(self.left.pop(key))

    def real(self, key: str) -> float:
        return float(self.left.pop(key))

    def whole(self, key: str) -> int:
        value = self.left.pop(key)
        assert isinstance(value, int)
        return value

    def any(self, key: str) -> Any:
        return self.left.pop(key)

    def end(self) -> None:
        assert not self.left, f"unknown: {', '.join(self.left)}"


def seconds(value: int) -> Decimal:
    return Decimal(value) / policy.SECOND


def token_bucket(config: Keys) -> Answer:
    bucket = policy.Bucket(config.real("rate_per_s"), config.whole("burst"), config.ns("start_s"))
    return lambda event: seconds(bucket.take(ns(event.pop("at_s"))))


def stagger(config: Keys) -> Answer:
    enabled, longest = config.any("enabled"), config.ns("max_s")
    return lambda event: seconds(policy.start_delay(enabled, longest, float(event.pop("u"))))


def backoff(config: Keys) -> Answer:
    first, longest = config.ns("first_s"), config.ns("max_s")
    return lambda event: seconds(policy.backoff(event.pop("attempt"), first, longest, float(event.pop("u"))))


def holdoff(config: Keys) -> Answer:
    state = policy.Holdoff(config.ns("first_s"), config.ns("max_s"))

    def answer(event: dict[str, Any]) -> Any:
        match event.pop("do"):
            case "leave":
                return state.leave(ns(event.pop("at_s")))
            case "failed":
                return seconds(state.failed(ns(event.pop("at_s")), float(event.pop("u"))))
            case "succeeded":
                state.succeeded()
                return None
        raise AssertionError("unknown event")

    return answer


def warmup(config: Keys) -> Answer:
    state = policy.Warmup(
        config.whole("target"), config.whole("max_retries"), config.ns("first_backoff_s"), config.ns("max_backoff_s")
    )

    def answer(event: dict[str, Any]) -> Any:
        match event.pop("do"):
            case "next":
                wait = state.next()
                return "done" if wait is None else seconds(wait) if wait else "open"
            case "opened":
                return state.opened()
            case "failed":
                return state.failed(float(event.pop("u")))
            case "result":
                one = state.result
                return {
                    "created": one.created,
                    "failed": one.failed,
                    "attempts": one.attempts,
                    "complete": one.complete,
                    "usable": one.usable,
                }
        raise AssertionError("unknown event")

    return answer


def expiry(config: Keys) -> Answer:
    lifetime, jitter = config.ns("lifetime_s"), config.real("jitter")

    def answer(event: dict[str, Any]) -> Any:
        if "opened_s" in event:
            return seconds(policy.expiry(ns(event.pop("opened_s")), lifetime, jitter, float(event.pop("u"))))
        return policy.due(ns(event.pop("now_s")), ns(event.pop("expires_s")))

    return answer


def keeper(config: Keys) -> Answer:
    target, reservoir, usual = config.whole("target"), config.whole("reservoir"), config.whole("max_opening")

    def answer(event: dict[str, Any]) -> Any:
        leave = event.pop("leave", "free")
        assert leave in ("free", "held", "probe")
        to_open, retire = policy.keep(
            target=target,
            reservoir=reservoir,
            open_=event.pop("open"),
            ready=event.pop("ready"),
            due_idle=event.pop("due_idle"),
            opening=event.pop("opening"),
            max_opening=policy.max_opening(leave, usual),
        )
        return {"open": to_open, "retire": retire}

    return answer


def window(config: Keys) -> Answer:
    endpoint = config.any("endpoint")

    def answer(event: dict[str, Any]) -> Any:
        match event.pop("do"):
            case "key":
                second = event.pop("unix_second")
                return {
                    "key": policy.window_key(endpoint, second),
                    "expires_unix_s": policy.window_expires(second),
                }
            case "second":
                return policy.unix_second(ns(event.pop("at_unix_s")))
            case "after_refusal":
                at, refusals, u = ns(event.pop("at_unix_s")), event.pop("refusals"), float(event.pop("u"))
                return seconds(policy.after_refusal(at, refusals, u))
            case "bound":
                limit, span, skew = event.pop("limit"), ns(event.pop("span_s")), ns(event.pop("skew_s"))
                return policy.window_bound(limit, span, skew)
        raise AssertionError("unknown event")

    return answer


RUNNERS: dict[str, Callable[[Keys], Answer]] = {
    "token_bucket": token_bucket,
    "stagger": stagger,
    "backoff": backoff,
    "holdoff": holdoff,
    "warmup": warmup,
    "expiry": expiry,
    "keeper": keeper,
    "window": window,
}
FILES = sorted(VECTORS.glob("*.json"))


def cases() -> list[Any]:
    found = []
    for file in FILES:
        content = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
        assert set(content) == {"about", "cases"}
        assert content["about"]
        assert content["cases"]
        found += [pytest.param(file.stem, case, id=f"{file.stem}: {case['name']}") for case in content["cases"]]
    return found


def test_every_decision_has_its_file_and_every_file_its_decision() -> None:
    assert [file.stem for file in FILES] == sorted(RUNNERS)


@pytest.mark.parametrize(("decision", "case"), cases())
def test_a_vector(decision: str, case: dict[str, Any]) -> None:
    assert set(case) == {"name", "config", "events", "expect"}
    assert len(case["events"]) == len(case["expect"]) > 0
    config = Keys(case["config"])
    answer = RUNNERS[decision](config)
    config.end()
    for index, (event, expected) in enumerate(zip(case["events"], case["expect"], strict=True)):
        left = dict(event)
        assert answer(left) == expected, f"event {index}: {event}"
        assert not left, f"unknown: {', '.join(left)}"


rates = st.floats(0.01, 1_000, allow_nan=False)


@given(rate=rates, burst=st.integers(1, 1_000), gaps=st.lists(st.integers(0, 3 * policy.SECOND), max_size=60))
def test_a_bucket_lets_no_more_through_than_burst_and_rate(rate: float, burst: int, gaps: list[int]) -> None:
    bucket = policy.Bucket(rate, burst, 0)
    now, taken = 0, []
    for gap in gaps:
        now += gap
        while bucket.take(now) == 0:
            taken.append(now)
            if len(taken) > 3_000:
                break
    for first in range(0, len(taken), 7):
        span = (taken[-1] - taken[first]) / policy.SECOND
        assert len(taken) - first <= burst + rate * span + 1e-6


@given(
    target=st.integers(1, 200),
    reservoir=st.integers(0, 50),
    members=st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300)),
    opening=st.integers(0, 4),
)
def test_the_keeper_neither_falls_below_target_nor_goes_beyond_its_room(
    target: int, reservoir: int, members: tuple[int, int, int], opening: int
) -> None:
    ready, due_idle, due_lent = members
    open_ = ready + due_idle + due_lent
    to_open, retire = policy.keep(
        target=target,
        reservoir=reservoir,
        open_=open_,
        ready=ready,
        due_idle=due_idle,
        opening=opening,
        max_opening=4,
    )
    assert retire == 0 or open_ - retire >= target
    assert to_open == 0 or open_ + opening + to_open <= target + reservoir + 4
    assert opening + to_open <= 4
