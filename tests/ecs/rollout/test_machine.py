"""The machine of waves on the double of ECS: order, evidence, failures, shortages, what others do meanwhile."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auroral.aws_calls import Failure, Kind
from auroral.ecs.drive import HaltedError
from auroral.ecs.fleet import TEMPORAL
from auroral.ecs.machine import Act, Await, Finished, Halted
from auroral.ecs.rollout import waves
from auroral.ecs.rollout.machine import Limits, Rollout
from auroral.ecs.rollout.words import Words
from auroral.errors import AuroralError, ExitCode
from tests.support.fake_ecs import Behaviour, door
from tests.support.fake_ecs.behaviour import server_line
from tests.support.rollouts import Site, example_fleet

QUICK = Limits(wave_s=600, shortage_s=300)
PLANNED = {"frontend": 2, "history": 4, "matching": 3, "worker": 2, "ui": 1, "grafana": 1, "collector": 1}


@pytest.fixture(autouse=True)
def _unchecked_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The double's own tests hold its answers to AWS's models; here that takes half of the time."""
    monkeypatch.setattr(door, "check_answer", lambda *_: None)
    monkeypatch.setattr(door, "apart", lambda value: value)


def halted(site: Site, **wanted: object) -> HaltedError:
    with pytest.raises(HaltedError) as raised:
        site.up(**wanted)  # type: ignore[arg-type]
    return raised.value


def test_up_starts_each_service_after_the_one_before_is_steady_and_warm() -> None:
    site = Site()
    finished = site.up()
    assert finished.say == "done: frontend, history, matching, worker, ui, grafana, collector"
    assert site.running() == PLANNED
    assert site.updates() == [(key, {"desiredCount": count}) for key, count in PLANNED.items()]
    asked_s = {one.arguments["service"]: one.at_s for one in site.aws.changes("update_service")}
    assert asked_s["dev-ui"] == asked_s["dev-grafana"] == asked_s["dev-collector"]
    assert "history: steady with 4, 4 pools warm (200 connections)" in site.said
    assert site.watch.filled_at_once == {(key,) for key in TEMPORAL}


def test_up_again_makes_no_call() -> None:
    site = Site()
    site.up()
    before = len(site.aws.changes())
    finished = site.conductor().carry_out(waves.up(site.fleet, site.seen()))
    assert finished.say == "nothing to do: all is as wanted"
    assert len(site.aws.changes()) == before


def test_up_goes_on_with_what_another_up_began() -> None:
    site = Site()
    site.aws.settle({"frontend": 2})
    site.aws.service("history").desired, site.aws.service("history").steady = 4, False
    finished = site.up()
    assert [key for key, _ in site.updates()] == ["matching", "worker", "ui", "grafana", "collector"]
    assert finished.say.endswith("as wanted before: frontend, history")
    assert site.watch.filled_at_once >= {("history",), ("matching",)}
    assert ("history", "matching") not in site.watch.filled_at_once


def test_a_wave_waits_for_the_pools_that_others_fill() -> None:
    site = Site()
    site.aws.settle({"frontend": 2})
    site.aws.service("matching").desired, site.aws.service("matching").steady = 3, False
    site.drive(lambda fleet, seen: waves.scale(fleet, seen, {"history": 2}))
    assert "history waits for the pools of matching" in site.said
    assert site.watch.filled_at_once == {("frontend",), ("matching",), ("history",)}


def test_a_crash_loop_elsewhere_does_not_keep_a_wave_for_ever() -> None:
    site = Site()
    site.aws.behaviour("matching", Behaviour(crash_after_s=4))
    site.aws.service("matching").desired = 3
    site.clock.advance(120)
    finished = site.drive(lambda fleet, seen: waves.scale(fleet, seen, {"history": 2}))
    assert finished.say == "done: history"
    assert site.clock.elapsed_s < 120 + Limits().others_s + 120


