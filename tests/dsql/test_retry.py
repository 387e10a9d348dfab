"""The loop that tries a transaction again."""

from __future__ import annotations

import pytest

from auroral.dsql.backoff import Backoff
from auroral.dsql.errors import Conflict, ConflictError, ConflictsError, LostConnectionError
from auroral.dsql.retry import retry_conflicts
from auroral.dsql.session import Session
from auroral.errors import ExitCode
from tests.dsql.running import Cluster


class Transaction:
    """Meets so many conflicts first."""

    def __init__(self, conflicts: int) -> None:
        self.left, self.attempts = conflicts, 0

    async def __call__(self) -> str:
        self.attempts += 1
        if self.left:
            self.left -= 1
            raise ConflictError("change conflicts (OC000)", kind=Conflict.DATA)
        return "done"


class Clock:
    """Sleeps without time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_it_waits_between_attempts_and_tells_of_each() -> None:
    clock, met = Clock(), list[ConflictError]()
    done = Transaction(3)
    backoff = Backoff(attempts=4, first_s=1.0, largest_s=3.0)
    answer = await retry_conflicts(
        done, what="it", backoff=backoff, sleep=clock.sleep, draw=lambda: 0.5, met=met.append
    )
    assert (answer, done.attempts, clock.slept, len(met)) == ("done", 4, [1.0, 2.0, 3.0], 3)


async def test_it_gives_up_and_says_after_how_many() -> None:
    clock, never = Clock(), Transaction(99)
    with pytest.raises(ConflictsError, match="deleting rows met a conflict in each of 3 attempts") as caught:
        await retry_conflicts(
            never, what="deleting rows", backoff=Backoff(attempts=3), sleep=clock.sleep, draw=lambda: 0.0
        )
    assert (never.attempts, len(clock.slept)) == (3, 2)
    assert caught.value.exit_code == ExitCode.UNREACHABLE


async def test_only_conflicts_are_retried() -> None:
    calls = 0

    async def lost() -> None:
        nonlocal calls
        calls += 1
        raise LostConnectionError("gone")

    with pytest.raises(LostConnectionError):
        await retry_conflicts(lost, what="it")
    assert calls == 1


@pytest.mark.parametrize("rate", [0.1, 0.5])
async def test_every_transaction_comes_through_at_the_double(cluster: Cluster, rate: float) -> None:
    await cluster.make_membership()
    cluster.add_hosts(*[0.0] * 20)
    cluster.control.change(conflict_rate=rate, conflict_seed=11)
    met = 0

    def count(error: ConflictError) -> None:
        nonlocal met
        met += 1
        assert error.kind is Conflict.DATA

    async with await Session.open(cluster.target) as session:
        for host in cluster.hosts():
            changed = await retry_conflicts(
                lambda host=host: session.execute(  # type: ignore[misc]
                    "UPDATE cluster_membership SET rpc_port = 7000 WHERE membership_partition = 0 "
                    "AND host_id = %s::uuid",
                    (host,),
                ),
                what="it",
                met=count,
            )
            assert changed == 1
    assert met == cluster.control.statistics().conflicts > 0
    assert cluster.query("SELECT count(*) FROM public.cluster_membership WHERE rpc_port = 7000") == [(20,)]
