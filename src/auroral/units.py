"""Rates, durations and sizes: parse what people write, print what people read.

Durations are seconds (float) inside auroral, sizes are bytes (int), rates are per second (float).
A text that cannot be parsed raises `ValueError` whose message says what was expected.
"""

from __future__ import annotations

import math
import re

_DURATION_S = {
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_SIZE_BYTES = {
    "": 1,
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_RATE_PER_S = {"s": 1.0, "m": 1 / 60, "min": 1 / 60, "h": 1 / 3600}
_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_DURATION_PART = re.compile(rf"\s*({_NUMBER})\s*(us|µs|ms|min|s|m|h|d)")
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*([A-Za-z]*)\s*")


def parse_duration_s(text: str) -> float:
    """Read `500ms`, `10s`, `5m`, `1h30m` or a bare number of seconds; return seconds.

    Raises `ValueError` for anything else, negative values included.
    """
    stripped = text.strip()
    if re.fullmatch(_NUMBER, stripped):
        return _finite(float(stripped), text)
    total_s, position = 0.0, 0
    while position < len(stripped):
        part = _DURATION_PART.match(stripped, position)
        if part is None:
            raise ValueError(f"a duration such as 500ms, 10s, 5m or 1h30m, not {text!r}")
        total_s += float(part[1]) * _DURATION_S[part[2]]
        position = part.end()
    if not stripped:
        raise ValueError("a duration such as 500ms, 10s, 5m or 1h30m, not an empty text")
    return _finite(total_s, text)


def parse_size_bytes(text: str) -> int:
    """Read `512`, `4KiB` or `1MB`; return bytes. Raises `ValueError`."""
    match = _QUANTITY.fullmatch(text)
    factor = _unit(_SIZE_BYTES, match[2]) if match else None
    if match is None or factor is None:
        raise ValueError(f"a size such as 512, 4KiB or 1MB, not {text!r}")
    return round(_finite(float(match[1]), text) * factor)


def parse_rate_per_s(text: str) -> float:
    """Read `100`, `100/s`, `6000/min`; return a rate per second. Raises `ValueError`."""
    number, slash, unit = text.partition("/")
    factor = _RATE_PER_S.get(unit.strip() if slash else "s")
    if factor is None or not re.fullmatch(_NUMBER, number.strip()):
        raise ValueError(f"a rate such as 100, 100/s or 6000/min, not {text!r}")
    return _finite(float(number), text) * factor


def parse_ratio(text: str) -> float:
    """Read `0.01` or `1%`; return a ratio. Raises `ValueError`."""
    stripped = text.strip()
    percent = stripped.endswith("%")
    number = stripped.removesuffix("%").strip()
    if not re.fullmatch(_NUMBER, number):
        raise ValueError(f"a ratio such as 0.01 or 1%, not {text!r}")
    return _finite(float(number), text) / (100.0 if percent else 1.0)


def format_duration(seconds: float) -> str:
    """Print seconds in the unit a reader expects: `350 µs`, `12.5 ms`, `3.21 s`, `5 m`, `1 h 30 m`."""
    if seconds == 0:
        return "0 s"
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 1e-3:
        return f"{_significant(seconds * 1e6)} µs"
    if seconds < 1:
        return f"{_significant(seconds * 1e3)} ms"
    if seconds < 120:
        return f"{_significant(seconds)} s"
    whole_s = round(seconds)
    parts = ((whole_s // 3600, "h"), (whole_s % 3600 // 60, "m"), (whole_s % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def format_rate(per_s: float) -> str:
    """Print a rate: `0.5/s`, `99.7/s`, `1,200/s`."""
    return f"{format_number(per_s)}/s"


def format_number(value: float) -> str:
    """Print a count or a rate with at most three digits after the first significant ones."""
    if value == round(value):
        return f"{round(value):,}"
    if abs(value) >= 100:
        return f"{value:,.1f}"
    return _significant(value)


def format_size(size_bytes: float) -> str:
    """Print bytes: `512 B`, `4 KiB`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size_bytes < 1024:
            return f"{_significant(size_bytes)} {unit}"
        size_bytes /= 1024
    return f"{_significant(size_bytes)} GiB"


def format_ratio(ratio: float) -> str:
    """Print a ratio as a percentage that never rounds to 0 % or 100 % unless it is."""
    percent = ratio * 100
    for digits in range(2, 8):
        text = f"{percent:.{digits}f}"
        if (float(text) == 0) == (ratio == 0) and (float(text) == 100) == (ratio == 1):
            return f"{text.rstrip('0').rstrip('.')} %"
    return f"{percent:g} %"


def _significant(value: float) -> str:
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _unit(table: dict[str, int], unit: str) -> int | None:
    return next((factor for name, factor in table.items() if name.lower() == unit.lower()), None)


def _finite(value: float, text: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"a finite number, not {text!r}")
    return value