def test_down_goes_the_other_way_and_awaits_the_last_task() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    site.aws.behaviour("history", Behaviour(stop_s=60))
    began = len(site.updates())
    site.drive(waves.down)
    assert [key for key, _ in site.updates()[began:]] == [
        "collector",
        "grafana",
        "ui",
        "worker",
        "matching",
        "history",
        "frontend",
    ]
    assert site.running() == {}
    assert all(task.status == "STOPPED" for task in site.aws.world.tasks)
    assert site.said[-1] == "frontend: stopped"
    at_s = {one.arguments["service"]: one.at_s for one in site.aws.changes("update_service")[began:]}
    gone_s = max(task.stopped_s for task in site.aws.service("history").tasks if task.stopped_s is not None)
    assert at_s["dev-frontend"] >= gone_s


def test_roll_deploys_what_was_registered_one_service_at_a_time() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    newest = {key: site.aws.register(key).arn for key in ("history", "frontend", "benchmark-worker")}
    began = len(site.updates())
    finished = site.drive(waves.roll)
    assert site.updates()[began:] == [
        ("frontend", {"taskDefinition": newest["frontend"]}),
        ("history", {"taskDefinition": newest["history"]}),
        ("benchmark-worker", {"taskDefinition": newest["benchmark-worker"]}),
    ]
    assert finished.say == "done: frontend, history, benchmark-worker"
    assert "history: steady with 4, 4 pools warm (200 connections)" in site.said
    assert ("frontend", "history") not in site.watch.filled_at_once
    assert "benchmark-worker" not in site.running()
    assert waves.roll(site.fleet, site.seen()) == ()


def test_a_count_that_the_plans_percentages_do_not_move_is_rolled_one_task_at_a_time() -> None:
    site = Site()
    site.aws.settle({**PLANNED, "history": 3})
    made = site.aws.register("history")
    breaker = site.aws.service("history").breaker
    site.drive(waves.roll)
    ((key, asked),) = site.updates()
    assert (key, asked["taskDefinition"]) == ("history", made.arn)
    rolling = asked["deploymentConfiguration"]
    assert (rolling["minimumHealthyPercent"], rolling["maximumPercent"]) == (66, 100)
    assert rolling["deploymentCircuitBreaker"]["enable"] is breaker is True
    assert min(int(line.split()[1]) for line in site.said if " of 3 running" in line) == 2
    site.drive(lambda fleet, seen: waves.scale(fleet, seen, {"history": 4}))
    assert site.aws.service("history").min_healthy_percent == 75  # the plan's, with its count


def test_a_larger_plan_is_rolled_at_the_counts_before_it() -> None:
    """A plan that starts one task before it stops one, for one task more than run: at 4 tasks 120 % are 4."""
    fleet = example_fleet()
    history = fleet.services["history"]
    assert history.dsql is not None
    share = msgspec.structs.replace(history.dsql, rate_per_s=4.0, burst=10)
    larger = msgspec.structs.replace(history, planned=5, min_healthy_percent=100, max_percent=120, dsql=share)
    site = Site(msgspec.structs.replace(fleet, services={**fleet.services, "history": larger}))
    site.aws.settle(PLANNED)
    site.aws.register("history")
    site.drive(waves.roll)
    ((_, asked),) = site.updates()
    assert asked["deploymentConfiguration"]["maximumPercent"] == 125
    assert site.running()["history"] == 4


def test_the_only_task_of_a_service_that_rolls_in_place_is_not_stopped() -> None:
    site = Site()
    site.aws.settle({**PLANNED, "history": 1})
    site.aws.register("history")
    with pytest.raises(HaltedError, match=r"history at 1: ⌈1 × 75 %⌉ = 1 must stay") as raised:
        site.drive(waves.roll)
    assert raised.value.exit_code == ExitCode.FAILED
    assert "auroral cluster scale history=2 --outputs o.json" in raised.value.hint
    assert site.updates() == []


def test_a_count_that_autoscaling_lowers_under_way_does_not_wait_for_ever() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    site.aws.register("history")
    began_s = site.clock.elapsed_s
    site.clock.after(25, lambda: setattr(site.aws.service("history"), "desired", 3))
    with pytest.raises(HaltedError, match="history: its count became 3 meanwhile"):
        site.drive(waves.roll)
    assert site.clock.elapsed_s - began_s < 300
    site.drive(waves.roll)
    assert site.running()["history"] == 3
    assert waves.roll(site.fleet, site.seen()) == ()


