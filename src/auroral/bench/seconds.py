"""What happened in each second of a run: columns of counts, and histograms compact enough to keep. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from auroral.bench.counts import SecondCounts
from auroral.bench.histogram import CompactHistogram, Histogram, bucket_index
from auroral.bench.result import Series

_US_PER_S = 1_000_000
LAST_SECOND = 10 * 24 * 3600
"""Later events count here: a wrong clock must not make the columns endless."""
_COLUMNS = ("intended", "sent", "accepted", "completed", "failed", "rejected", "dropped", "censored")


class Seconds:
    """Columns of equal length, one entry a second. `at` names the entry of a time and makes room for it."""

    def __init__(self) -> None:
        self.length = 0
        self.intended = array("q")
        self.sent = array("q")
        self.accepted = array("q")
        self.completed = array("q")
        self.failed = array("q")
        self.rejected = array("q")
        self.dropped = array("q")
        self.censored = array("q")
        """Intended in this second and not completed."""
        self._latency: list[CompactHistogram | None] = []
        self._lag: list[CompactHistogram | None] = []

    def at(self, time_us: int) -> int:
        """The second of a time. What is before the epoch is in the first."""
        second = time_us // _US_PER_S
        if second >= self.length:
            second = min(second, LAST_SECOND)
            self._reach(second + 1)
        return max(0, second)

    def add_latency(self, second: int, latency_us: int) -> None:
        """Count the latency of a start intended in this second."""
        _histogram(self._latency, second).record_index(bucket_index(latency_us))

    def add_lag(self, second: int, lag_us: int) -> None:
        """Count the lag of a start intended in this second."""
        _histogram(self._lag, second).record_index(bucket_index(lag_us))

    def latencies(self) -> Iterator[tuple[int, Histogram]]:
        """The latencies of each second that has any."""
        for second, compact in enumerate(self._latency):
            if compact is not None:
                yield second, compact.expand()

    def latency(self, second: int) -> Histogram:
        """The latencies of the starts intended in one second, of those that completed."""
        compact = self._latency[second] if second < self.length else None
        return Histogram() if compact is None else compact.expand()

    def merge(self, other: Seconds) -> None:
        """Add everything that another one counted."""
        self._reach(other.length)
        for name in _COLUMNS:
            column = getattr(self, name)
            for second, count in enumerate(getattr(other, name)):
                column[second] += count
        for mine, theirs in ((self._latency, other._latency), (self._lag, other._lag)):
            for second, compact in enumerate(theirs):
                if compact is not None:
                    _histogram(mine, second).merge(compact)

    def plain(self) -> list[SecondCounts]:
        """Every second in which anything happened, for another process."""
        found = []
        for second in range(self.length):
            counts = [getattr(self, name)[second] for name in _COLUMNS]
            latency, lag = self._latency[second], self._lag[second]
            if any(counts) or latency is not None or lag is not None:
                found.append(
                    SecondCounts(
                        second=second,
                        counts=counts,
                        latency=[] if latency is None else latency.expand().packed(),
                        lag=[] if lag is None else lag.expand().packed(),
                    )
                )
        return found

    def add_plain(self, plain: SecondCounts) -> tuple[Histogram, Histogram]:
        """Add what `plain` gave of one second; return its latencies and lags. Raises `ValueError` for anything else."""
        second = self.at(plain.second * _US_PER_S)
        for name, count in zip(_COLUMNS, plain.counts, strict=True):
            getattr(self, name)[second] += count
        latency, lag = Histogram.unpacked(plain.latency), Histogram.unpacked(plain.lag)
        for histograms, histogram in ((self._latency, latency), (self._lag, lag)):
            if histogram.count:
                _histogram(histograms, second).add(histogram)
        return latency, lag

    def series(self, target_per_s: list[float]) -> Series:
        """The columns, as many seconds as there are targets. Later events count in the last of them."""
        length = len(target_per_s)
        columns = {name: _fitted(getattr(self, name), length) for name in _COLUMNS}
        censored = columns.pop("censored")
        in_flight, open_now = [], 0
        for second in range(length):
            closed = columns["completed"][second] + columns["failed"][second]
            open_now += columns["accepted"][second] - closed
            in_flight.append(open_now)
        p50_ms, p99_ms, max_ms = [], [], []
        for second, latency in enumerate(_expanded(self._latency, length)):
            p50, p99, highest = latency.values_at((50, 99, 100), censored[second])
            p50_ms.append(_ms(p50))
            p99_ms.append(_ms(p99))
            max_ms.append(_ms(highest))
        return Series(
            t_s=list(range(length)),
            target_per_s=target_per_s,
            **columns,
            in_flight=in_flight,
            latency_p50_ms=p50_ms,
            latency_p99_ms=p99_ms,
            latency_max_ms=max_ms,
            lag_p99_ms=[_ms(lag.value_at(99)) for lag in _expanded(self._lag, length)],
        )

    def _reach(self, length: int) -> None:
        missing = length - self.length
        if missing <= 0:
            return
        for name in _COLUMNS:
            getattr(self, name).extend([0] * missing)
        self._latency.extend([None] * missing)
        self._lag.extend([None] * missing)
        self.length = length


def _histogram(histograms: list[CompactHistogram | None], second: int) -> CompactHistogram:
    compact = histograms[second]
    if compact is None:
        compact = histograms[second] = CompactHistogram()
    return compact


def _expanded(histograms: Sequence[CompactHistogram | None], length: int) -> Iterator[Histogram]:
    """Exactly this many histograms; what is beyond them is merged into the last."""
    for second in range(length):
        beyond = second == length - 1
        histogram = Histogram()
        for compact in histograms[second:] if beyond else histograms[second : second + 1]:
            if compact is not None:
                histogram.merge(compact.expand())
        yield histogram


def _fitted(column: array[int], length: int) -> list[int]:
    """Exactly this many counts; what is beyond them is added to the last."""
    fitted = [*column[:length], *([0] * (length - len(column)))]
    fitted[-1] += sum(column[length:])
    return fitted


def _ms(value_us: int | None) -> float | None:
    return None if value_us is None else value_us / 1e3
