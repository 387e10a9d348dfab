"""The benchmark of one call: its arithmetic, and that it runs."""

from __future__ import annotations

from benchmarks.calls import Comparison, Cost, run
from benchmarks.calls_client import KINDS, measure
from benchmarks.frontend_process import FrontendProcess


def costs(*cpu_us: float) -> list[Cost]:
    return [Cost(one, switches=1.0, calls_per_s=1.0) for one in cpu_us]


def test_the_aim_is_judged_against_the_better_other_of_each_round() -> None:
    runs = {"sdk": costs(900, 400, 1_000), "grpc.aio": costs(800, 500, 900), "wire": costs(400, 200, 720)}
    within = Comparison("150/s", runs)
    assert within.ratios == [0.5, 0.5, 0.8]
    assert within.failures == []
    beyond = Comparison("150/s", {**runs, "wire": costs(400, 300, 720)})
    assert beyond.failures == ["150/s: a call takes 0.75 of the better other's CPU"]


async def test_calls_of_all_kinds_are_measured() -> None:
    with FrontendProcess() as frontend:
        for kind in KINDS:
            flat_out = await measure(kind, frontend.address, 0, 60)
            assert flat_out["cpu_us"] > 20
        paced = await measure("wire", frontend.address, 100, 30)
        assert 80 < paced["calls_per_s"] <= 105
        assert run("wire", frontend.address, 0, 60).cpu_us > 20