def test_roll_by_force_makes_a_new_deployment_of_the_same() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    before = {task.arn for task in site.seen().tasks_of("matching")}
    site.drive(lambda fleet, seen: waves.roll(fleet, seen, ["matching"], force=True))
    assert site.updates()[-1] == ("matching", {"forceNewDeployment": True})
    assert not before & {task.arn for task in site.seen().tasks_of("matching")}


def test_a_lost_answer_does_not_deploy_by_force_twice() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    site.aws.faults.fail(
        "ecs:UpdateService", "ServiceUnavailable", "try later", kind=Kind.UNREACHABLE, after_change=True
    )
    site.drive(lambda fleet, seen: waves.roll(fleet, seen, ["matching"], force=True))
    forced = [one for one in site.aws.calls if one.arguments.get("forceNewDeployment")]
    assert len(forced) == 1


@pytest.mark.parametrize("keeps_id", [True, False])
def test_a_deployment_that_is_rolled_back_halts_with_its_reasons(keeps_id: bool) -> None:
    site = Site()
    site.aws.settle(PLANNED)
    site.aws.world.rollback_keeps_id = keeps_id
    made = site.aws.register("history")
    site.aws.register("matching")
    site.aws.behaviour("history", Behaviour(crash_after_s=3, exit_code=2), made.revision)
    with pytest.raises(HaltedError) as raised:
        site.drive(waves.roll)
    error = raised.value
    assert error.exit_code == ExitCode.UNREACHABLE
    assert error.message.startswith("history: ECS rolled it back to dev-history:1: ECS deployment circuit breaker")
    assert "a task stopped: Essential container in task exited (history: exit code 2)" in error.message
    assert "auroral cluster logs history --outputs o.json" in error.hint
    assert "auroral cluster up --outputs o.json" in error.hint
    assert site.seen().services["matching"].task_definition.endswith(":1")


def test_health_checks_that_never_pass_are_a_failure_too() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    made = site.aws.register("worker")
    site.aws.behaviour("worker", Behaviour(never_healthy=True), made.revision)
    with pytest.raises(HaltedError, match=r"(?s)worker: ECS rolled it back.*Task failed container health checks"):
        site.drive(waves.roll)


def test_a_crash_loop_of_a_service_that_is_scaled_from_0_is_told_without_the_breaker() -> None:
    site = Site()
    site.aws.behaviour("history", Behaviour(crash_after_s=5, exit_code=137, reason="OutOfMemoryError"))
    error = halted(site)
    assert "history: " in error.message
    assert "of its tasks stopped since this began" in error.message
    assert "OutOfMemoryError (history: exit code 137)" in error.message
    assert [key for key, _ in site.updates()] == ["frontend", "history"]
    began_s = site.aws.changes("update_service")[1].at_s
    assert site.clock.elapsed_s - began_s >= site.fleet.services["history"].start_period_s


def test_one_crash_at_the_start_is_no_failure() -> None:
    site = Site()
    site.aws.behaviour("history", lambda number: Behaviour(crash_after_s=3) if number < 2 else Behaviour())
    assert site.up().say.startswith("done: frontend, history")


def test_an_image_that_cannot_be_pulled() -> None:
    site = Site()
    site.aws.behaviour("frontend", Behaviour(pull_error="CannotPullContainerError: manifest unknown"))
    assert "CannotPullContainerError: manifest unknown" in halted(site).message


def test_a_failed_deployment_without_a_rollback_is_begun_anew() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    made = site.aws.register("worker")
    site.aws.service("worker").rollback = False
    site.aws.behaviour("worker", Behaviour(crash_after_s=3), made.revision)
    with pytest.raises(HaltedError):
        site.drive(waves.roll)
    site.clock.until(lambda: site.seen().services["worker"].deployments[0].rollout == "FAILED")
    site.aws.behaviour("worker", Behaviour(), made.revision)
    site.drive(waves.roll)
    assert site.updates()[-1] == ("worker", {"forceNewDeployment": True})
    assert site.running()["worker"] == 2


