"""How far a number of repeated runs may be off: blocks of seconds drawn anew, and the odds that follow. Pure.

Seconds that follow one another are alike: a pause slows a dozen of them at once. So not seconds are drawn but
blocks of consecutive ones (circular moving blocks: Politis and Romano, 1992), each run's own. Several runs are
drawn as clusters; what their blocks explain of the difference between them is not counted a second time.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from statistics import NormalDist, fmean, pvariance, variance

import msgspec

MIN_BLOCKS = 10
"""Blocks in the shortest run: with fewer their spread says little."""
MIN_BLOCK_S = 3
"""A pause of a second or two, and the backlog after it, lie in one block."""
_LENGTHENED = 1.5
"""The best length weighs bias against noise; a false alarm comes of bias, which longer blocks make less of."""
_NORMAL = NormalDist()


class RunSeconds(msgspec.Struct, frozen=True, kw_only=True):
    """The seconds of one run's window. Columns of equal length, one entry a second."""

    latencies: list[list[int]] | None
    """Of the completed starts intended in each second, in order; any unit. None: not known."""
    counts: Mapping[str, list[int]]
    """`intended`, `completed_events` (closed as completed in that second), and of the intended each outcome."""

    @property
    def length(self) -> int:
        """Seconds in the window."""
        return len(self.counts["intended"])


