"""What one option may hold: text → value within its range, the range in words, value → text. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from auroral.bench import object_place
from auroral.bench.settings import Stage, WorkloadChoice
from auroral.bench.workload import BUILTINS
from auroral.config import EXPECTED_FLAG, parse_flag
from auroral.units import parse_duration_s, parse_rate_per_s, parse_ratio

WORKLOAD_SUFFIXES = (".toml", ".yaml", ".yml")
MAX_RATE_PER_S = 100_000.0
MAX_DURATION_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. `parse` raises `ValueError` saying what was expected; `show` gives a text it reads back."""

    parse: Callable[[str], Any]
    expected: str
    show: Callable[[Any], str] = str
    metavar: str = "TEXT"


FLAG = Kind(parse_flag, EXPECTED_FLAG)


def whole(low: int, high: int) -> Kind:
    """Whole numbers within a range."""
    expected = f"a whole number from {low} to {high:,}"

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(expected)
        return int(text)

    return Kind(parse, expected, metavar="NUMBER")


def rate(low_per_s: float, *, above: bool = False) -> Kind:
    """Rates per second from a least one (or `above` it) to 100,000/s."""
    lowest = f"above {low_per_s:g}/s" if above else f"from {low_per_s:g}/s"
    expected = f"a rate {lowest} to 100,000/s, such as 50, 0.5/s or 600/min"

    def parse(text: str) -> float:
        value = _or_expected(parse_rate_per_s, text, expected)
        if not low_per_s <= value <= MAX_RATE_PER_S or (above and value == low_per_s):
            raise ValueError(expected)
        return value

    return Kind(parse, expected, lambda value: f"{_exact(value)}/s", "RATE")


def duration(low_s: float, high_s: float) -> Kind:
    """Durations within a range, in seconds."""
    expected = f"a duration from {show_duration(low_s)} to {show_duration(high_s)}, such as 500ms, 10s or 1h30m"

    def parse(text: str) -> float:
        value = _or_expected(parse_duration_s, text, expected)
        if not low_s <= value <= high_s:
            raise ValueError(expected)
        return value

    return Kind(parse, expected, show_duration, "DURATION")


def ratio() -> Kind:
    """Ratios from 0 to 1."""
    expected = "a ratio from 0 to 1, such as 0.5 or 50%"

    def parse(text: str) -> float:
        value = _or_expected(parse_ratio, text, expected)
        if not 0 <= value <= 1:
            raise ValueError(expected)
        return value

    return Kind(parse, expected, _exact, "RATIO")


def choice(*names: str) -> Kind:
    """One of a few words."""
    expected = " or ".join(names)

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(expected)
        return text

    return Kind(parse, expected, metavar="|".join(names))


def pattern(expression: str, expected: str, metavar: str) -> Kind:
    """Texts that match a regular expression."""
    compiled = re.compile(expression)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(expected)
        return text

    return Kind(parse, expected, metavar=metavar)


def address() -> Kind:
    """`host:port`."""
    expected = "host:port with a port from 1 to 65535, such as 127.0.0.1:7233"

    def parse(text: str) -> str:
        match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):([0-9]{1,5})", text)
        if match is None or not 1 <= int(match[1]) <= 65535:
            raise ValueError(expected)
        return text

    return Kind(parse, expected, metavar="HOST:PORT")


def url() -> Kind:
    """HTTP URLs; a password in one is never shown."""
    expected = "an http:// or https:// URL, such as http://127.0.0.1:9091/metrics"

    def parse(text: str) -> str:
        if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
            raise ValueError(expected)
        return text

    return Kind(parse, expected, lambda text: re.sub(r"//[^/@]*@", "//***@", text), "URL")


def object_url() -> Kind:
    """Places in object storage."""

    def parse(text: str) -> str:
        return object_place.parse(text).url

    return Kind(parse, object_place.EXPECTED, metavar="URL")


def workload() -> Kind:
    """`NAME_OR_FILE[=weight]`."""
    expected = f"{', '.join(BUILTINS)} or a {', '.join(WORKLOAD_SUFFIXES)} file, with =WEIGHT above 0 in a mix"

    def parse(text: str) -> WorkloadChoice:
        source, sign, weight = text.rpartition("=")
        if not sign:
            source, weight = text, "1"
        if source not in BUILTINS and not source.endswith(WORKLOAD_SUFFIXES):
            raise ValueError(expected)
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?|\.[0-9]+", weight) or not 0 < float(weight) <= 1e9:
            raise ValueError(expected)
        return WorkloadChoice(source=source, weight=float(weight))

    def show(value: WorkloadChoice) -> str:
        return value.source if value.weight == 1 else f"{value.source}={_exact(value.weight)}"

    return Kind(parse, expected, show, "WORKLOAD")


def stage() -> Kind:
    """`rate:duration` holds a rate, `from..to:duration` moves it linearly."""
    expected = "RATE:DURATION or FROM..TO:DURATION, rates to 100,000/s, such as 100:30s or 50..200:1m"

    def parse(text: str) -> Stage:
        rates, sign, length = text.rpartition(":")
        start, dots, end = rates.partition("..")
        try:
            start_per_s = parse_rate_per_s(start.strip())
            end_per_s = parse_rate_per_s(end.strip()) if dots else start_per_s
            duration_s = parse_duration_s(length)
        except ValueError as error:
            raise ValueError(expected) from error
        if not sign or max(start_per_s, end_per_s) > MAX_RATE_PER_S or not 0 < duration_s <= MAX_DURATION_S:
            raise ValueError(expected)
        return Stage(start_per_s=start_per_s, end_per_s=end_per_s, duration_s=duration_s)

    def show(value: Stage) -> str:
        rates = _exact(value.start_per_s)
        if value.end_per_s != value.start_per_s:
            rates += f"..{_exact(value.end_per_s)}"
        return f"{rates}:{show_duration(value.duration_s)}"

    return Kind(parse, expected, show, "STAGE")


def threshold() -> Kind:
    """A threshold expression, kept as its text."""

    def parse(text: str) -> str:
        from auroral.bench import thresholds

        thresholds.parse(text)
        return text

    return Kind(parse, "an expression such as latency.p99<500ms", metavar="EXPRESSION")


def show_duration(seconds: float) -> str:
    """Print seconds exactly and as short as they can be read back: `250ms`, `1.5s`, `90s`, `5m`, `1h30m`."""
    if 0 < seconds < 1:
        millis = round(seconds * 1e3, 9)
        return f"{_exact(millis)}ms" if millis / 1e3 == seconds else f"{_exact(seconds)}s"
    if seconds < 60 or seconds != int(seconds):
        return f"{_exact(seconds)}s"
    whole_s = int(seconds)
    parts = ((whole_s // 3600, "h"), (whole_s % 3600 // 60, "m"), (whole_s % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def _exact(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _or_expected(parse: Callable[[str], float], text: str, expected: str) -> float:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(expected) from error
