from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.units import (
    format_duration,
    format_number,
    format_rate,
    format_ratio,
    format_size,
    parse_duration_s,
    parse_rate_per_s,
    parse_ratio,
    parse_size_bytes,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("5m", 300),
        ("5min", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1.5s", 1.5),
        ("250us", 250e-6),
        ("250µs", 250e-6),
        ("2d", 172_800),
        ("7", 7),
        ("0", 0),
    ],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", " ", "-1s", "1 week", "s", "1s2", "10 s x", "nan", "inf", "1e999", "--", "1h-5m"])
def test_what_is_no_duration_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match=r"a duration such as|a finite number"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("text", "size"), [("512", 512), ("4KiB", 4096), ("1kb", 1000), ("1.5 MiB", 1_572_864), ("2B", 2)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "-1", "4 parsecs", "KiB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        parse_size_bytes(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("100", 100), ("100/s", 100), ("6000/min", 100), ("0.5", 0.5), ("3600/h", 1)]
)
def test_rates(text: str, rate: float) -> None:
    assert parse_rate_per_s(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "fast", "100/fortnight", "-5", "5/"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="a rate such as"):
        parse_rate_per_s(text)


@pytest.mark.parametrize(("text", "ratio"), [("1%", 0.01), ("0.5", 0.5), ("100 %", 1), ("0", 0)])
def test_ratios(text: str, ratio: float) -> None:
    assert parse_ratio(text) == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.00035, "350 µs"),
        (0.0125, "12.5 ms"),
        (3.214, "3.21 s"),
        (300, "5 m"),
        (5400, "1 h 30 m"),
        (-0.5, "-500 ms"),
    ],
)
def test_durations_as_people_read_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(1e-5, 119))
def test_a_printed_duration_reads_back_to_three_digits(seconds: float) -> None:
    assert parse_duration_s(format_duration(seconds).replace(" ", "")) == pytest.approx(seconds, rel=0.006)


@pytest.mark.parametrize(("ratio", "text"), [(0, "0 %"), (1, "100 %"), (0.5, "50 %"), (0.999999, "99.9999 %")])
def test_a_ratio_is_never_rounded_to_all_or_nothing(ratio: float, text: str) -> None:
    assert format_ratio(ratio) == text


def test_numbers_rates_and_sizes() -> None:
    assert format_rate(1200) == "1,200/s"
    assert format_rate(99.66) == "99.7/s"
    assert format_number(12_345.678) == "12,345.7"
    assert format_size(512) == "512 B"
    assert format_size(1_572_864) == "1.5 MiB"
    assert format_size(5 * 1024**3) == "5 GiB"
