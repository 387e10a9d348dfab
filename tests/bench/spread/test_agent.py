"""What an agent refuses, before any generator of it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

import auroral
from auroral.bench.result import Environment
from auroral.bench.settings import BenchSettings, ControlSettings
from auroral.bench.spread import plan
from auroral.bench.spread.agent import Agent, run_generator
from auroral.bench.spread.plan import ClaimOrder
from auroral.bench.stopping import StopSignal
from auroral.errors import TargetError, UsageError
from auroral.temporal.connect import Resolved
from auroral.temporal.spec import ConnectionSpec, TargetSettings
from tests.bench.spread.scenes import order


class Lines:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.lines.append(f"{name}: {detail}")

    def detail(self, line: str) -> None:
        self.lines.append(line)

    def warning(self, text: str) -> None:
        self.lines.append(f"warning: {text}")


def agent(tmp_path: Path, observer: Lines, *, namespace: str = "benchmark", origin: str = "default") -> Agent:
    spec = ConnectionSpec(address="127.0.0.1:9", namespace=namespace, connect_timeout_s=0.5)
    return Agent(
        BenchSettings(target=TargetSettings(address="127.0.0.1:9", connect_timeout_s=0.5)),
        Resolved(spec, {"namespace": origin}),
        None,  # type: ignore[arg-type]  # nothing that is refused gets as far as the control cluster
        Environment(address="127.0.0.1:9"),
        where="1@host",
        logs=tmp_path,
        observer=observer,  # type: ignore[arg-type]
    )


async def refused(one: Agent, plain: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(one.claim, plain, 0)
    assert caught.value.non_retryable
    return caught.value


def good(**changes: object) -> ClaimOrder:
    return order(**{"auroral_version": auroral.__version__, "target_address": "127.0.0.1:9", **changes})


async def test_a_run_that_does_not_match_is_refused_in_words(tmp_path: Path) -> None:
    observer = Lines()
    one = agent(tmp_path, observer)
    failure = await refused(one, plan.plain(good(engine="lean", target_address="other:1")))
    assert failure.type == plan.REFUSED
    assert failure.message == (
        "the agent 1@host: it runs the engines sdk and wire, not lean; "
        "it loads the cluster at 127.0.0.1:9, and the run the one at other:1"
    )
    assert observer.lines == [f"warning: a run was refused: {failure.message.partition(': ')[2]}"]


async def test_the_namespace_is_the_runs_unless_the_agent_was_told_another(tmp_path: Path) -> None:
    told = agent(tmp_path, Lines(), namespace="benchmark-2", origin="--namespace")
    failure = await refused(told, plan.plain(good()))
    assert "in the namespace benchmark, but --namespace names benchmark-2" in failure.message
    assert failure.details[0], "what to do"
    failure = await refused(agent(tmp_path, Lines()), plan.plain(good(namespace="orders")))
    assert "orders" in failure.message


async def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    failure = await refused(agent(tmp_path, Lines()), {"manifest": 7})
    assert (failure.type, "it cannot read what it is to do" in failure.message) == (plan.REFUSED, True)


async def test_a_generator_that_cannot_reach_the_cluster_is_told_as_such(tmp_path: Path) -> None:
    one = agent(tmp_path, Lines())
    failure = await refused(one, plan.plain(good()))
    assert failure.type == plan.UNABLE
    assert "it cannot generate" in failure.message
    assert "127.0.0.1:9" in failure.message
    again = await refused(one, plan.plain(good(engine="lean")))
    assert again.type == plan.REFUSED, "it is free for another run"


async def test_an_agent_must_know_what_to_load(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected the address of the cluster to load"):
        await run_generator(BenchSettings(), environ={}, observer=Lines(), stop=StopSignal())  # type: ignore[arg-type]


async def test_a_control_cluster_that_is_not_there_is_told() -> None:
    settings = BenchSettings(
        target=TargetSettings(address="127.0.0.1:9", connect_timeout_s=0.5),
        control=ControlSettings(address="127.0.0.1:9"),
        metrics_port=0,
    )
    with pytest.raises(TargetError, match=r"cannot connect to 127\.0\.0\.1:9"):
        await run_generator(settings, environ={}, observer=Lines(), stop=StopSignal())  # type: ignore[arg-type]
