"""Recoveries of a cluster whose history crash-loops, in virtual time: whole, interrupted, refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from auroral.aws_account import AwsError
from auroral.aws_calls import Failure, Kind
from auroral.dsql import errors
from auroral.ecs.drive import HaltedError
from auroral.ecs.fleet import TEMPORAL
from auroral.ecs.health import crash_loop
from auroral.ecs.operation import MARK, Operation, TakenOverError, parse, set_mark
from auroral.ecs.rollout.machine import Limits
from auroral.errors import ExitCode, InterruptedRunError, TargetError
from tests.support.fake_ecs import Behaviour, door
from tests.support.recoveries import AGAIN, Recoveries

KEPT = ("ui", "grafana", "collector")


@pytest.fixture(autouse=True)
def _answers_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The double's own tests hold its answers to AWS's models, and nobody changes them: most of the time goes there."""
    monkeypatch.setattr(door, "check_answer", lambda *_: None)
    monkeypatch.setattr(door, "apart", lambda value: value)


@pytest.fixture
def looping() -> Recoveries:
    found = Recoveries()
    found.loop()
    return found


def _ends(recoveries: Recoveries, most: int = 10, then: Callable[[], None] = lambda: None) -> list[int]:
    """Run it again and again until it is done; the exit codes of those before."""
    codes: list[int] = []
    for _ in range(most):
        try:
            recoveries.recover()
        except (InterruptedRunError, HaltedError, AwsError, TargetError) as error:
            codes.append(error.exit_code)
            then()
        else:
            return codes
    raise AssertionError(f"never done: {codes}")


# To its end


def test_a_crash_loop_is_one_and_heals_by_a_recovery_alone(looping: Recoveries) -> None:
    evidence = crash_loop.evidence(looping.site.seen())
    assert [loop.service for loop in evidence.loops] == ["history"]
    kept = {key: looping.aws.service(key).tasks[0].arn for key in KEPT}
    rows = len(looping.table.hosts)
    looping.clock.advance(60)
    assert looping.table.poisoned, "it does not heal by itself"
    done = looping.recover()
    looping.whole()
    assert done.say.startswith("recovered in ")
    assert "frontend 1, history 3, matching 1, worker 1; " in done.say
    assert "6 hosts in the ring, as tasks run" in done.say
    assert rows > 6
    assert {key: looping.aws.service(key).tasks[0].arn for key in KEPT} == kept
    asked = [(key, change["desiredCount"]) for key, change in looping.site.updates()]
    ups = [("frontend", 1), ("history", 3), ("matching", 1), ("worker", 1)]
    assert asked == [(key, 0) for key, _ in reversed(ups)] + ups
    assert not any("taskDefinition" in change for _, change in looping.site.updates())


def test_the_mark_is_written_before_each_phase_and_taken_away_last(looping: Recoveries) -> None:
    looping.recover()
    made = [one for one in looping.aws.changes() if one.operation in ("tag_resource", "untag_resource")]
    values = [one.arguments["tags"][0]["value"] for one in made[:-1]]
    assert [value.split("phase=")[1].split()[0] for value in values] == ["down", "clean", "up"]
    assert all("by=jane.doe" in value and "history=3" in value for value in values)
    assert made[-1].operation == "untag_resource"
    assert looping.aws.changes()[0] is made[0]


def test_counts_are_as_they_were_or_as_told(looping: Recoveries) -> None:
    looping.aws.settle({"matching": 2})
    looping.recover(history=2)
    running = looping.site.running()
    assert (running["matching"], running["history"]) == (2, 2)


def test_the_benchmarks_workers_stop_and_stay_so() -> None:
    recoveries = Recoveries()
    recoveries.settle()
    recoveries.aws.settle({"benchmark-worker": 2})
    recoveries.recover()
    recoveries.whole()
    assert "benchmark-worker" not in recoveries.site.running()
    assert recoveries.site.updates()[0] == ("benchmark-worker", {"desiredCount": 0})


def test_rows_are_read_until_all_are_silent(looping: Recoveries) -> None:
    looping.recover()
    assert "waiting for 1 host, heard of lately, to fall silent" in looping.said
    assert looping.table.reads >= 3