def test_a_shortage_is_borne_for_a_while_and_then_names_group_and_remedy() -> None:
    fleet = example_fleet()
    pools = {**fleet.pools, "main": msgspec.structs.replace(fleet.pools["main"], minimum=0)}
    site = Site(msgspec.structs.replace(fleet, pools=pools), limits=QUICK)
    site.aws.world.groups["dev-main"].shortage = True
    error = halted(site)
    assert error.message.startswith("frontend finds no room for 5 m: ")
    assert "pool main (group dev-main) may have 7 instances" in error.message
    assert "--auto-scaling-group-name dev-main" in error.hint
    assert 300 <= site.clock.elapsed_s <= 400
    assert any("was unable to place a task" in text for text in site.said)


def test_instances_that_come_late_are_awaited() -> None:
    fleet = example_fleet()
    pools = {**fleet.pools, "main": msgspec.structs.replace(fleet.pools["main"], minimum=0)}
    site = Site(msgspec.structs.replace(fleet, pools=pools))
    site.aws.world.groups["dev-main"].shortage = True
    site.clock.at(200, lambda: setattr(site.aws.world.groups["dev-main"], "shortage", False))
    assert site.up().say.startswith("done")
    assert site.running() == PLANNED


def test_throttling_slows_it_down_and_nothing_else() -> None:
    site = Site()
    site.aws.faults.throttle("ecs:DescribeServices", times=8, from_s=1)
    site.aws.faults.throttle("ecs:UpdateService", times=2)
    assert site.up().say.startswith("done")
    assert [key for key, _ in site.updates()] == list(PLANNED)
    assert any("throttled; asking again more slowly" in text for text in site.said)


def test_throttling_without_an_end_ends_at_the_deadline() -> None:
    site = Site(limits=Limits(wave_s=120))
    site.aws.faults.throttle("ecs:DescribeServices", times=None, from_s=20)
    error = halted(site)
    assert "ecs:DescribeServices fails: ThrottlingException" in error.message
    assert site.clock.elapsed_s < 300


def test_throttling_from_the_start_ends_at_a_waves_deadline() -> None:
    site = Site(limits=QUICK)
    conductor, planned = site.conductor(), waves.up(site.fleet, site.seen())
    began_s = site.clock.elapsed_s
    site.aws.faults.fail("ecs:DescribeServices", "ThrottlingException", "Rate exceeded", times=100_000)
    with pytest.raises(HaltedError, match="ecs:DescribeServices fails: ThrottlingException"):
        conductor.carry_out(planned)
    assert site.clock.elapsed_s - began_s < QUICK.wave_s + 60


def test_what_shrinks_is_gone_before_anything_grows() -> None:
    site = Site()
    site.aws.behaviour("history", Behaviour(stop_s=60))
    site.aws.settle(PLANNED)
    began = len(site.aws.changes())
    site.drive(lambda fleet, seen: waves.scale(fleet, seen, {"history": 2, "matching": 5}))
    asked_s = {one.arguments["service"]: one.at_s for one in site.aws.changes("update_service")[began:]}
    left_s = [task.stopped_s for task in site.aws.service("history").tasks if task.stopped_s is not None]
    assert len(left_s) == 2
    assert asked_s["dev-matching"] >= max(left_s) - 5  # what follows a container's end has no connection


def test_a_shortage_at_the_deadline_names_group_and_remedy_too() -> None:
    fleet = example_fleet()
    pools = {**fleet.pools, "main": msgspec.structs.replace(fleet.pools["main"], minimum=0)}
    site = Site(msgspec.structs.replace(fleet, pools=pools), limits=Limits(wave_s=300, shortage_s=3_600))
    site.aws.world.groups["dev-main"].shortage = True
    with pytest.raises(HaltedError, match="frontend finds no room for") as raised:
        site.up()
    assert "describe-scaling-activities" in raised.value.hint


def test_credentials_that_end_say_how_to_go_on() -> None:
    site = Site()
    site.aws.faults.expire(from_s=40)
    error = halted(site)
    assert "wave 2 of 5" in error.message or "wave 1 of 5" in error.message
    assert error.hint == "renew the credentials, then go on: auroral cluster up --outputs o.json --take-over"
    site.aws.faults.clear()
    assert site.up().say.startswith("done")