def block_length(series: Sequence[float]) -> int:
    """Seconds in a block for one series, by its autocorrelation.

    Source: Politis and White, "Automatic block-length selection for the dependent bootstrap", 2004, with the
    correction of 2009, for circular blocks. At least `MIN_BLOCK_S`; at most leaves `MIN_BLOCKS` blocks.
    """
    n = len(series)
    most = max(1, n // MIN_BLOCKS)
    mean = fmean(series)
    centred = [value - mean for value in series]
    furthest = min(n - 1, math.ceil(math.sqrt(n)) + 5)
    covariances = [sum(a * b for a, b in zip(centred, centred[lag:], strict=False)) / n for lag in range(furthest + 1)]
    if covariances[0] <= 0:
        return min(most, MIN_BLOCK_S)
    insignificant = 2 * math.sqrt(math.log10(n) / n)
    run, last = 0, furthest
    for lag in range(1, furthest + 1):
        run = run + 1 if abs(covariances[lag] / covariances[0]) < insignificant else 0
        if run == 5:
            last = lag - 5
            break
    reach = min(furthest, max(1, 2 * last))
    slope = spectrum = 0.0
    for lag in range(-reach, reach + 1):
        share = abs(lag) / reach
        window = 1.0 if share <= 0.5 else 2 * (1 - share)
        slope += window * abs(lag) * covariances[abs(lag)]
        spectrum += window * covariances[abs(lag)]
    if spectrum <= 0:
        return min(most, MIN_BLOCK_S)
    best = math.cbrt(2 * slope**2 / (4 / 3 * spectrum**2) * n)
    return max(1, min(most, max(MIN_BLOCK_S, math.ceil(_LENGTHENED * best))))


class Blocks:
    """One run, cut into every block that it has: sums over each block, by where it starts."""

    def __init__(self, run: RunSeconds, block_s: int) -> None:
        self.run = run
        self._block_s = block_s
        self._counts = {name: self._sums(column) for name, column in run.counts.items()}
        self._at_most: dict[int, list[int]] = {}
        self._whole: dict[int, int] = {}
        self.drawn = -(-run.length // block_s)
        """Blocks that make a run as long as this one."""

    def draw(self, rng: Random) -> list[int]:
        """Where the blocks of one resample start."""
        return rng.choices(range(self.run.length), k=self.drawn)

    def count(self, name: str, starts: Sequence[int] | None) -> int:
        """How many there are in these blocks; None: in the run."""
        if starts is None:
            return sum(self.run.counts[name])
        sums = self._counts[name]
        return sum([sums[start] for start in starts])

    def at_most(self, latency: int, starts: Sequence[int] | None) -> int:
        """How many latencies in these blocks are at most this one; None: in the run."""
        sums = self._at_most.get(latency)
        if sums is None:
            assert self.run.latencies is not None
            column = [bisect_right(second, latency) for second in self.run.latencies]
            self._whole[latency] = sum(column)
            sums = self._at_most[latency] = self._sums(column)
        return self._whole[latency] if starts is None else sum([sums[start] for start in starts])

    def seconds(self, starts: Sequence[int] | None) -> int:
        """Length of these blocks; None: of the run."""
        return self.run.length if starts is None else len(starts) * self._block_s

    def _sums(self, column: Sequence[int]) -> list[int]:
        before = [0, *accumulate([*column, *column[: self._block_s]])]
        return [before[start + self._block_s] - before[start] for start in range(len(column))]


Drawn = Sequence[tuple[Blocks, Sequence[int] | None]]
"""Runs with the starts of the blocks drawn from them; None: the run as it was."""


class Pool:
    """The repeated runs of one side, as one."""

    def __init__(self, runs: Sequence[RunSeconds], block_s: int) -> None:
        self.blocks = [Blocks(run, block_s) for run in runs]
        values: set[int] = set()
        for run in runs:
            for second in run.latencies or ():
                values.update(second)
        self._latencies = sorted(values)

    @property
    def whole(self) -> Drawn:
        """Everything, as it was."""
        return [(blocks, None) for blocks in self.blocks]

    def quantile(self, share: float, drawn: Drawn) -> float:
        """The latency at a share of all intended starts by nearest rank; infinite where it did not complete."""
        intended = sum(blocks.count("intended", starts) for blocks, starts in drawn)
        rank = max(1, math.ceil(round(share * intended, 6)))
        low, high = 0, len(self._latencies)
        while low < high:
            middle = (low + high) // 2
            latency = self._latencies[middle]
            if sum([blocks.at_most(latency, starts) for blocks, starts in drawn]) >= rank:
                high = middle
            else:
                low = middle + 1
        return float(self._latencies[low]) if low < len(self._latencies) else math.inf

    def share(self, name: str, drawn: Drawn) -> float:
        """What share of the intended starts had this outcome."""
        intended = sum(blocks.count("intended", starts) for blocks, starts in drawn)
        return sum(blocks.count(name, starts) for blocks, starts in drawn) / intended if intended else 0.0

    def per_second(self, name: str, drawn: Drawn) -> float:
        """How many there were per second."""
        return sum(blocks.count(name, starts) for blocks, starts in drawn) / sum(
            blocks.seconds(starts) for blocks, starts in drawn
        )


class Replicates(msgspec.Struct, frozen=True, kw_only=True):
    """One number of one side, and what it came to in each resample. Latencies as logarithms, so that ratios add."""

    estimate: float
    values: list[float]
    variance: float | None
    """Of the estimate; None where a resample is infinite."""
    freedom: float
    """Degrees of freedom of that variance."""


class Odds(msgspec.Struct, frozen=True, kw_only=True):
    """B − A on the scale of the replicates."""

    difference: float
    low: float
    high: float
    p: float
    """How probable a difference as large as this is where there is none; two-sided."""


def replicate(
    estimates: Sequence[float], within: Sequence[float], pooled: float, *, blocks: int, rng: Random
) -> Replicates:
    """Add to each resample of blocks (`within`) what runs differ by beyond what their own blocks explain.

    `estimates` are those of each run, `pooled` that of all. Runs are drawn as clusters; their distances are shrunk
    to the excess of their variance over that of the blocks (the moment estimator of a random effect), so that runs
    that agree do not pay twice.
    """
    runs = len(estimates)
    freedom = float(max(1, blocks - runs))
    finite = all(math.isfinite(value) for value in (*within, *estimates, pooled))
    if not finite:
        return Replicates(estimate=pooled, values=list(within), variance=None, freedom=freedom)
    # A spread taken from n blocks about their own mean is too small by (n − 1)/n.
    own = pvariance(within) * blocks / max(1, blocks - runs)
    if runs == 1:
        return Replicates(estimate=pooled, values=list(within), variance=own, freedom=freedom)
    spread = variance(estimates)
    excess = max(0.0, spread - own * runs)
    if not excess:
        return Replicates(estimate=pooled, values=list(within), variance=own, freedom=freedom)
    mean = fmean(estimates)
    shrunk = math.sqrt(excess / spread * runs / (runs - 1))
    distances = [(estimate - mean) * shrunk for estimate in estimates]
    values = [value + fmean(rng.choices(distances, k=runs)) for value in within]
    between = excess / runs
    freedom = (own + between) ** 2 / (own**2 / freedom + between**2 / (runs - 1))
    return Replicates(estimate=pooled, values=values, variance=own + between, freedom=freedom)


def odds(a: Replicates, b: Replicates, *, confidence: float) -> Odds:
    """The difference with its interval. The larger of two probabilities counts: Student's, and the resamples' own.

    Student's alone would trust a skewed spread, the resamples' alone are too narrow with few blocks.
    """
    difference = _minus(b.estimate, a.estimate)
    values = sorted(_minus(right, left) for left, right in zip(a.values, b.values, strict=True))
    tail = (1 - confidence) / 2
    if a.variance is None or b.variance is None or not math.isfinite(difference):
        p = _counted(values)
        return Odds(difference=difference, low=_at(values, tail), high=_at(values, 1 - tail), p=p)
    total = a.variance + b.variance
    if total == 0:
        p = 1.0 if difference == 0 else 2 / (len(values) + 1)
        return Odds(difference=difference, low=difference, high=difference, p=p)
    freedom = total**2 / (a.variance**2 / a.freedom + b.variance**2 / b.freedom)
    drawn = pvariance(values)
    scale = math.sqrt(total / drawn) if drawn else 1.0
    widened = scale * t_quantile(1 - tail, freedom) / _NORMAL.inv_cdf(1 - tail)
    around = [difference + (value - difference) * widened for value in values]
    p = max(t_two_sided(difference / math.sqrt(total), freedom), _counted(around))
    return Odds(difference=difference, low=_at(around, tail), high=_at(around, 1 - tail), p=p)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Adjust probabilities for how many were looked at, so that one false alarm among them all stays as rare.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    adjusted, so_far = [1.0] * len(probabilities), 0.0
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    for position, index in enumerate(order):
        so_far = max(so_far, min(1.0, probabilities[index] * (len(probabilities) - position)))
        adjusted[index] = so_far
    return adjusted


def t_two_sided(t: float, freedom: float) -> float:
    """The probability of a Student's t beyond ±t. Source: Wallace, 1959; within 0.002 from 3 degrees on."""
    z = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return 2 * (1 - _NORMAL.cdf(z))


def t_quantile(probability: float, freedom: float) -> float:
    """Student's t at a probability above one half: the inverse of `t_two_sided`."""
    z = _NORMAL.inv_cdf(probability) * (8 * freedom + 3) / (8 * freedom + 1)
    return math.sqrt(freedom * math.expm1(z * z / freedom))


def _minus(b: float, a: float) -> float:
    return 0.0 if a == b else b - a


def _counted(values: Sequence[float]) -> float:
    below = sum(value <= 0 for value in values)
    above = sum(value >= 0 for value in values)
    return min(1.0, 2 * (min(below, above) + 1) / (len(values) + 1))


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, max(0, round(share * (len(ordered) - 1))))]
