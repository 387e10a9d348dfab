"""`auroral cluster up`, `down`, `scale`, `roll`: their options and what each does before the waves are driven."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from auroral.cli import cluster_changes, cluster_preflight
from auroral.cli.cluster_changes import Change
from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from auroral.ecs.rollout.surroundings import Registered
    from auroral.ecs.rollout.waves import Wave
    from auroral.ecs.seen import ClusterSeen

_STALE_HINT = "write them again: auroral infra output > outputs.json (--stack reads them afresh)"


@click.pass_obj
def _up(process: Process, /, *, count: tuple[str, ...], skip_preflight: bool, **options: Any) -> ExitCode:
    from auroral.ecs.rollout import waves
    from auroral.ecs.rollout.surroundings import running, targets

    again = [part for one in count for part in ("--count", one)] + (["--skip-preflight"] if skip_preflight else [])
    made = cluster_changes.change(process, "up", again, **options)
    counts = cluster_changes.counts_of(made.fleet, count)
    seen = made.look()
    planned = waves.up(made.fleet, seen, counts)
    _refuse_unplanned(made, planned)
    found = _registered(made)
    _refuse_stale(made, found, [step.key for wave in planned for step in wave])
    calls = [call for wave in planned for step in wave if (call := waves.update(made.fleet, seen, step)) is not None]
    if calls and not skip_preflight:
        if made.dry_run:
            lines = cluster_preflight.lines(made.found)
            process.out(
                "\n".join(["# before the first wave, unless --skip-preflight:", *(f"#   {one}" for one in lines)])
            )
        else:
            cluster_preflight.check(process, made.found)
    around = targets(made.found.account, made.fleet, made.say)
    definitions = running(made.found.account, made.fleet, seen)
    return cluster_changes.carry_out(made, seen, planned, around, _health(found), definitions=definitions)


@click.pass_obj
def _down(process: Process, /, **options: Any) -> ExitCode:
    from auroral.ecs.rollout import waves

    made = cluster_changes.change(process, "down", (), **options)
    seen = made.look()
    return cluster_changes.carry_out(made, seen, waves.down(made.fleet, seen), {}, {})


@click.pass_obj
def _scale(process: Process, /, *, counts: tuple[str, ...], force: bool, **options: Any) -> ExitCode:
    from auroral.ecs.rollout import waves
    from auroral.ecs.rollout.surroundings import running, targets

    made = cluster_changes.change(process, "scale", [*counts, *(["--force"] if force else [])], **options)
    asked = cluster_changes.counts_of(made.fleet, counts)
    seen = made.look(instances=True)
    _refuse_missing(made, seen, asked)
    planned = waves.scale(made.fleet, seen, asked)
    around = targets(made.found.account, made.fleet, made.say)
    definitions = running(made.found.account, made.fleet, seen)
    cluster_changes.refuse_overrun(made, seen, planned, around, definitions)  # before the room: it cannot be forced
    _room(made, seen, asked, force=force)
    return cluster_changes.carry_out(made, seen, planned, around, _health(_registered(made)), definitions=definitions)


@click.pass_obj
def _roll(process: Process, /, *, services: tuple[str, ...], force: bool, **options: Any) -> ExitCode:
    from auroral.ecs.rollout import loads, waves
    from auroral.ecs.rollout.surroundings import running, targets

    made = cluster_changes.change(process, "roll", [*services, *(["--force"] if force else [])], **options)
    for key in services:
        cluster_changes.known_service(made.fleet, key)
    seen = made.look()
    chosen = services or tuple(key for key in waves.ALL if key in made.fleet.services)
    found = _registered(made)
    _refuse_stale(made, found, chosen)
    planned = waves.roll(made.fleet, seen, services, force=force)
    if not planned and not seen.mark:
        process.out("roll: nothing to deploy: every service runs the task definition that is registered")
        return ExitCode.OK
    around = targets(made.found.account, made.fleet, made.say)
    definitions = running(made.found.account, made.fleet, seen)
    planned = loads.in_order(made.fleet, seen, planned, around, definitions)
    return cluster_changes.carry_out(made, seen, planned, around, _health(found), definitions=definitions)


def _registered(made: Change) -> dict[str, Registered]:
    from auroral.ecs.rollout.surroundings import registered

    return registered(made.found.account, made.fleet, made.fleet.services)


def _refuse_stale(made: Change, found: dict[str, Registered], keys: Sequence[str]) -> None:
    """Raise `UsageError` where the outputs name other revisions than the last apply registered."""
    from auroral.ecs.rollout.steady import revision

    differing = [
        f"  {key}: {revision(named)}, and ECS's newest is {revision(found[key].arn) if key in found else 'none'}"
        for key in keys
        for named in (made.fleet.services[key].task_definition,)
        if key not in found or found[key].arn != named
    ]
    if differing:
        raise UsageError(
            "\n".join([f"{made.fleet.source} does not name what the last apply registered:", *differing]),
            hint=_STALE_HINT,
        )


def _health(found: dict[str, Registered]) -> dict[str, bool]:
    return {key: one.health_checked for key, one in found.items()}


def _refuse_unplanned(made: Change, planned: Sequence[Wave]) -> None:
    """Names alone say nothing of a plan: a service that is at 0 has no count to go to."""
    unknown = [step.key for wave in planned for step in wave if step.count == 0]
    if made.fleet.contract is None and unknown:
        counts = " ".join(f"--count {key}=N" for key in unknown)
        raise UsageError(
            f"names alone do not say how many tasks {', '.join(unknown)} should have",
            hint=f"give --outputs or --stack, or {counts}",
        )


def _refuse_missing(made: Change, seen: ClusterSeen, asked: dict[str, int]) -> None:
    from auroral.ecs.drive import HaltedError
    from auroral.ecs.rollout import words as rollout_words

    gone = [made.fleet.services[key].name for key in asked if seen.services[key].status != "ACTIVE"]
    if gone:
        raise HaltedError(rollout_words.missing(made.fleet, gone))


def _room(made: Change, seen: ClusterSeen, asked: dict[str, int], *, force: bool) -> None:
    """Say whether the tasks find room; refuse where they do not."""
    from auroral.ecs.drive import HaltedError
    from auroral.ecs.machine import Halted
    from auroral.ecs.rollout.room import rooms
    from auroral.ecs.rollout.surroundings import groups

    found = rooms(made.fleet, seen, groups(made.found.account, made.fleet, made.say), asked)
    for one in found:
        for line in one.told():
            made.say(line)
    short = [text for one in found for text in one.unplaced]
    if not short:
        return
    if force:
        made.say("\n".join([*short, "going on by --force: the tasks wait for room"]))
        return
    raise HaltedError(
        Halted(
            reason="\n".join(["no instance has room:", *(f"  {text}" for text in short)]),
            hint="shrink another service first (what it gives back is not counted before it is free), or raise the "
            "pool's maximum in the profile and apply it; --force lets the tasks wait for room",
            exit_code=ExitCode.FAILED,
        )
    )


up_command = cluster_changes.command(
    "up",
    _up,
    short_help="Start the services, in order.",
    help="Start Temporal's services one after the other (frontend, history, matching, worker), then UI, Grafana and "
    "collector, each awaited until it is steady, its tasks have told their addresses and their pools are warm. A "
    "service gets its planned count, or keeps more; what is as wanted is passed over, so that it goes on where another "
    "`up` stopped.",
    params=[
        click.Option(
            ["--count"],
            metavar="SERVICE=N",
            multiple=True,
            help="Tasks of a service instead of the plan's; repeatable.",
        ),
        click.Option(["--skip-preflight"], is_flag=True, help="Do not look for schema, roles and visibility first."),
    ],
)
down_command = cluster_changes.command(
    "down",
    _down,
    short_help="Stop the services, in reverse.",
    help="Stop every service, the benchmark's workers first and the frontend last, each awaited until no task of it is "
    "left.",
    params=[],
)
scale_command = cluster_changes.command(
    "scale",
    _scale,
    short_help="Set how many tasks services have.",
    help="Set the counts of services, if DSQL's limits hold with them and the instances have room. What shrinks goes "
    "first; each service is awaited until it is steady.",
    params=[
        click.Argument(["counts"], nargs=-1, required=True, metavar="SERVICE=N..."),
        click.Option(
            ["--force"], is_flag=True, help="Go on without room on instances. DSQL's limits hold in any case."
        ),
    ],
)
roll_command = cluster_changes.command(
    "roll",
    _roll,
    short_help="Deploy what the last apply registered.",
    help="Deploy the task definitions that the last apply registered to the services that run others, one service at a "
    "time inside DSQL's limits, and stop where a deployment fails or is rolled back. A service without tasks gets its "
    "task definition only.",
    params=[
        click.Argument(["services"], nargs=-1, metavar="[SERVICE]..."),
        click.Option(["--force"], is_flag=True, help="A new deployment even of the same task definition."),
    ],
)
