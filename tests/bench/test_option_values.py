"""What one option may hold: its range, its words, and that what is shown can be read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench import option_values as values
from auroral.bench.option_values import Kind, show_duration
from auroral.bench.settings import Stage, WorkloadChoice
from auroral.units import parse_duration_s

rates = st.one_of(st.floats(0, 1e5), st.integers(0, 100_000).map(float))
durations = st.one_of(
    st.floats(1e-6, 86_400), st.integers(1, 86_400).map(float), st.integers(1, 999).map(lambda n: n / 1e3)
)


@given(st.one_of(durations, st.just(0.0)))
def test_durations_are_shown_exactly(seconds: float) -> None:
    assert parse_duration_s(show_duration(seconds)) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (59, "59s"),
        (60, "1m"),
        (90, "1m30s"),
        (5400, "1h30m"),
        (90.5, "90.5s"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


@given(durations, rates, rates)
def test_stages_are_read_back(duration_s: float, start_per_s: float, end_per_s: float) -> None:
    kind = values.stage()
    stage = Stage(start_per_s=start_per_s, end_per_s=end_per_s, duration_s=duration_s)
    again = kind.parse(kind.show(stage))
    assert (again.start_per_s, again.end_per_s) == (start_per_s, end_per_s)
    assert again.duration_s == pytest.approx(duration_s, rel=1e-12)


def test_a_stage_holds_or_moves() -> None:
    parse = values.stage().parse
    assert parse("100:30s") == Stage(start_per_s=100, end_per_s=100, duration_s=30)
    assert parse("50..200:1m") == Stage(start_per_s=50, end_per_s=200, duration_s=60)
    assert parse("0:10") == Stage(start_per_s=0, end_per_s=0, duration_s=10)


@pytest.mark.parametrize(
    "text", ["", "100", "100:", ":10s", "..:1s", "1..2..3:1s", "-1:1s", "100:0s", "1e6:1s", "1:25h"]
)
def test_what_is_no_stage(text: str) -> None:
    with pytest.raises(ValueError, match=r"FROM\.\.TO:DURATION"):
        values.stage().parse(text)


@given(st.sampled_from(["simple", "child", "dir/load.toml", "a=b.yaml"]), st.floats(0.01, 1000))
def test_workloads_are_read_back(source: str, weight: float) -> None:
    kind = values.workload()
    choice = WorkloadChoice(source=source, weight=weight)
    assert kind.parse(f"{source}={weight!r}") == choice
    if weight != 1:
        assert kind.parse(kind.show(choice)) == choice


@pytest.mark.parametrize(
    "text", ["", "simpel", "simple=0", "simple=-1", "simple=x", "simple=", "=3", "load.json", "simple=nan"]
)
def test_what_is_no_workload(text: str) -> None:
    with pytest.raises(ValueError, match="simple, multi-activity, timer, child, state-transitions"):
        values.workload().parse(text)


@given(st.integers())
def test_whole_numbers_stay_in_their_range(number: int) -> None:
    kind = values.whole(1, 100)
    if 1 <= number <= 100:
        assert kind.parse(str(number)) == number
    else:
        with pytest.raises(ValueError, match="a whole number from 1 to 100"):
            kind.parse(str(number))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (values.whole(1, 9), ["1", "9", "+3"], ["", "1.5", "1e1", "٣", "x", "10"]),
        (values.rate(0, above=True), ["0.5", "600/min", "100000"], ["0", "-1", "100001", "inf", "nan", "fast", ""]),
        (values.rate(0), ["0", "5/s"], ["-1", "5/day"]),
        (values.duration(1, 60), ["1s", "1m", "500ms500ms"], ["999ms", "61s", "-1s", "1 parsec", ""]),
        (values.ratio(), ["0", "1", "50%"], ["1.1", "101%", "-0.1", "half"]),
        (values.choice("watch", "visibility"), ["watch"], ["Watch", ""]),
        (values.address(), ["localhost:7233", "10.0.0.1:1", "[::1]:65535"],
         ["localhost", "http://x:1", ":7233", "x:0", "x:65536", "x:y", "a b:1", "u:p@x:1"]),
        (values.url(), ["http://x:9090/metrics", "https://x"], ["x:9090", "ftp://x", "http://", "http://a b"]),
        (values.threshold(), ["latency.p99<500ms"], ["latency", "p99<"]),
        (values.FLAG, ["true", "0"], ["", "2"]),
    ],
)  # fmt: skip
def test_ranges(kind: Kind, good: list[str], bad: list[str]) -> None:
    for text in good:
        kind.parse(text)
    for text in bad:
        with pytest.raises(ValueError) as caught:
            kind.parse(text)
        assert str(caught.value)


def test_a_password_in_a_url_is_never_shown() -> None:
    assert values.url().show("http://me:secret@x:9090/metrics") == "http://***@x:9090/metrics"