def test_nothing_to_delete_is_no_fault() -> None:
    recoveries = Recoveries()
    assert "; 0 rows deleted; 6 hosts" in recoveries.recover().say
    recoveries.whole()


# Interrupted, and gone on with


BOUNDARIES = (
    "1 of 3",
    "down: history: 3",
    "2 of 3",
    "waiting",
    "deleting",
    "3 of 3",
    "up: history: 0 → 3",
    "comparing",
)


@pytest.mark.parametrize("when", BOUNDARIES)
def test_interrupted_at_every_boundary_it_is_gone_on_with(looping: Recoveries, when: str) -> None:
    with pytest.raises(InterruptedRunError) as raised:
        looping.recover(interrupt_when=when)
    assert raised.value.exit_code == ExitCode.INTERRUPTED
    assert raised.value.hint.endswith(f"go on: {AGAIN}")
    mark = looping.mark
    assert mark is not None
    assert (mark.name, mark.state, mark.facts["history"]) == ("recover", "interrupted", "3")
    phase = {"1": "down", "d": "down", "2": "clean", "w": "clean", "3": "up", "u": "up", "c": "up"}[when[0]]
    assert mark.facts["phase"] == ("clean" if when == "deleting" else phase)
    looping.said.clear()
    done = looping.recover()
    looping.whole()
    assert " since 2026-11-26 08:" in done.say
    titles = [line for line in looping.said if " of 3, " in line]
    assert len(titles) == {"down": 3, "clean": 2, "up": 1}[mark.facts["phase"]]


@pytest.mark.parametrize("seed", range(3))
def test_interrupted_at_random_again_and_again_it_comes_to_the_same_end(seed: int) -> None:
    chance = random.Random(seed)
    recoveries = Recoveries(seed=seed)
    recoveries.loop()

    def later() -> None:
        recoveries.clock.interrupt_at(recoveries.clock.elapsed_s + chance.uniform(1, 150))

    later()
    codes: list[int] = []
    for _ in range(30):
        try:
            recoveries.recover()
        except InterruptedRunError as error:
            codes.append(error.exit_code)
            if len(codes) < 4:
                later()
        else:
            break
    assert codes
    recoveries.whole()


def test_what_was_deleted_is_not_asked_for_again(looping: Recoveries) -> None:
    with pytest.raises(InterruptedRunError):
        looping.recover(interrupt_when="3 of 3")
    reads = looping.table.reads
    assert looping.recover().say.count("; 0 rows deleted; ") == 1
    assert looping.table.reads == reads + 1, "to compare"


def test_a_phase_clean_with_tasks_there_again_goes_back_to_down(looping: Recoveries) -> None:
    with pytest.raises(InterruptedRunError):
        looping.recover(interrupt_when="2 of 3")
    looping.aws.settle({"frontend": 1})
    looping.said.clear()
    looping.recover()
    assert [line[:12] for line in looping.said if " of 3, " in line] == [
        "2 of 3, clea", "1 of 3, down", "2 of 3, clea", "3 of 3, up: ",
    ]  # fmt: skip
    looping.whole()


def test_tasks_that_somebody_starts_meanwhile_stop_it_before_rows_are_deleted(looping: Recoveries) -> None:
    frontend = looping.aws.service("frontend")

    def start() -> None:
        frontend.desired, frontend.steady = 1, False

    read = looping.table.read

    def reading() -> object:
        start()
        return read()

    looping.table.read = reading  # type: ignore[method-assign, assignment]
    with pytest.raises(HaltedError, match="frontend: tasks are there again"):
        looping.recover()
    mark = looping.mark
    assert mark is not None
    assert (mark.state, mark.facts["phase"]) == ("failed", "clean")


# Rows


def test_a_host_that_lives_elsewhere_stops_it_and_keeps_its_row(looping: Recoveries) -> None:
    id = looping.table.put("10.7.7.7", silent_s=1, elsewhere=True)
    with pytest.raises(HaltedError, match=r"1 host still in the ring: history 10.7.7.7:6934") as raised:
        looping.recover()
    assert raised.value.exit_code == ExitCode.FAILED
    assert "--beside" in raised.value.hint
    assert looping.site.running().keys() == set(KEPT)
    looping.recover(beside=True)
    assert id in looping.table.hosts
    assert sum(looping.site.running()[key] for key in TEMPORAL) == 6
    assert len(looping.table.hosts) == 7


