"""What is kept of a simulation is bounded."""

from __future__ import annotations

from auroral.capacity.simulation.outcome import Shortage, Warmup
from auroral.capacity.simulation.record import Probes, Record
from auroral.capacity.simulation.spec import NANOS


def record(**options: int) -> Record:
    return Record(10, ["history"], Probes(**options))


def test_the_first_of_each_kind_is_kept_with_events_before_and_after_the_rest_is_counted() -> None:
    one = record(events_before=3, events_after=2)
    for number in range(10):
        one.now = number * NANOS
        one.note("opened", f"history/{number}")
        if number in (5, 6):
            one.violate("wait", f"history/{number}", "too long")
        if number == 6:
            one.violate("refused-rate", "history/6", "too fast")
    wait, refused = one.violations
    assert (wait.kind, wait.at_s, wait.process) == ("wait", 5, "history/5")
    assert [event.at_s for event in wait.before] == [3, 4, 5]
    assert [event.at_s for event in wait.after] == [6, 7]
    assert [event.at_s for event in refused.before] == [4, 5, 6]
    assert [event.at_s for event in refused.after] == [7, 8]
    assert one.totals == {"!wait": 2, "!refused-rate": 1}


def test_no_events_are_kept_where_none_are_wanted() -> None:
    one = record(events_before=0, events_after=0)
    one.note("opened")
    one.violate("wait", "", "")
    one.note("opened")
    assert (one.violations[0].before, one.violations[0].after) == ([], [])


def test_lists_end_at_their_bounds() -> None:
    one = record()
    for number in range(12_000):
        one.warm(
            Warmup(
                process="p", service="s", started_s=0, took_s=1, created=1, failed=0, attempts=1, usable=True
            )
        )  # fmt: skip
        one.shortage(Shortage(process="p", from_s=number, until_s=number + 1, least=0, target=1))
        one.now = number * 10
        one.change(running=1 if number % 2 == 0 else -1)
    assert len(one.warmups) == 10_000
    assert len(one.shortages) == 1_000
    assert (one.shortages[-1].from_s, one.shortages[-1].until_s) == (999, 12_000)
    assert len(one.full) == 6_000


def test_full_is_every_running_process_warm_and_complete() -> None:
    one = record()
    one.change(running=1, lacking=1)
    one.now = 3 * NANOS
    one.change(lacking=-1)
    one.now = 5 * NANOS
    one.change(running=1, lacking=1)
    one.change(lacking=-1)
    one.now = 7 * NANOS
    one.end()
    assert [(one.from_s, one.until_s) for one in one.full] == [(3, 5), (5, 7)]


def test_the_longest_wait_and_its_beginning() -> None:
    one = record()
    one.waited("history/0", 2 * NANOS, 3 * NANOS)
    one.waited("history/1", 4 * NANOS, 8 * NANOS)
    one.waited("history/2", 9 * NANOS, 12 * NANOS)
    assert one.longest is not None
    assert (one.longest.process, one.longest.wait_s, one.longest.began_s) == ("history/1", 4, 4)
    assert list(one.series.waits) == [0, 0, 0, 1, 0, 0, 0, 0, 1, 1]
    assert one.series.longest_wait_us[8] == 4_000_000
