"""HDR histograms of times: record, merge, quantiles with censoring, the HdrHistogram log format. Pure.

Values are microseconds from 1 µs to 24 h at three significant digits. Counts are kept sparse (index of the HDR
bucket → count), a few kilobytes where the port's array takes 230 KB, and every question is one pass over what
was recorded. The port (`hdrh`) writes and reads the payloads, so that any HdrHistogram tool reads them.
"""

from __future__ import annotations

import binascii
import itertools
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

import msgspec

from auroral.bench.result import CurvePoint, Quantiles

SIGNIFICANT_DIGITS = 3
HIGHEST_US = 24 * 3600 * 1_000_000
_PRECISION_BITS = 11
"""2,048 sub-buckets: the least power of two that keeps three digits, as every HdrHistogram chooses it."""
_HALF_BITS = _PRECISION_BITS - 1
_PERCENT_UNITS = 1_000_000
"""Percentiles are taken in millionths of a percent, so that ranks are whole numbers without rounding errors."""
_TICKS_PER_HALF = 5


def bucket_index(value_us: int) -> int:
    """Index of the HDR bucket of a value. Values below 1 µs count as 1, values beyond 24 h as 24 h."""
    if value_us < 1:
        return 1
    shift = min(value_us, HIGHEST_US).bit_length() - _PRECISION_BITS
    return value_us if shift <= 0 else (shift << _HALF_BITS) + (min(value_us, HIGHEST_US) >> shift)


def lowest_us(index: int) -> int:
    """The smallest value of a bucket."""
    shift = max(0, (index >> _HALF_BITS) - 1)
    return (index - (shift << _HALF_BITS)) << shift


def highest_us(index: int) -> int:
    """The largest value of a bucket: what HdrHistograms report for its values."""
    return lowest_us(index) + (1 << max(0, (index >> _HALF_BITS) - 1)) - 1


HIGHEST_INDEX = bucket_index(HIGHEST_US)


