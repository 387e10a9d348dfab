"""How long a step lasts: a constant or a distribution, in seconds. Pure: randomness is an argument."""

from __future__ import annotations

import math
from random import Random

import msgspec

_P99_Z = 2.3263478740408408
"""The standard normal distribution's 99th percentile."""


class _Distribution(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class Uniform(_Distribution, frozen=True, kw_only=True, tag_field="kind", tag="uniform"):
    """Every value between two bounds equally likely."""

    min_s: float
    max_s: float


class Exponential(_Distribution, frozen=True, kw_only=True, tag_field="kind", tag="exponential"):
    """Memoryless, as between independent events; a cap cuts the tail off."""

    mean_s: float
    max_s: float | None = None


class LogNormal(_Distribution, frozen=True, kw_only=True, tag_field="kind", tag="lognormal"):
    """The usual shape of latencies, given by its median and its 99th percentile."""

    median_s: float
    p99_s: float


class Normal(_Distribution, frozen=True, kw_only=True, tag_field="kind", tag="normal"):
    """A bell; values below zero count as zero."""

    mean_s: float
    stddev_s: float


Duration = float | Uniform | Exponential | LogNormal | Normal
"""A number is a constant."""


def sample(duration: Duration, random: Random) -> float:
    """Draw one duration in seconds, never below zero."""
    match duration:
        case Uniform():
            return random.uniform(duration.min_s, duration.max_s)
        case Exponential():
            drawn_s = random.expovariate(1.0) * duration.mean_s
            return drawn_s if duration.max_s is None else min(drawn_s, duration.max_s)
        case LogNormal():
            return duration.median_s * math.exp(_sigma(duration) * random.normalvariate(0.0, 1.0))
        case Normal():
            return max(0.0, random.normalvariate(duration.mean_s, duration.stddev_s))
        case _:
            return duration


def mean(duration: Duration) -> float:
    """The expected duration in seconds, caps and the floor at zero included."""
    match duration:
        case Uniform():
            return (duration.min_s + duration.max_s) / 2
        case Exponential():
            if duration.max_s is None or duration.mean_s == 0:
                return duration.mean_s
            return -duration.mean_s * math.expm1(-duration.max_s / duration.mean_s)
        case LogNormal():
            return duration.median_s * math.exp(_sigma(duration) ** 2 / 2)
        case Normal():
            return _mean_above_zero(duration)
        case _:
            return duration


def stddev(duration: Duration) -> float:
    """The standard deviation in seconds; caps and the floor at zero, which make it smaller, left aside."""
    match duration:
        case Uniform():
            return (duration.max_s - duration.min_s) / math.sqrt(12)
        case Exponential():
            return duration.mean_s
        case LogNormal():
            return mean(duration) * math.sqrt(math.expm1(_sigma(duration) ** 2))
        case Normal():
            return duration.stddev_s
        case _:
            return 0.0


def quantile(duration: Duration, q: float) -> float:
    """The duration in seconds that a share q (0 < q < 1) of the draws does not exceed."""
    match duration:
        case Uniform():
            return duration.min_s + q * (duration.max_s - duration.min_s)
        case Exponential():
            value_s = -duration.mean_s * math.log1p(-q)
            return value_s if duration.max_s is None else min(value_s, duration.max_s)
        case LogNormal():
            return duration.median_s * math.exp(_sigma(duration) * _standard_normal_quantile(q))
        case Normal():
            return max(0.0, duration.mean_s + duration.stddev_s * _standard_normal_quantile(q))
        case _:
            return duration


def is_zero(duration: Duration) -> bool:
    """Whether every draw is zero."""
    return mean(duration) == 0


def _mean_above_zero(duration: Normal) -> float:
    if duration.stddev_s == 0:
        return duration.mean_s
    z = duration.mean_s / duration.stddev_s
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return duration.mean_s * (1 + math.erf(z / math.sqrt(2))) / 2 + duration.stddev_s * density


def _sigma(duration: LogNormal) -> float:
    return math.log(duration.p99_s / duration.median_s) / _P99_Z


def _standard_normal_quantile(q: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(q)
