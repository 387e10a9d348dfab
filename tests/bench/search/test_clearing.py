"""Waiting for backlog to clear, in virtual time; the cluster is made up at our own seam."""

from __future__ import annotations

from auroral.bench.search import clearing
from auroral.bench.search.clearing import clear, idle_probes
from tests.support.simulated_runs import Plan, manifest_of

MANIFEST = manifest_of(Plan("s1-01", [(1, 1, 1)], lambda *_: ("completed", 1.0, "")))


class Cluster:
    """Whose backlog is gone at one time, and which is as fast as before at another."""

    def __init__(self, *, backlog_until_s: float = 0, slow_until_s: float = 0, answers: bool = True) -> None:
        self.now_s = 0.0
        self.backlog_until_s = backlog_until_s
        self.slow_until_s = slow_until_s
        self.answers = answers
        self.said: list[str] = []

    async def backlog(self) -> int | None:
        return (50 if self.now_s < self.backlog_until_s else 0) if self.answers else None

    async def in_flight(self, manifest: object) -> int | None:
        assert manifest is MANIFEST
        return 0 if self.answers else None

    async def probe_s(self) -> float:
        taken_s = 3.0 if self.now_s < self.slow_until_s else 0.02
        self.now_s += taken_s
        return taken_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def clear(self, limit_s: float = 60) -> tuple[float, str | None]:
        return await clear(
            self,
            MANIFEST,
            idle_s=[0.02] * 5,
            limit_s=limit_s,
            report=self.said.append,
            sleep=self.sleep,
            clock=lambda: self.now_s,
        )


async def test_a_cluster_at_rest_is_clear_within_a_few_probes() -> None:
    cluster = Cluster()
    waited_s, left = await cluster.clear()
    assert left is None
    assert waited_s < 1
    assert cluster.said == []


async def test_backlog_is_waited_for_and_told() -> None:
    cluster = Cluster(backlog_until_s=10)
    waited_s, left = await cluster.clear()
    assert left is None
    assert 10 <= waited_s < 12
    assert "50 tasks still wait" in cluster.said[0]


async def test_a_cluster_that_stays_slow_after_its_backlog_is_waited_for() -> None:
    waited_s, left = await Cluster(backlog_until_s=1, slow_until_s=30).clear()
    assert left is None
    assert waited_s >= 30


async def test_the_wait_is_bounded_and_says_what_is_left() -> None:
    waited_s, left = await Cluster(backlog_until_s=1e9).clear(limit_s=15)
    assert 15 <= waited_s < 16
    assert left is not None
    assert "tasks still wait" in left


async def test_without_patience_a_cluster_at_rest_is_still_seen_to_be_clear() -> None:
    waited_s, left = await Cluster().clear(limit_s=0)
    assert left is None
    assert waited_s < 1


async def test_without_answers_the_probes_alone_tell() -> None:
    waited_s, left = await Cluster(answers=False, slow_until_s=5).clear()
    assert left is None
    assert waited_s >= 5


async def test_cold_probes_are_no_baseline() -> None:
    cluster = Cluster(slow_until_s=4)
    assert await idle_probes(cluster, 3) == [0.02] * 3
    assert clearing.IDLE_PROBES >= 10