class Histogram:
    """Counts of times. Merging loses nothing."""

    __slots__ = ("_counts", "count", "out_of_range")

    def __init__(self, counts: Mapping[int, int] | None = None, *, out_of_range: int = 0) -> None:
        self._counts: dict[int, int] = dict(counts or {})
        self.count = sum(self._counts.values())
        """Everything recorded."""
        self.out_of_range = out_of_range
        """Values beyond 24 h; they are counted at the end of the range."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self._counts == other._counts and self.out_of_range == other.out_of_range

    __hash__ = None  # type: ignore[assignment]

    def record_us(self, value_us: int) -> None:
        """Count one time."""
        if value_us > HIGHEST_US:
            self.out_of_range += 1
        self.record_index(bucket_index(value_us))

    def record_index(self, index: int) -> None:
        """Count one time by the index of its bucket, for callers that keep several histograms of it."""
        counts = self._counts
        counts[index] = counts.get(index, 0) + 1
        self.count += 1

    def counts(self) -> Mapping[int, int]:
        """How many values are in each bucket in use, by its index."""
        return self._counts

    def merge(self, other: Histogram) -> None:
        """Add everything that another one counted."""
        counts = self._counts
        for index, count in other._counts.items():
            counts[index] = counts.get(index, 0) + count
        self.count += other.count
        self.out_of_range += other.out_of_range

    @property
    def max_us(self) -> int:
        """Upper end of the highest bucket in use; 0 where nothing is recorded."""
        return highest_us(max(self._counts)) if self._counts else 0

    def value_at(self, percentile: float, censored: int = 0) -> int | None:
        """The time in µs at a percentile (0 to 100); None where it falls among the censored, or there is none."""
        return self.values_at((percentile,), censored)[0]

    def values_at(self, percentiles: Iterable[float], censored: int = 0) -> list[int | None]:
        """The times in µs at several percentiles by nearest rank, in one pass.

        `censored` more values count as later than everything recorded: a rank among them has no number.
        """
        indices, ranks = self._ranks()
        total = self.count + censored
        values: list[int | None] = []
        for percentile in percentiles:
            units = round(percentile * _PERCENT_UNITS)
            rank = max(1, -(-units * total // (100 * _PERCENT_UNITS)))
            values.append(highest_us(indices[bisect_left(ranks, rank)]) if rank <= self.count else None)
        return values

    def quantiles(self, censored: int = 0) -> Quantiles:
        """The quantiles that a result keeps, in ms."""
        p50, p90, p95, p99, p999, highest = (
            None if value is None else value / 1e3 for value in self.values_at((50, 90, 95, 99, 99.9, 100), censored)
        )
        return Quantiles(
            count=self.count + censored,
            censored=censored,
            out_of_range=self.out_of_range,
            min_ms=lowest_us(min(self._counts)) / 1e3 if self._counts else None,
            mean_ms=self._mean_us() / 1e3 if self._counts else None,
            p50_ms=p50,
            p90_ms=p90,
            p95_ms=p95,
            p99_ms=p99,
            p999_ms=p999,
            max_ms=highest,
        )

    def curve(self, censored: int = 0) -> list[CurvePoint]:
        """The percentile curve: five points in each halving of the distance to 100 %, down to a single value."""
        total = self.count + censored
        if total == 0:
            return []
        percentiles, distance, base = [], 100.0, 0.0
        while distance * total >= 100.0 and distance > 100 / _PERCENT_UNITS:
            percentiles += [base + distance * tick / (2 * _TICKS_PER_HALF) for tick in range(_TICKS_PER_HALF)]
            distance /= 2
            base = 100.0 - distance
        percentiles = [*dict.fromkeys(round(percentile, 6) for percentile in percentiles), 100.0]
        return [
            CurvePoint(percentile=percentile, latency_ms=None if value is None else value / 1e3)
            for percentile, value in zip(percentiles, self.values_at(percentiles, censored), strict=True)
        ]

    def indices(self) -> list[int]:
        """The bucket of every value, in order."""
        return [index for index in sorted(self._counts) for _ in range(self._counts[index])]

    def cumulative(self, bounds_us: Sequence[int]) -> list[int]:
        """How many values are at most each bound, as Prometheus counts. A bound's own bucket counts with it."""
        indices, ranks = self._ranks()
        ranks.insert(0, 0)
        return [
            ranks[bisect_left(indices, bucket_index(bound_us) + 1)] if bound_us > 0 else 0 for bound_us in bounds_us
        ]

    @property
    def sum_us(self) -> float:
        """Sum of the recorded times in µs, each taken at the middle of its bucket."""
        return sum((lowest_us(index) + highest_us(index)) / 2 * count for index, count in self._counts.items())

    def packed(self) -> list[int]:
        """The buckets in use in order, each as its distance from the one before and its count: small numbers."""
        packed: list[int] = []
        before = 0
        for index in sorted(self._counts):
            packed += (index - before, self._counts[index])
            before = index
        return packed

    @classmethod
    def unpacked(cls, packed: Sequence[int], *, out_of_range: int = 0) -> Histogram:
        """Read what `packed` gave; `out_of_range` is not part of it. Raises `ValueError` for anything else."""
        if len(packed) % 2 or any(number < 0 for number in packed):
            raise ValueError("expected distances and counts in turn")
        indices = itertools.accumulate(packed[::2])
        return cls(dict(zip(indices, packed[1::2], strict=True)), out_of_range=out_of_range)

    def encode(self) -> str:
        """The counts as HdrHistogram's V2 compressed payload in base64. `out_of_range` is not part of it."""
        from hdrh.histogram import HdrHistogram

        port = HdrHistogram(1, HIGHEST_US, SIGNIFICANT_DIGITS)
        for index, count in self._counts.items():
            port.counts[index] = count
        port.total_count = self.count
        port.max_value = self.max_us
        return str(port.encode().decode("ascii"))

    @classmethod
    def decode(cls, payload: str) -> Histogram:
        """Read a payload of `encode`. Raises `ValueError` for anything else."""
        from hdrh.codec import HdrCookieException, HdrLengthException
        from hdrh.histogram import HdrHistogram

        try:
            port = HdrHistogram.decode(payload)
        except (binascii.Error, zlib.error, HdrCookieException, HdrLengthException, ValueError, TypeError) as error:
            raise ValueError(f"expected an HdrHistogram V2 payload: {error or type(error).__name__}") from error
        if (port.lowest_trackable_value, port.highest_trackable_value, port.significant_figures) != (
            1,
            HIGHEST_US,
            SIGNIFICANT_DIGITS,
        ):
            raise ValueError("expected a histogram from 1 µs to 24 h with three significant digits")
        return cls({index: count for index, count in enumerate(port.counts) if count})

    def _mean_us(self) -> float:
        return self.sum_us / self.count

    def _ranks(self) -> tuple[list[int], list[int]]:
        """The buckets in use in order, and how many values are in each or before it."""
        indices = sorted(self._counts)
        ranks, rank = [], 0
        for index in indices:
            rank += self._counts[index]
            ranks.append(rank)
        return indices, ranks