def test_a_row_heard_of_between_list_and_deletion_is_kept_and_looked_at_again(looping: Recoveries) -> None:
    id = looping.table.put("10.7.7.7", silent_s=500)

    def wakes() -> None:
        looping.table.before_delete = lambda: None
        looping.table.hosts[id].heartbeat = looping.table.now
        looping.table.hosts[id].elsewhere = True

    looping.table.before_delete = wakes
    with pytest.raises(HaltedError, match="1 host still in the ring"):
        looping.recover()
    assert id in looping.table.hosts


def test_a_ring_that_lacks_a_host_is_told(looping: Recoveries) -> None:
    beat = looping.table._beat
    looping.table._beat = (  # type: ignore[method-assign]
        lambda host: None if host.role == "matching" else beat(host)
    )
    with pytest.raises(HaltedError) as raised:
        looping.recover()
    assert raised.value.exit_code == ExitCode.FAILED
    assert "matching: 1 task running, 0 hosts in cluster_membership" in raised.value.message
    looping.table._beat = beat  # type: ignore[method-assign]
    assert "; 0 rows deleted;" in looping.recover().say


UNREACHABLE = errors.UnreachableError("no route to DSQL")
DENIED = errors.AccessDeniedError("DSQL takes the token for nobody", hint="see the role's policy")
EXPIRED = AwsError(Failure(kind=Kind.EXPIRED, code="ExpiredTokenException", words="over", call="ecs:RunTask"))


def test_a_database_that_cannot_be_reached_for_a_while_is_waited_for(looping: Recoveries) -> None:
    looping.table.failures = [UNREACHABLE, UNREACHABLE]
    looping.recover()
    looping.whole()
    assert any("no route to DSQL; trying again" in line for line in looping.said)


def test_one_that_stays_away_stops_it_and_is_gone_on_with(looping: Recoveries) -> None:
    looping.table.failures = [UNREACHABLE] * 100
    with pytest.raises(HaltedError, match="clean: reading and deleting rows of cluster_membership: no route") as raised:
        looping.recover()
    assert raised.value.exit_code == ExitCode.UNREACHABLE
    looping.table.failures = []
    looping.recover()
    looping.whole()


@pytest.mark.parametrize("error", [DENIED, EXPIRED])
def test_a_refusal_stops_it_at_once(looping: Recoveries, error: TargetError) -> None:
    looping.table.failures = [error]
    with pytest.raises(HaltedError) as raised:
        looping.recover()
    assert error.message in raised.value.message
    assert AGAIN in raised.value.hint
    assert error.hint in raised.value.hint
    assert looping.table.reads == 1
    looping.recover()
    looping.whole()


# AWS


@pytest.mark.parametrize("call", ["ecs:DescribeServices", "ecs:UpdateService", "ecs:TagResource", "logs:*"])
def test_throttling_is_waited_for(looping: Recoveries, call: str) -> None:
    plan = looping.plan()
    looping.aws.faults.throttle(call, times=4)
    looping.recover(plan=plan)
    looping.whole()


def test_an_answer_that_is_lost_is_not_a_second_change(looping: Recoveries) -> None:
    plan = looping.plan()
    for call in ("ecs:UpdateService", "ecs:TagResource"):
        looping.aws.faults.fail(call, "ServiceUnavailable", "lost", times=3, after_change=True)
    looping.recover(plan=plan)
    looping.whole()
    counts = [key for key, change in looping.site.updates() if change["desiredCount"]]
    assert counts == list(TEMPORAL)


@pytest.mark.parametrize("after_s", [1, 40, 90, 200])
def test_a_token_that_expires_is_renewed_and_gone_on_with(looping: Recoveries, after_s: float) -> None:
    conductor_s = looping.clock.elapsed_s + after_s
    plan = looping.plan()
    looping.aws.faults.expire(conductor_s)
    with pytest.raises(HaltedError, match="ExpiredToken") as raised:
        looping.recover(plan=plan)
    assert raised.value.hint == f"renew the credentials, then go on: {AGAIN} --take-over"
    assert looping.said[-1].startswith("the cluster's mark still says that recover is under way")
    looping.aws.faults.clear()
    looping.recover()
    looping.whole()


