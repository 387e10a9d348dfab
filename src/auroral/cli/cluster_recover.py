"""`auroral cluster recover`: what it saw, what it will do, the question; `auroral.ecs.recovery.conduct` does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from auroral.cli import cluster_changes
from auroral.cli.cluster_changes import Change
from auroral.cli.confirm import confirm
from auroral.cli.process import Process
from auroral.ecs.fleet import TEMPORAL
from auroral.errors import AuroralError, ExitCode, UsageError

if TYPE_CHECKING:
    from auroral.dsql.target import DsqlTarget
    from auroral.ecs.health.crash_loop import Evidence
    from auroral.ecs.recovery.plan import Plan
    from auroral.ecs.recovery.ring import Rows
    from auroral.ecs.recovery.rows import Ring
    from auroral.ecs.rollout.connects import ScalableTarget
    from auroral.ecs.rollout.loads import Definitions
    from auroral.ecs.seen import ClusterSeen

EPILOG = (
    "Exit codes: 0 recovered; 1 refused: DSQL's limits would be overrun, or hosts elsewhere are in the ring, or the "
    "ring is not whole in the end; 2 wrong usage, nothing says that it is needed, another operation is under way, or "
    "not confirmed; 3 a service fails, AWS or the database cannot be reached; 4 interrupted."
)


@click.pass_obj
def _recover(
    process: Process,
    /,
    *,
    anyway: bool,
    beside: bool,
    from_start: bool,
    count: tuple[str, ...],
    where: str | None,
    **options: Any,
) -> ExitCode:
    from auroral.ecs.recovery import conduct as recover
    from auroral.ecs.rollout import conduct
    from auroral.ecs.rollout.surroundings import registered, running, targets

    again = [*(part for one in count for part in ("--count", one))]
    again += [flag for flag, given in (("--anyway", anyway), ("--beside", beside)) if given]
    again += ["--where", where] if where else []
    made = cluster_changes.change(process, "recover", again, **options)
    given = _counts(made, count)
    seen = made.look()
    plan = _plan(made, seen, given, from_start=from_start)
    ring = _ring(made, where)
    rows = None if made.dry_run and _starts_tasks(ring) else ring.read()
    found = _evidence(made, seen, rows)
    _tell(made, plan, found)
    if not (plan.resumed or anyway or found.of_ring):
        _without_evidence(made, found)
    around = targets(made.found.account, made.fleet, made.say)
    definitions = running(made.found.account, made.fleet, seen)
    _refuse(made, seen, plan, around, definitions)
    if made.dry_run:
        process.out("\n".join(_preview(made, seen, plan, ring, rows)))
        return ExitCode.OK
    _ask(made, seen, plan, rows)
    health = registered(made.found.account, made.fleet, [key for key in TEMPORAL if key in made.fleet.services])
    conductor = conduct.Conductor(
        account=made.found.account,
        fleet=made.fleet,
        words=made.words,
        say=made.say,
        limits=made.limits,
        targets=around,
        definitions=definitions,
        health={key: one.health_checked for key, one in health.items()},
        clock=conduct.Clock(),
    )
    finished = recover.recover(conductor, plan, ring, beside=beside)
    process.out(f"recover: {finished.say}")
    return ExitCode.OK


def _counts(made: Change, words: tuple[str, ...]) -> dict[str, int]:
    given = cluster_changes.counts_of(made.fleet, words)
    for key, number in given.items():
        if key not in TEMPORAL:
            raise UsageError(
                f"--count {key}: recover starts {', '.join(TEMPORAL)} only",
                hint=f"auroral cluster scale {key}={number}{made.words.flags}",
            )
        if number == 0:
            raise UsageError(f"--count {key}=0: expected at least one task", hint="a ring lacks no service")
    return given


def _plan(made: Change, seen: ClusterSeen, given: dict[str, int], *, from_start: bool) -> Plan:
    """Go on where another recovery ended, or begin. Raises `UsageError` where counts are not known."""
    from auroral.ecs.operation import parse
    from auroral.ecs.recovery import plan as recovery_plan
    from auroral.ecs.underway import begun

    left = parse(seen.mark)
    by = begun(made.found.account, recovery_plan.NAME, seen.at).facts.get("by", "")
    if left is not None and left.name == recovery_plan.NAME and not from_start:
        plan = recovery_plan.go_on(made.fleet, seen, given, left, by)
    else:
        plan = recovery_plan.begin(made.fleet, seen, given, left=left, by=by)
    unknown = recovery_plan.unknown(plan)
    if unknown:
        raise UsageError(
            f"nobody knows how many tasks {', '.join(unknown)} had: every one is at 0, and no plan is known",
            hint=f"give --outputs or --stack, or {' '.join(f'--count {key}=N' for key in unknown)}",
        )
    return plan


def _ring(made: Change, where: str | None) -> Ring:
    """The way to the rows. Raises `UsageError`, `ConfigurationError`."""
    from auroral.ecs.one_shot.where import Where, after_looking, without_looking
    from auroral.ecs.recovery.rows import TASK, RingHere, RingInCluster
    from auroral.ecs.rollout.conduct import Clock

    possible = made.fleet.contract is not None
    asked = Where(where) if where else None
    if asked is Where.CLUSTER and not possible:
        raise UsageError(
            "--where cluster runs a task that only a deployment's outputs name",
            hint="give --outputs or --stack instead of --cluster",
        )
    choice = without_looking(asked, possible=possible, named_by="")
    if choice is None:
        choice = after_looking(_look(_target(made)), task=TASK)
    if choice.why:
        made.say(f"membership: {choice.why}")
    if choice.where is Where.HERE:
        return RingHere(_target(made))
    clock = Clock()
    return RingInCluster(made.found.account, made.fleet, made.say, sleep=clock.sleep, now_s=clock.now_s)


def _starts_tasks(ring: Ring) -> bool:
    """Whether even reading starts a task."""
    from auroral.ecs.recovery.rows import RingInCluster

    return isinstance(ring, RingInCluster)


def _target(made: Change) -> DsqlTarget:
    """The deployment's database, whatever cluster the environment names; its other settings are the environment's.

    Raises `ConfigurationError`, and `UsageError` where nothing names it.
    """
    from auroral.dsql.target import resolve

    deployment, environ = made.found.deployment, dict(made.process.environ)
    endpoint = "" if deployment is not None else made.fleet.named.dsql_endpoint
    if deployment is not None or endpoint:
        environ.pop("DSQL_ENDPOINT", None)
    elif not environ.get("DSQL_ENDPOINT", "").strip():
        raise UsageError(
            "no task definition names the DSQL cluster whose rows are to be deleted",
            hint="give --outputs or --stack instead of --cluster, or DSQL_ENDPOINT",
        )
    environ.setdefault("AWS_REGION", made.fleet.region)
    flags = {"profile": made.found.account.profile, "endpoint": endpoint}
    named = {name: value for name, value in flags.items() if value}
    return resolve(flags=named, environ=environ, deployment=deployment)[0]


def _look(target: DsqlTarget) -> Any:
    from auroral import aws
    from auroral.ecs.one_shot.reach import why_not
    from auroral.ecs.one_shot.where import Looked

    host = target.host_address or target.endpoint
    failure = why_not(host, target.port)
    if not failure:
        try:
            aws.credentials(target.profile, target.region)
        except UsageError as error:
            failure = error.message
    return Looked(address=f"{host}:{target.port}", failure=failure)


def _evidence(made: Change, seen: ClusterSeen, rows: Rows | None) -> Evidence:
    from auroral.ecs.health.crash_loop import evidence, suspected
    from auroral.ecs.health.snapshot import Membership
    from auroral.ecs.health.stores import ring_lines

    looping, lines = suspected(seen), None
    if looping:
        try:
            lines = ring_lines(made.found.account, made.fleet, looping, seen.at)
        except AuroralError as error:
            made.say(f"the logs are not searched: {error.message}")
    return evidence(seen, None if rows is None else Membership(rows=rows.rows), lines)


def _tell(made: Change, plan: Plan, found: Evidence) -> None:
    lines = "\n".join(f"  {line}" for line in found.lines)
    if found.loops and lines:
        made.say(f"{made.fleet.cluster} is in a crash loop:\n{lines}")
    elif lines:
        made.say(f"seen:\n{lines}")
    if plan.resumed:
        counts = ", ".join(f"{key} {count}" for key, count in plan.counts.items())
        made.say(
            f"going on with the recovery of {plan.since:%Y-%m-%d %H:%M:%S} UTC in its phase {plan.phase}: {counts}"
        )


def _without_evidence(made: Change, found: Evidence) -> None:
    """Raises `UsageError`; a dry run is told only."""
    looping = ", ".join(loop.service for loop in found.loops)
    if looping:
        words = f"tasks of {looping} stop again and again, and nothing says that their ring is why"
    else:
        words = f"nothing says that {made.fleet.cluster} is in a crash loop: no service's tasks stop again and again"
    if made.dry_run:
        made.say(f"{words}: without --dry-run, --anyway is needed")
        return
    raise UsageError(
        words,
        hint=f"`auroral cluster status{made.words.flags}` says how it is, and what mends it; --anyway stops, cleans "
        "and starts it all the same",
    )


def _refuse(
    made: Change, seen: ClusterSeen, plan: Plan, around: dict[str, ScalableTarget], definitions: Definitions
) -> None:
    """What would keep it from coming up again, before anything stops."""
    from auroral.ecs.drive import HaltedError
    from auroral.ecs.recovery import plan as recovery_plan
    from auroral.ecs.rollout import connects, loads, waves
    from auroral.ecs.rollout import words as rollout_words

    gone = waves.missing(made.fleet, seen, recovery_plan.up(plan))
    if gone:
        raise HaltedError(rollout_words.missing(made.fleet, gone))
    stopped = {**waves.present(seen), **dict.fromkeys(recovery_plan.STOPPED, 0)}
    shares = loads.present(made.fleet, seen, definitions).shares
    over = connects.overruns(made.fleet, stopped, {**stopped, **plan.counts}, around, shares=(shares, shares))
    if over:
        raise HaltedError(rollout_words.over_budget(over, list(plan.counts)))


def _preview(made: Change, seen: ClusterSeen, plan: Plan, ring: Ring, rows: Rows | None) -> Iterator[str]:
    """The calls as lines for a shell, and the SQL."""
    import msgspec

    from auroral.ecs.health.crash_loop import stale_rows
    from auroral.ecs.operation import BEGUN, clear_mark, set_mark
    from auroral.ecs.recovery import plan as recovery_plan
    from auroral.ecs.recovery.machine import TITLES
    from auroral.ecs.recovery.plan import Phase

    stopped = {key: msgspec.structs.replace(one, desired=0, running=0) for key, one in seen.services.items()}
    empty = msgspec.structs.replace(seen, services=stopped, tasks=(), stopped=())
    account = made.found.account
    phases = list(Phase)
    for phase in phases[phases.index(plan.phase) :]:
        yield f"# {TITLES[phase]}"
        calls = [set_mark(seen.arn, recovery_plan.mark(plan, phase, BEGUN, seen.at))]
        if phase is Phase.DOWN:
            calls += _calls(made, seen, recovery_plan.down(made.fleet, seen))
        elif phase is Phase.UP:
            calls += _calls(made, empty if plan.phase is not Phase.UP else seen, recovery_plan.up(plan))
        for call in calls:
            yield call.shell(region=account.region, profile=account.profile)
        if phase is Phase.CLEAN:
            yield from ring.preview([] if rows is None else stale_rows(rows.rows, empty))
    last = clear_mark(seen.arn)
    yield f"# {last.why}"
    yield last.shell(region=account.region, profile=account.profile)


def _calls(made: Change, seen: ClusterSeen, planned: Any) -> list[Any]:
    from auroral.ecs.rollout import waves

    return [call for wave in planned for step in wave if (call := waves.update(made.fleet, seen, step)) is not None]


def _ask(made: Change, seen: ClusterSeen, plan: Plan, rows: Rows | None) -> None:
    """Show what stops and what is deleted, and ask. Raises `UsageError` where that is not confirmed."""
    from auroral.ecs.recovery import plan as recovery_plan
    from auroral.ecs.recovery.plan import Phase
    from auroral.ecs.rollout import waves

    if plan.phase is Phase.UP:
        return
    lowered = waves.lowered(seen, recovery_plan.down(made.fleet, seen))
    for one in lowered:
        back = plan.counts.get(one.key)
        made.say(f"  {one.key}: {one.running} → 0" + (f" → {back}" if back is not None else ", and stays at 0"))
    stops = sum(one.running for one in lowered)
    number = 0 if rows is None else len(rows.rows)
    made.say(f"  cluster_membership: {number} row{'' if number == 1 else 's'} → 0, once no task runs")
    what = f"{stops} task{'' if stops == 1 else 's'} of the cluster {made.fleet.cluster}"
    if made.yes:
        made.say(f"stopping {what}")
        return
    confirm(
        made.process,
        f"Stop {what}, delete the ring's rows, and start it again?",
        otherwise=f"{what} would be stopped",
        hint="--yes recovers without asking",
    )


recover_command = cluster_changes.command(
    "recover",
    _recover,
    short_help="Lead the cluster out of a crash loop.",
    help="Stop Temporal's services (and the benchmark's workers), delete the rows of cluster_membership whose hosts "
    "are gone, and start the services again as many as they were, each awaited until it is steady; then compare the "
    "ring with the running tasks. It begins where tasks stop again and again and their ring shows why, and says what "
    "it saw. Run again, from wherever, it goes on where it ended.",
    params=[
        click.Option(["--anyway"], is_flag=True, help="Begin although nothing says that it is needed."),
        click.Option(["--beside"], is_flag=True, help="Go on beside hosts in the ring that live elsewhere."),
        click.Option(
            ["--from-start"], is_flag=True, help="Stop and clean again, where another recovery ended half way."
        ),
        click.Option(
            ["--count"],
            metavar="SERVICE=N",
            multiple=True,
            help="Tasks of a service instead of as many as it had; repeatable.",
        ),
        click.Option(
            ["--where"],
            type=click.Choice(["here", "cluster"]),
            help="Read and delete rows from here, or by tasks of the deployment.  [default: here when DSQL answers "
            "here]",
        ),
    ],
)
recover_command.epilog = EPILOG
