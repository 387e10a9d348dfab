"""The tasks that generate for a run over several of them."""

from __future__ import annotations

import pytest

from auroral.ecs.one_shot.request import Place
from auroral.ecs.remote.agents import Agents, AgentsPlan, plan_agents
from auroral.ecs.seen import TaskSeen
from tests.support import seen_examples as examples

PLACE = Place(cluster="dev", task_definition="generator:3", subnets=("subnet-1",), security_groups=("sg-1",))


def planned(count: int) -> AgentsPlan:
    return plan_agents(
        PLACE, "generator", count, command=("bench", "generator"), started_by="auroral/abc-agents", token="abc"
    )


@pytest.mark.parametrize(("count", "counts"), [(1, [1]), (10, [10]), (11, [10, 1]), (64, [10] * 6 + [4])])
def test_ten_are_started_at_once(count: int, counts: list[int]) -> None:
    calls = planned(count).start()
    assert [call.arguments["count"] for call in calls] == counts
    assert len({call.arguments["clientToken"] for call in calls}) == len(calls)
    assert {call.arguments["startedBy"] for call in calls} == {"auroral/abc-agents"}


def agent(number: int, status: str = "RUNNING", started_by: str = "auroral/abc-agents") -> TaskSeen:
    return examples.task("generator", number, status=status, started_by=started_by)


def test_they_are_known_by_who_started_them() -> None:
    agents = Agents(planned(3))
    agents.see(examples.cluster(tasks=(agent(1), agent(2, "PENDING"), agent(9, started_by="somebody"))))
    assert (agents.known, agents.running, agents.ended) == (2, 1, None)
    agents.see(examples.cluster(tasks=(agent(1),), stopped=(agent(2, "STOPPED"),)))
    assert agents.ended == agent(2, "STOPPED")
    assert agents.left == [agent(1)]
    (call,) = agents.stop("dev")
    assert (call.operation, call.arguments["task"], call.arguments["cluster"]) == ("stop_task", agent(1).arn, "dev")


def test_without_a_plan_there_are_none() -> None:
    agents = Agents(None)
    agents.see(examples.cluster(tasks=(agent(1),)))
    assert (agents.known, agents.left, agents.stop("dev")) == (0, [], ())
