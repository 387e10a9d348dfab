from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.durations import Uniform
from auroral.bench.steps import Activity, Child, Timer
from auroral.bench.workload import BUILTINS, Mix, block, builtin, from_plain, to_plain
from auroral.errors import ConfigurationError


def test_builtins_are_values_of_the_language() -> None:
    assert builtin("simple").steps == ()
    assert builtin("multi-activity", activity_count=7).steps == (Activity(count=7, mode="sequence"),)
    assert builtin("timer", timer_duration_s=2.5).steps == (Timer(duration_s=2.5),)
    assert builtin("child", child_count=4).steps == (Child(count=4, mode="parallel", steps=()),)
    each = Uniform(min_s=0.1, max_s=0.6)
    assert builtin("state-transitions").steps == (
        Activity(count=4, mode="parallel", duration_s=each),
        Activity(count=6, mode="sequence", duration_s=each),
    )


@pytest.mark.parametrize("name", BUILTINS)
def test_builtins_survive_their_plain_form(name: str) -> None:
    assert from_plain(to_plain(builtin(name))) == builtin(name)


@given(st.sampled_from(["multi-activity", "child"]), st.integers(-5, 200))
def test_counts_of_builtins_go_from_1_to_100(name: str, count: int) -> None:
    if 1 <= count <= 100:
        (step,) = builtin(name, activity_count=count, child_count=count).steps
        assert isinstance(step, Activity | Child)
        assert step.count == count
    else:
        with pytest.raises(ConfigurationError, match="1 to 100"):
            builtin(name, activity_count=count, child_count=count)


def test_unknown_builtins_and_bad_timers_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="simple, multi-activity, timer, child, state-transitions"):
        builtin("nap")
    with pytest.raises(ConfigurationError, match="0 s to 24 h"):
        builtin("timer", timer_duration_s=-1)


@given(
    st.lists(st.floats(0.001, 100), min_size=1, max_size=6),
    st.integers(),
    st.integers(0, 10**9),
)
def test_shares_are_exact_in_any_long_stretch(weights: list[float], seed: int, start: int) -> None:
    mix, length = Mix(weights, seed), 5_000
    chosen = Counter(mix.choose(index) for index in range(start, start + length))
    for workload, weight in enumerate(weights):
        assert abs(chosen[workload] - length * weight / sum(weights)) < 20


def test_the_parts_of_two_generators_are_as_mixed_as_the_whole() -> None:
    mix = Mix([3, 1], seed=5)
    for part in (0, 1):
        chosen = Counter(mix.choose(index) for index in range(part, 20_000, 2))
        assert abs(chosen[1] - 2_500) < 20


def test_a_weight_of_zero_is_never_chosen() -> None:
    assert {Mix([0, 1, 0], seed=seed).choose(seed) for seed in range(500)} == {1}


def test_seeds_differ() -> None:
    first, second = ([Mix([1, 1], seed=seed).choose(index) for index in range(64)] for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize("weights", [[], [0.0], [-1.0, 2.0], [float("inf")], [float("nan"), 1.0]])
def test_weights_must_be_weights(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Mix(weights, seed=1)


def test_every_process_chooses_alike() -> None:
    program = "from auroral.bench.workload import *; m = Mix([5, 2, 1], 9); print([m.choose(i) for i in range(200)])"
    elsewhere = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    mix = Mix([5, 2, 1], 9)
    assert elsewhere.stdout.strip() == str([mix.choose(index) for index in range(200)])


def test_a_block_does_not_compress() -> None:
    import zlib

    assert len(block(10_000)) == 10_000
    assert block(10_000)[:100] == block(100)
    assert len(zlib.compress(block(10_000))) > 9_900
