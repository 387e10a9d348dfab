"""Nothing is lost, nothing comes twice, and what comes in time comes in order."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from auroral.ecs.logs.merge import Event, Merge, Pace, event_of, in_order

HOLD_MS, LATE_MS = 4_000, 30_000


def event(at_ms: int, ident: str = "1", source: str = "history", message: str = "m") -> Event:
    return Event(at_ms=at_ms, id=ident, source=source, stream=f"{source}/{source}/t", message=message)


def test_an_event_as_cloudwatch_tells_it() -> None:
    found = event_of(
        "history",
        {"timestamp": 5, "eventId": "7", "logStreamName": "history/history/abc", "message": "hello\n", "x": 1},
    )
    assert (found.at_ms, found.id, found.task, found.container, found.message) == (5, "7", "abc", "history", "hello")
    proxy = event_of("ui", {"logStreamName": "service-connect/proxy/abc"})
    assert (proxy.task, proxy.container) == ("abc", "proxy")
    other = event_of("flow", {"logStreamName": "eni-1-all"})
    assert (other.task, other.container) == ("", "")


def test_logs_are_merged_without_reading_ahead() -> None:
    read: list[int] = []

    def log(source: str, times: range) -> Iterator[Event]:
        for at_ms in times:
            read.append(at_ms)
            yield event(at_ms, str(at_ms), source)

    merged = in_order([log("a", range(0, 1000, 2)), log("b", range(1, 1000, 2))])
    assert [next(merged).at_ms for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(read) <= 8


@st.composite
def arrivals(draw: st.DrawFn) -> list[tuple[int, Event]]:
    """When each event is seen first: within the hold of its own time."""
    made = []
    for number in range(draw(st.integers(1, 30))):
        at_ms = draw(st.integers(0, 20_000))
        seen_ms = at_ms + draw(st.integers(0, HOLD_MS - 1))
        made.append((seen_ms, event(at_ms, f"{number:03}", draw(st.sampled_from("abc")))))
    return made


@given(arrivals(), st.integers(50, 3_000))
def test_all_come_once_and_in_order(seen: list[tuple[int, Event]], step_ms: int) -> None:
    """Every look shows all events that came in the last half minute, as the reader's looks do."""
    merge, got, now_ms = Merge(hold_ms=HOLD_MS, late_ms=LATE_MS), [], 0
    from_ms = 0
    while now_ms < 30_000:
        for seen_ms, one in seen:
            if seen_ms <= now_ms and one.at_ms >= from_ms:
                merge.offer(one)
        got += merge.ready(now_ms)
        from_ms = merge.from_ms(now_ms)
        now_ms += step_ms
    got += merge.rest()
    assert sorted(one.id for one in got) == sorted(one.id for _, one in seen)
    if all(seen_ms + step_ms <= one.at_ms + HOLD_MS for seen_ms, one in seen):
        assert got == sorted(got, key=lambda one: one.order)
        assert merge.late == 0


@given(st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 25_000)), min_size=1, max_size=40))
def test_late_ones_are_not_lost(times: list[tuple[int, int]]) -> None:
    """However late within the look-back an event comes, it comes once."""
    made = [(at_ms + late_ms, event(at_ms, f"{number:03}")) for number, (at_ms, late_ms) in enumerate(times)]
    merge, got, from_ms = Merge(hold_ms=HOLD_MS, late_ms=LATE_MS), [], 0
    for now_ms in range(0, 140_000, 5_000):
        for seen_ms, one in made:
            if seen_ms <= now_ms and one.at_ms >= from_ms:
                merge.offer(one)
        got += merge.ready(now_ms)
        from_ms = merge.from_ms(now_ms)
    got += merge.rest()
    assert sorted(one.id for one in got) == sorted(one.id for _, one in made)
    out_of_order = sum(one.at_ms < max(before.at_ms for before in got[:at]) for at, one in enumerate(got) if at)
    assert merge.late == out_of_order


def test_the_same_id_in_two_logs_is_two_events() -> None:
    merge = Merge()
    for source in ("a", "b", "a"):
        merge.offer(event(1, "1", source))
    assert [one.source for one in merge.rest()] == ["a", "b"]


def test_what_can_no_longer_come_is_forgotten() -> None:
    merge = Merge(late_ms=1_000)
    for at_ms in range(0, 100_000, 10):
        merge.offer(event(at_ms, str(at_ms)))
        merge.ready(at_ms + 10_000)
        merge.from_ms(at_ms)
    assert len(merge._known) <= 102


def test_looks_slow_down_while_nothing_comes() -> None:
    pace = Pace()
    idle = [pace.wait_s(came=False, throttled=False) for _ in range(10)]
    assert idle == sorted(idle)
    assert idle[-1] == Pace.IDLE_S
    assert pace.wait_s(came=True, throttled=False) == Pace.FIRST_S


def test_throttling_slows_looks_down_and_is_forgotten_slowly() -> None:
    pace = Pace()
    waits = [pace.wait_s(came=True, throttled=True) for _ in range(8)]
    assert waits[:3] == [2, 4, 8]
    assert waits[-1] == Pace.THROTTLED_S
    after = [pace.wait_s(came=True, throttled=False) for _ in range(30)]
    assert after[0] > 15
    assert after == sorted(after, reverse=True)
    assert after[-1] == Pace.FIRST_S
