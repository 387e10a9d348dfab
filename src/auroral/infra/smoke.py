"""The smoke test in a real account, as a list: what is done, how it is undone, what it proves. Pure.

A step that has begun may have made something, whether or not it ended well: teardown undoes every step that has begun,
the last one first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from auroral.errors import UsageError

PLANNED_H = 3.0
"""From the first step to the end of the teardown: an OpenSearch domain alone takes up to half an hour to make, and as
long to go."""
TEARDOWN_H = 1.0
"""Kept of that for the teardown: when the rest is used up, the step that runs is ended."""
LOAD_H = 0.5
"""Under load: ten minutes of benchmark, and what `cluster verify` does."""
UNDO_TRIES = 3
UNDO_PAUSE_S = 120.0
"""Between two tries of an undo: network interfaces of what is gone stay for minutes, and keep groups from going."""

PROFILE = "dev"
STACKS = ("bootstrap", "platform")

EventKind = Literal["begun", "done", "failed", "undone", "not-undone"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one smoke test works on. Kept in its journal, so that another process can tear it down."""

    project: str
    region: str
    account_id: str
    directory: str
    """Absolute. Journal, logs, outputs and results stay there."""
    service_linked_roles: tuple[str, ...] = ()
    """Those that the account lacks: bootstrap makes, and ends, no others."""
    rate_per_s: float = 40.0
    duration: str = "10m"
    partition: str = "aws"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step. Commands are auroral's own, without `auroral`."""

    name: str
    command: tuple[str, ...]
    proves: str
    undo: tuple[tuple[str, ...], ...] = ()
    undo_after: tuple[str, ...] = ()
    """Steps that must be undone before this one is: what holds their state."""
    output: str | None = None
    """File of the directory that takes stdout."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    step: str
    kind: EventKind
    at: str
    """ISO 8601, UTC."""
    detail: str = ""


def steps(settings: Settings) -> list[Step]:
    """The steps in order. Raises `UsageError` for a project that the stacks would refuse."""
    if not re.fullmatch("[a-z](?:[a-z0-9-]{0,15}[a-z0-9])", settings.project):
        raise UsageError(
            f"expected a project of 2 to 17 lower-case letters, digits and inner hyphens, got {settings.project}",
            hint="leave --project out, and one is made up",
        )
    outputs = ("--outputs", f"{settings.directory}/outputs.json")
    return [
        *_foundation(settings),
        Step(
            name="platform",
            command=(*_infra(settings, "apply", "platform"), "--yes"),
            proves="what an emulator takes, AWS takes too, with OpenSearch's domain and trunked interfaces",
            undo=(
                _sweep(settings, "instances", "results"),
                (*_infra(settings, "destroy", "platform"), "--yes"),
            ),
        ),
        Step(
            name="outputs",
            command=_infra(settings, "output", "platform"),
            proves="the contract of a real deployment is what the commands read",
            output="outputs.json",
        ),
        Step(
            name="schema",
            command=("schema", "setup", *outputs, "--where", "cluster"),
            proves="a task reaches DSQL by PrivateLink, enters with DbConnectAdmin, and DSQL takes every statement",
        ),
        Step(
            name="roles",
            command=("schema", "roles", *outputs, "--where", "cluster"),
            proves="AWS IAM GRANT maps the task roles",
        ),
        Step(
            name="visibility",
            command=("visibility", "apply", *outputs, "--where", "cluster"),
            proves="the domain admits the task's signature, its security plugin takes role and mapping",
        ),
        Step(
            name="up",
            command=("cluster", "up", *outputs, "--yes"),
            proves="tasks start, find each other, warm their pools inside the start period, and become steady",
            undo=(("cluster", "down", *outputs, "--yes"),),
        ),
        Step(
            name="benchmark",
            command=_benchmark(settings, outputs),
            proves="the dev profile carries its load; capacity comes from zero and goes back to it",
        ),
        Step(
            name="verify",
            command=("cluster", "verify", *outputs),
            proves="ECS Exec and port forwarding answer, metrics arrive in AMP, visibility answers",
        ),
    ]


def _foundation(settings: Settings) -> list[Step]:
    """What the platform needs to be there: state, repositories, images, the secret."""
    directory = settings.directory
    deployment = ("--project", settings.project, "--region", settings.region)
    return [
        Step(
            name="doctor",
            command=("doctor", "--region", settings.region),
            proves="quotas, plugins and credentials are what a deployment needs",
        ),
        Step(
            name="bootstrap",
            command=(*_infra(settings, "apply", "bootstrap"), "--yes"),
            proves="state bucket, repositories and account settings can be made; native locking works",
            undo=(
                _sweep(settings, "images", "state"),
                (*_infra(settings, "destroy", "bootstrap"), "--yes"),
                _sweep(settings, "left"),
            ),
            undo_after=("platform",),
        ),
        Step(
            name="images",
            command=("images", "push", *deployment, "--tfvars", f"{directory}/platform/images.tfvars"),
            proves="images for arm64 are built, pushed and mirrored by digest",
        ),
        Step(
            name="secret",
            command=("secrets", "grafana", *deployment, "--tfvars", f"{directory}/platform/secret.tfvars"),
            proves="Grafana's secret is made without its value in any state",
            undo=(_sweep(settings, "secret"),),
        ),
    ]


def _benchmark(settings: Settings, outputs: tuple[str, ...]) -> tuple[str, ...]:
    rate = ("--target-rate", f"{settings.rate_per_s:g}", "--duration", settings.duration, "--ramp-up", "30s")
    where = ("--output", f"{settings.directory}/benchmark")
    return ("bench", "remote", "run", *outputs, "--workload", "state-transitions", *rate, *where)


def _infra(settings: Settings, verb: str, stack: str) -> tuple[str, ...]:
    profile = ("--profile", PROFILE) if stack == "platform" else ()
    return ("infra", verb, "--stack", stack, "--directory", f"{settings.directory}/{stack}", *profile)


def _sweep(settings: Settings, *what: str) -> tuple[str, ...]:
    chosen = tuple(part for one in what for part in ("--what", one))
    return ("infra", "sweep", "--project", settings.project, "--region", settings.region, *chosen, "--yes")


def variables(settings: Settings, stack: str) -> dict[str, object]:
    """What a stack is given beside the profile, the images and the secret.

    Nothing that would keep it from going: no deletion protection, no recovery points.
    """
    common: dict[str, object] = {
        "project": settings.project,
        "region": settings.region,
        "account_id": settings.account_id,
        "partition": settings.partition,
        "tags": {"Purpose": "smoke-test"},
    }
    if stack == "bootstrap":
        return {**common, "service_linked_roles": list(settings.service_linked_roles)}
    return {**common, "dsql_cluster": {"deletion_protection": False, "backup": {"enabled": False}}}


def backend(settings: Settings) -> str:
    """The platform's state in the bucket of bootstrap, as `backend.hcl`.

    `encrypt` without a key's ARN would ask for S3's own key; switched off, the bucket's default holds: its KMS key.
    """
    bucket = f"{settings.project}-terraform-{settings.account_id}-{settings.region}"
    lines = {"bucket": f'"{bucket}"', "key": f'"{PROFILE}/terraform.tfstate"', "region": f'"{settings.region}"'}
    return "".join(
        f"{name} = {value}\n" for name, value in {**lines, "encrypt": "false", "use_lockfile": "true"}.items()
    )


def files(settings: Settings) -> dict[str, str]:
    """What is written before the first step, by its path in the directory: see `auroral infra --directory`."""
    texts = {stack: json.dumps(variables(settings, stack), indent=2) + "\n" for stack in STACKS}
    return {
        **{f"{stack}/smoke.tfvars.json": text for stack, text in texts.items()},
        "platform/backend.hcl": backend(settings),
    }


def commands(listed: Iterable[Step]) -> list[tuple[str, ...]]:
    """Every command that the steps may run."""
    return [one for step in listed for one in (step.command, *step.undo)]


def to_undo(listed: Sequence[Step], events: Iterable[Event]) -> list[Step]:
    """The steps that have begun, can be undone and are not, the last one first."""
    begun: set[str] = set()
    for event in events:
        if event.kind == "begun":
            begun.add(event.step)
        elif event.kind == "undone":
            begun.discard(event.step)
    return [step for step in reversed(listed) if step.undo and step.name in begun]


def held_by(step: Step, pending: Iterable[str]) -> list[str]:
    """The steps that must be undone before this one and are not."""
    still = set(pending)
    return [name for name in step.undo_after if name in still]
