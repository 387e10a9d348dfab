"""What a rollout says."""

from __future__ import annotations

import msgspec
import pytest

from auroral.ecs.fleet import Fleet
from auroral.ecs.rollout.steady import Standing, State
from auroral.ecs.rollout.waves import Step
from auroral.ecs.rollout.words import Words, missing, over_budget, progress, steady, summary
from auroral.ecs.seen import ClusterSeen, StartLines
from auroral.errors import ExitCode
from tests.support.rollouts import example_fleet
from tests.support.seen_examples import cluster, deployment, service, task

WORDS = Words(again="auroral cluster up --outputs o.json", flags=" --outputs o.json")
TASKS = [task("history", 1), task("history", 2)]


@pytest.fixture
def fleet() -> Fleet:
    return example_fleet()


def stands(**changed: object) -> Standing:
    facts = {"key": "history", "state": State.MOVING, "reason": "moving", "running": 1, "desired": 2, "healthy": 1}
    return msgspec.convert({**facts, **changed}, Standing)


def seen(**changed: object) -> ClusterSeen:
    return msgspec.structs.replace(cluster(service("history", 2), tasks=TASKS), **changed)


def test_progress() -> None:
    assert progress(stands(), seen(), (), lines=True) == "history: 1 of 2 running, 1 healthy"
    warm = seen(started={"history001": StartLines(address="10.0.0.1", created=50)})
    assert progress(stands(), warm, TASKS, lines=True) == "history: 1 of 2 running, 1 healthy, 1 pool warm"
    assert progress(stands(), warm, TASKS, lines=False) == "history: 1 of 2 running, 1 healthy"
    assert progress(stands(), seen(unread="denied"), TASKS, lines=True) == "history: 1 of 2 running, 1 healthy"


def test_progress_to_0() -> None:
    assert progress(stands(desired=0), seen(), (), lines=True) == "history: 1 still running"
    left = stands(desired=0, running=0, reason="1 of its tasks is still there")
    assert progress(left, seen(), (), lines=True) == "history: 1 of its tasks is still there"


def test_progress_of_a_deployment() -> None:
    old, new = deployment("history", "d1", status="ACTIVE", running=1), deployment("history", "d2", running=1)
    rolling = cluster(service("history", 2, new, old))
    assert progress(stands(), rolling, (), lines=True) == (
        "history: 1 of 2 running, 1 healthy, 1 of the new deployment"
    )


def test_the_end_of_a_wave() -> None:
    wave = (Step(key="history"),)
    started = {
        "history001": StartLines(address="10.0.0.1", created=50),
        "history002": StartLines(address="10.0.0.2", created=48, failed=2),
    }
    assert steady(wave, seen(started=started), TASKS, lines=True) == (
        "history: steady with 2, 2 pools warm (98 connections, 2 attempts failed)"
    )
    assert steady(wave, seen(), TASKS, lines=True).endswith("(LOG_LEVEL above info?): by ECS's word alone")
    assert steady(wave, seen(unread="denied"), TASKS, lines=True) == "history: steady with 2"
    assert steady(wave, cluster(service("history", 0)), (), lines=True) == "history: stopped"


def test_the_end_of_it_all() -> None:
    assert summary([], ["ui"]) == "nothing to do: all is as wanted"
    assert summary(["history"], []) == "done: history"
    assert summary(["history"], ["ui"]) == "done: history; as wanted before: ui"


def test_halts_name_log_and_command() -> None:
    assert WORDS.halted("why").hint == "once that is mended, go on: auroral cluster up --outputs o.json"
    failing = WORDS.failing(stands(reason="it crashes", stops=("exit code 1", "exit code 2")))
    assert failing.reason == "history: it crashes\n  a task stopped: exit code 1\n  a task stopped: exit code 2"
    assert failing.hint.startswith("its log: auroral cluster logs history --outputs o.json; ")
    assert failing.exit_code == ExitCode.UNREACHABLE


def test_no_room_without_a_known_pool(fleet: Fleet) -> None:
    nowhere = msgspec.structs.replace(fleet, pools={})
    assert WORDS.no_room(nowhere, stands(reason="none"), 90).reason == "history finds no room for 90 s: none"


def test_refusals(fleet: Fleet) -> None:
    assert missing(fleet, ["dev-ui"]).reason == "ECS has no active service dev-ui in the cluster dev"
    refused = over_budget((), ["history", "ui"])
    assert refused.exit_code == ExitCode.FAILED
    assert refused.reason.startswith("history, ui: DSQL's limits would be overrun:")