class CompactHistogram:
    """A histogram for keeping thousands of: two bytes for a value until 512 wait, then six for a bucket in use."""

    __slots__ = ("_counts", "_indices", "_pending")

    PENDING = 512

    def __init__(self) -> None:
        self._pending = array("H")
        self._indices = array("H")
        self._counts = array("I")

    def record_index(self, index: int) -> None:
        """Count one time by the index of its bucket."""
        self._pending.append(index)
        if len(self._pending) >= self.PENDING:
            self._store(self._merged())

    def merge(self, other: CompactHistogram) -> None:
        """Add everything that another one counted."""
        counts = self._merged()
        for index, count in other._merged().items():
            counts[index] = counts.get(index, 0) + count
        self._store(counts)

    def add(self, histogram: Histogram) -> None:
        """Add everything that a histogram counted."""
        counts = self._merged()
        for index, count in histogram.counts().items():
            counts[index] = counts.get(index, 0) + count
        self._store(counts)

    def expand(self) -> Histogram:
        """The same counts as a histogram that answers."""
        return Histogram(self._merged())

    def _merged(self) -> dict[int, int]:
        counts = dict(zip(self._indices, self._counts, strict=True))
        for index in self._pending:
            counts[index] = counts.get(index, 0) + 1
        return counts

    def _store(self, counts: dict[int, int]) -> None:
        self._pending = array("H")
        self._indices = array("H", counts.keys())
        self._counts = array("I", counts.values())


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a histogram log."""

    tag: str
    start_s: float
    """Since the log's start time."""
    length_s: float
    max_us: int
    payload: str
    """`Histogram.encode`."""


def write_log(out: TextIO, start_unix_s: float, intervals: Iterable[Interval]) -> None:
    """Write intervals, in order of their start, in HdrHistogram's log format 1.3.

    Source: the comments of `HistogramLogReader` and `HistogramLogWriter` of HdrHistogram 2.2 (Java). The lines are
    written here because the port's writer raises at the start time, knows no tags and rounds the maximum down.
    """
    started = datetime.fromtimestamp(start_unix_s, UTC).isoformat(sep=" ", timespec="milliseconds")
    out.write(
        "#[Values are microseconds, Interval_Max is milliseconds; what did not complete is in result.json only]\n"
    )
    out.write("#[Histogram log format version 1.3]\n")
    out.write(f"#[StartTime: {start_unix_s:.3f} (seconds since epoch), {started}]\n")
    out.write('"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n')
    for interval in intervals:
        if any(mark in interval.tag for mark in ", \t\r\n"):
            raise ValueError(f"expected a tag without commas and blanks, not {interval.tag!r}")
        out.write(
            f"Tag={interval.tag},{interval.start_s:.3f},{interval.length_s:.3f},{interval.max_us / 1e3:.3f},"
            f"{interval.payload}\n"
        )