def test_a_service_that_never_gets_steady_ends_at_the_deadline() -> None:
    site = Site(limits=Limits(wave_s=200))
    site.aws.behaviour("history", Behaviour(healthy_after_s=1_000_000, warm_after_s=None))
    error = halted(site)
    assert error.message.startswith("history is not steady after 200 s") or "tasks stopped" in error.message


def test_without_access_to_logs_ecs_is_believed() -> None:
    site = Site()
    site.aws.faults.deny("logs:FilterLogEvents")
    assert site.up().say.startswith("done")
    told = [text for text in site.said if text.startswith("logs are not read")]
    assert told == ["logs are not read (logs:FilterLogEvents: AccessDeniedException): going on by ECS's word alone"]
    assert "history: steady with 4" in site.said


def test_logs_without_any_of_the_lines_are_told() -> None:
    site = Site()
    site.aws.behaviour("frontend", Behaviour(lines=()))
    assert site.up().say.startswith("done")
    assert any(text.startswith("frontend: steady with 2; their logs say nothing of their start") for text in site.said)


def test_a_task_without_its_lines_beside_others_halts() -> None:
    site = Site()
    site.aws.behaviour("history", lambda number: Behaviour(warm_after_s=None if number == 2 else 12.0))
    error = halted(site)
    assert "is healthy, and its log lacks one of" in error.message
    assert [key for key, _ in site.updates()] == ["frontend", "history"]


def test_a_task_that_tells_its_peers_another_address_halts() -> None:
    site = Site()
    line = server_line(site.clock.utc(), "Detected ECS task IP from metadata", ip="10.9.9.9")
    site.aws.behaviour("frontend", Behaviour(lines=[(1, line)]))
    error = halted(site)
    assert "tells its peers 10.9.9.9 and has 10." in error.message
    assert "its peers cannot reach it" in error.message


def test_counts_that_overrun_dsql_are_refused_with_the_sums_and_without_a_call() -> None:
    site = Site()
    error = halted(site, counts={"history": 20})
    assert error.exit_code == ExitCode.FAILED
    assert "20 × 8.1 history" in error.message
    assert "of 100 connects/s" in error.message
    assert site.updates() == []


def test_larger_shares_are_refused_before_anything_is_deployed() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    for key in TEMPORAL:
        share = site.fleet.services[key].dsql
        assert share is not None
        site.aws.register(key, dsql=msgspec.structs.replace(share, rate_per_s=2 * share.rate_per_s))
    began = len(site.updates())
    with pytest.raises(HaltedError) as raised:
        site.drive(waves.roll)
    assert "2 × 16.2 frontend + 4 × 16.2 history + 3 × 16.2 matching + 2 × 16.2 worker" in raised.value.message
    assert "= 180.2 of 100 connects/s" in raised.value.message
    assert raised.value.exit_code == ExitCode.FAILED
    assert site.updates()[began:] == []


def test_autoscaling_may_raise_a_count_meanwhile() -> None:
    site = Site()
    site.clock.at(60, lambda: setattr(site.aws.service("history"), "desired", 4))
    site.drive(lambda fleet, seen: waves.scale(fleet, seen, {"history": 3}))
    site.clock.until(lambda: site.running() == {"history": 4})


def test_a_count_that_somebody_raises_while_it_goes_to_0_halts() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    site.aws.behaviour("worker", Behaviour(stop_s=100))
    worker, raised = site.aws.service("worker"), []

    def interfere() -> None:
        """Once ECS has shown that the worker goes to 0."""
        if worker.desired == 0 and not raised and "worker: 2 still running" in site.said:
            raised.append(site.clock.elapsed_s)
            worker.desired = 1

    site.clock.listen(interfere)
    with pytest.raises(HaltedError, match="worker: somebody, or its autoscaling, asked for 1 tasks meanwhile"):
        site.drive(waves.down)


