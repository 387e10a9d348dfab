"""What the operator's guide shows: command lines on the double of ECS, and what they print there."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auroral import marked
from auroral.cli import cluster_status
from auroral.cli.main import run
from auroral.cli.process import Process
from auroral.ecs.health import status
from auroral.ecs.health.snapshot import Snapshot
from auroral.ecs.one_shot import run as run_task
from auroral.ecs.operation import Operation, set_mark
from auroral.ecs.rollout import conduct
from tests.support.fake_ecs import Behaviour, Outcome, door, outputs
from tests.support.observed import deployed, members
from tests.support.recoveries import Recoveries
from tests.support.rollouts import CONTRACT, Site, VirtualClock

PLANNED = {"frontend": 2, "history": 4, "matching": 3, "worker": 2, "ui": 1, "grafana": 1, "collector": 1}
SCHEMA = {"installed_version": "1.19", "expected_version": "1.19", "missing_access": [], "ok": True}
HERE = " --outputs outputs.json"


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        """As a terminal says."""
        return True


class Desk:
    """An operator's terminal at a deployment of the double, in virtual time."""

    def __init__(self, site: Site, patch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.shown: list[str] = []
        self._patch = patch
        self.write()

    def write(self) -> None:
        """`auroral infra output > outputs.json` after an apply."""
        contract = self.site.aws.contract(json.loads(CONTRACT.read_text()))
        for key, one in contract["services"].items():
            one["planned_count"] = self.site.fleet.services[key].planned
        Path("outputs.json").write_text(outputs(contract))

    def type(self, line: str, *, answer: str | None = None) -> None:
        """Run a command line; stdout and stderr as a terminal shows them."""
        words, stream = shlex.split(line), io.StringIO()
        self._patch.setattr(sys, "stdin", io.StringIO() if answer is None else Terminal(f"{answer}\n"))
        environ = {"HOME": str(Path.cwd()), "AWS_REGION": "us-east-1"}
        run(Process(words[1:], environ, stream, stream, width=100))
        self.shown.append(f"$ {line}\n{stream.getvalue()}".rstrip("\n"))

    @property
    def transcript(self) -> str:
        """All that was typed and shown."""
        return "\n".join(self.shown)


@contextlib.contextmanager
def desk(directory: Path, *, running: bool = True) -> Iterator[Desk]:
    """A deployment whose stores are well, as `outputs.json` in `directory` names it."""
    site = Site()
    site.aws = deployed(settled=running)
    site.clock = site.aws.clock
    site.aws.add("sts", "get_caller_identity", lambda: {"Account": "1", "Arn": "arn:x/jane.doe", "UserId": "A"})
    site.aws.program("dev-schema", _answers(0, *json.dumps(SCHEMA, indent=1).splitlines()))
    site.aws.program("dev-visibility-setup", _answers(0))
    with _at(site, directory) as patch:
        yield Desk(site, patch)


@contextlib.contextmanager
def _at(site: Site, directory: Path) -> Iterator[pytest.MonkeyPatch]:
    """The double behind every command, in its own time."""
    clock, look = site.clock, status.gather

    def gather(account: Any, fleet: Any, **more: Any) -> Snapshot:
        more["members"] = lambda: members(site.aws)
        return look(account, fleet, now=clock.utc, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setattr(door, "check_answer", lambda *_: None)
        patch.setattr("auroral.aws_account.AwsAccount", lambda **_: site.aws)
        patch.setattr(conduct, "Clock", lambda: VirtualClock(clock))
        patch.setattr(run_task, "run_in", functools.partial(run_task.run_in, sleep=clock.sleep, now_s=clock.now_s))
        patch.setattr(status, "gather", gather)
        patch.setattr(cluster_status, "_ask", lambda _: None)
        yield patch


def _answers(code: int, *lines: str) -> Callable[[Any], Outcome]:
    """A program that marks its lines as tasks are told to."""
    told = [*(part for line in lines for part in marked.marked(marked.OUT, line)), marked.end(code)]
    return lambda _: Outcome(lines=[(1.0, line) for line in told], exit_code=code)


def _healthy(directory: Path) -> str:
    with desk(directory) as at:
        at.site.clock.advance(3_600)
        at.type(f"auroral cluster status{HERE}")
        return at.transcript


def _up(directory: Path) -> str:
    with desk(directory, running=False) as at:
        at.type(f"auroral cluster up{HERE}")
        return at.transcript


def _schema_is_old(directory: Path) -> str:
    older = json.dumps({**SCHEMA, "installed_version": "1.18", "ok": False}, indent=1).splitlines()
    with desk(directory, running=False) as at:
        at.site.aws.program("dev-schema", _answers(1, *older))
        at.type(f"auroral cluster up{HERE}")
        return at.transcript


def _over_budget(directory: Path) -> str:
    with desk(directory) as at:
        at.type(f"auroral cluster scale history=6{HERE}")
        return at.transcript


def _larger_shares(directory: Path) -> str:
    with desk(directory) as at:
        for key in ("frontend", "history", "matching", "worker"):
            share = at.site.fleet.services[key].dsql
            assert share is not None
            at.site.aws.register(key, dsql=msgspec.structs.replace(share, rate_per_s=16.2))
        at.write()
        at.type(f"auroral cluster roll{HERE}")
        return at.transcript


def _no_room(directory: Path) -> str:
    with desk(directory) as at:
        at.type(f"auroral cluster scale benchmark-worker=16{HERE}")
        return at.transcript


def _scale(directory: Path) -> str:
    with desk(directory) as at:
        at.type(f"auroral cluster scale frontend=3 history=3 --dry-run{HERE}")
        at.type(f"auroral cluster scale frontend=3 history=3 --yes{HERE}")
        return at.transcript


def _roll(directory: Path) -> str:
    with desk(directory) as at:
        at.site.aws.register("frontend")
        at.type(f"auroral cluster roll{HERE}")
        at.write()
        at.type(f"auroral cluster roll{HERE}")
        return at.transcript


def _rolled_back(directory: Path) -> str:
    with desk(directory) as at:
        made = at.site.aws.register("history")
        at.site.aws.behaviour("history", Behaviour(crash_after_s=2, exit_code=2), made.revision)
        at.write()
        at.type(f"auroral cluster roll{HERE}")
        at.site.clock.advance(300)
        at.type(f"auroral cluster status{HERE}")
        return at.transcript


def _interrupted(directory: Path) -> str:
    with desk(directory, running=False) as at:
        at.site.clock.interrupt_at(70)
        at.type(f"auroral cluster up --skip-preflight{HERE}")
        at.type(f"auroral cluster status{HERE}")
        at.type(f"auroral cluster up --skip-preflight{HERE}")
        return at.transcript


def _expired(directory: Path) -> str:
    with desk(directory, running=False) as at:
        at.site.aws.faults.expire(from_s=45)
        at.type(f"auroral cluster up --skip-preflight{HERE}")
        at.site.aws.faults.clear()
        at.site.clock.advance(60)
        at.type(f"auroral cluster status{HERE}")
        at.type(f"auroral cluster up --skip-preflight --take-over{HERE}")
        return at.transcript


def _two_at_once(directory: Path) -> str:
    with desk(directory) as at:
        began = at.site.clock.utc() - timedelta(minutes=3)
        mark = Operation(name="roll", state="begun", at=began, facts={"by": "john.roe"})
        at.site.aws.call("ecs", "tag_resource", **set_mark(at.site.seen().arn, mark).arguments)
        at.type(f"auroral cluster scale frontend=3{HERE}")
        return at.transcript


def _night(directory: Path) -> str:
    with desk(directory) as at:
        at.type(f"auroral cluster down{HERE}")
        at.type(f"auroral cluster down --yes{HERE}")
        at.site.clock.advance(60)
        at.type(f"auroral cluster status{HERE}")
        return at.transcript


RING = '{"level":"warn","msg":"unable to bootstrap ringpop. retrying","error":"join duration of 30s exceeded"}'


def _crash_loop(directory: Path) -> str:
    with desk(directory) as at:
        at.site.aws.behaviour("history", Behaviour(crash_after_s=40, lines=((25, RING),)))
        at.site.aws.call("ecs", "update_service", cluster="dev", service="dev-history", forceNewDeployment=True)
        at.site.aws.service("history").rollback = False
        at.site.clock.advance(600)
        at.type(f"auroral cluster status{HERE}")
        return at.transcript


def _recover(directory: Path) -> str:
    made = Recoveries()
    with _at(made.site, directory) as patch:
        patch.setattr("auroral.ecs.recovery.rows.RingHere", lambda _: made.table)
        made.loop()
        at = Desk(made.site, patch)
        at.type(f"auroral cluster recover --where here --yes{HERE}")
        return at.transcript


SCENES: dict[str, Callable[[Path], str]] = {
    "healthy": _healthy,
    "up": _up,
    "schema is old": _schema_is_old,
    "over budget": _over_budget,
    "larger shares": _larger_shares,
    "no room": _no_room,
    "scale": _scale,
    "roll": _roll,
    "rolled back": _rolled_back,
    "interrupted": _interrupted,
    "expired": _expired,
    "two at once": _two_at_once,
    "night": _night,
    "crash loop": _crash_loop,
    "recover": _recover,
}
"""By the name that stands above its block in the guide: `<!-- scene: NAME -->`."""