def test_who_may_not_mark_is_told_the_counts_and_goes_on(looping: Recoveries) -> None:
    looping.aws.faults.deny("ecs:TagResource")
    looping.recover()
    looping.whole()
    told = [line for line in looping.said if line.startswith("the cluster is not marked")]
    assert len(told) == 1
    assert "--count frontend=1 --count history=3 --count matching=1 --count worker=1" in told[0]
    assert not looping.aws.changes("untag_resource")


def test_a_mark_that_cannot_be_taken_away_is_told(looping: Recoveries) -> None:
    looping.aws.faults.deny("ecs:UntagResource")
    looping.recover()
    assert looping.said[-1].startswith("all is done, and the mark of recover stays on the cluster: ecs:UntagResource")


def test_a_shortage_of_instances_in_up_stops_it_and_is_gone_on_with(looping: Recoveries) -> None:
    looping.site.limits = Limits(shortage_s=120)
    with pytest.raises(InterruptedRunError):
        looping.recover(interrupt_when="3 of 3")
    for instance in list(looping.aws.world.instances):
        looping.aws.world.lose(instance)
    group = looping.aws.world.groups["dev-main"]
    group.shortage = True
    with pytest.raises(HaltedError, match="up: frontend finds no room for 2 m"):
        looping.recover()
    mark = looping.mark
    assert mark is not None
    assert (mark.state, mark.facts["phase"]) == ("failed", "up")
    group.shortage = False
    looping.recover()
    looping.whole()


def test_a_service_that_fails_in_up_stops_it_and_is_gone_on_with(looping: Recoveries) -> None:
    looping.aws.behaviour("matching", Behaviour(crash_after_s=3, exit_code=2))
    with pytest.raises(HaltedError, match=r"up: matching: \d of its tasks stopped since this began") as raised:
        looping.recover()
    assert "auroral cluster logs matching" in raised.value.hint
    mark = looping.mark
    assert mark is not None
    assert mark.facts["phase"] == "up"
    looping.aws.behaviour("matching", Behaviour())
    _ends(looping, then=lambda: looping.clock.advance(60))
    looping.whole()


def test_the_mark_is_where_status_finds_it(looping: Recoveries) -> None:
    with pytest.raises(InterruptedRunError):
        looping.recover(interrupt_when="3 of 3")
    (tag,) = looping.aws.changes("tag_resource")[-1].arguments["tags"]
    assert tag["key"] == MARK


@pytest.mark.parametrize("after_s", [15, 90, 200])
def test_who_is_taken_over_stops_and_leaves_the_others_mark(looping: Recoveries, after_s: float) -> None:
    plan, arn = looping.plan(), looping.site.seen().arn
    at = looping.clock.utc() + timedelta(seconds=after_s)
    other = Operation(name="up", state="begun", at=at.replace(microsecond=0), facts={"by": "joe"})
    call = set_mark(arn, other)
    looping.clock.after(after_s, lambda: looping.aws.call("ecs", "tag_resource", **call.arguments) and None)
    with pytest.raises(TakenOverError, match="`auroral cluster up` by joe began on this cluster"):
        looping.recover(plan=plan)
    assert parse(looping.site.seen().mark) == other


def test_a_second_interrupt_does_not_lose_how_to_go_on(looping: Recoveries) -> None:
    def interrupt(**_: object) -> dict[str, object]:
        raise KeyboardInterrupt

    plan, began_s = looping.plan(), looping.clock.elapsed_s
    looping.clock.at(began_s + 40, lambda: looping.aws.add("ecs", "tag_resource", interrupt))
    looping.clock.interrupt_at(began_s + 41)
    with pytest.raises(InterruptedRunError) as raised:
        looping.recover(plan=plan)
    assert raised.value.hint.endswith(f"go on: {AGAIN} --take-over")