def test_what_somebody_deploys_meanwhile_halts() -> None:
    site = Site()
    site.aws.settle(PLANNED)
    first = site.fleet.services["history"].task_definition
    site.aws.register("history")
    began_s = site.clock.elapsed_s

    def interfere() -> None:
        site.aws.call("ecs", "update_service", cluster="dev", service="dev-history", taskDefinition=first)

    site.clock.at(began_s + 30, interfere)
    with pytest.raises(HaltedError, match="history: somebody deployed dev-history:1 meanwhile"):
        site.drive(waves.roll)


def test_listings_that_lag_do_not_mislead() -> None:
    site = Site()
    site.aws.world.lag_s = 8.0
    site.up()
    assert site.running() == PLANNED
    assert site.watch.filled_at_once == {(key,) for key in TEMPORAL}


def test_a_service_that_is_not_there_is_told_before_anything_is_asked() -> None:
    site = Site()
    site.aws.service("frontend").status = "INACTIVE"
    error = halted(site)
    assert "no active service dev-frontend in the cluster dev" in error.message
    assert site.updates() == []


def test_a_failure_of_another_kind_halts_with_the_call() -> None:
    machine = Rollout(example_fleet(), (), words=Words(again="auroral cluster up"))
    failure = Failure(kind=Kind.DENIED, code="AccessDeniedException", words="no", call="ecs:UpdateService")
    decision = machine.failed(failure, 0.0)
    assert isinstance(decision, Halted)
    assert decision.hint == "the caller needs ecs:UpdateService; then go on: auroral cluster up"


BEHAVIOURS = st.sampled_from(
    [
        Behaviour(),
        Behaviour(),
        Behaviour(healthy_after_s=45, warm_after_s=40),
        Behaviour(crash_after_s=3),
        Behaviour(crash_after_s=15, exit_code=0),
        Behaviour(never_healthy=True, warm_after_s=None),
        Behaviour(pull_error="CannotPullContainerError: no such image"),
        Behaviour(stop_s=60),
    ]
)


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=8,
    deadline=None,
    derandomize=True,
)
@given(
    bad=st.dictionaries(st.sampled_from(TEMPORAL), st.lists(BEHAVIOURS, min_size=1, max_size=4), max_size=2),
    seed=st.integers(0, 3),
    throttled=st.integers(0, 6),
    lag_s=st.sampled_from([0.0, 5.0]),
)
def test_every_run_ends_and_keeps_order_and_limits(
    bad: dict[str, list[Behaviour]], seed: int, throttled: int, lag_s: float
) -> None:
    """Whatever tasks do: services begin in order, the sums hold at every instant, and the end has a reason."""
    site = Site(seed=seed, limits=QUICK)
    site.aws.world.lag_s = lag_s
    for key, behaviours in bad.items():
        site.aws.behaviour(key, lambda number, some=behaviours: some[number % len(some)])
    if throttled:
        site.aws.faults.throttle(times=throttled, from_s=15.0)
    try:
        ended: Finished | AuroralError = site.up()
    except AuroralError as error:
        ended = error
    asked = [key for key, _ in site.updates()]
    assert asked == list(PLANNED)[: len(asked)]
    allowance = site.fleet.allowance
    assert site.watch.most_held <= allowance.connections
    assert site.watch.most_rate_per_s <= allowance.rate_per_s
    if isinstance(ended, Finished):
        assert asked == list(PLANNED)
        assert site.running() == PLANNED or bad
    else:
        assert isinstance(ended, HaltedError), ended
        assert ended.message
        assert ended.hint
    if not bad:
        assert site.watch.filled_at_once == {(key,) for key in TEMPORAL}


def test_decisions_are_of_the_protocol() -> None:
    """An observation twice in a row: asked once, then awaited."""
    site = Site()
    machine = Rollout(site.fleet, waves.up(site.fleet, site.seen()), words=Words(again="x"))
    seen = site.seen()
    first, second = machine.next(seen, 0.0), machine.next(seen, 1.0)
    assert isinstance(first, Act)
    assert [call.operation for call in first.calls] == ["update_service"]
    assert isinstance(second, Await)
    assert machine.where() == "wave 1 of 5: frontend: ECS has not yet taken the count of 2"
