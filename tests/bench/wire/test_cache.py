from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.wire.cache import Cache
from auroral.bench.wire.decide import Run
from auroral.bench.workload import builtin
from tests.bench.wire.doubles import History


def run() -> Run:
    return Run(History(builtin("timer")).events[0])


def test_the_least_recently_used_is_forgotten() -> None:
    cache = Cache(2)
    first, second, third = run(), run(), run()
    cache.keep("a", first)
    cache.keep("b", second)
    cache.keep("a", first)
    cache.keep("c", third)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (first, None, third)
    assert cache.evictions == 1


def test_what_is_dropped_is_no_eviction() -> None:
    cache = Cache(2)
    cache.keep("a", run())
    cache.drop("a")
    cache.drop("a")
    assert (len(cache), cache.evictions, cache.get("a")) == (0, 0, None)


@given(st.integers(1, 5), st.lists(st.integers(0, 9), max_size=60))
def test_it_never_grows_past_its_size(most: int, uses: list[int]) -> None:
    cache = Cache(most)
    one = run()
    for use in uses:
        cache.keep(str(use), one)
        assert cache.get(str(use)) is one
        assert len(cache) <= most
    assert len(cache) == min(most, len(set(uses)))
