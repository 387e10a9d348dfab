"""`auroral bench remote run`: plan, ask, run, bring the results here, exit as the run did."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from auroral.bench.options import LIMITS, LOAD, SETTINGS, THRESHOLDS, WAITING, WORKLOAD, build, resolve_bench
from auroral.bench.workload import BUILTINS
from auroral.cli.command import SettingCommand, SettingOption, flags_given
from auroral.cli.confirm import confirm
from auroral.cli.deployed import Operated, deployed_options, operated
from auroral.cli.process import Process
from auroral.errors import ConfigurationError, ExitCode, OutputError, TargetError, UsageError
from auroral.units import parse_duration_s

if TYPE_CHECKING:
    from auroral.aws_account import Account
    from auroral.aws_calls import Call
    from auroral.bench.object_place import Place
    from auroral.bench.settings import BenchSettings
    from auroral.config import Setting
    from auroral.deployment import Contract
    from auroral.ecs.remote.plan import RemotePlan
    from auroral.ecs.remote.run import Ended, RemoteRun

REMOTE_SETTINGS = tuple(
    setting
    for setting in SETTINGS
    if (setting.group in (WORKLOAD, LOAD, LIMITS, WAITING, THRESHOLDS) and setting.name != "iterations")
    or setting.name in ("namespace", "connect-timeout", "run-id")
    or setting.name in ("spread", "control-address", "control-namespace", "control-tls")
)
"""What the generator is told. All else it has from its task definition."""


@click.pass_context
def _run(context: click.Context, /, **params: Any) -> ExitCode:
    process: Process = context.obj
    flags = flags_given(context, params)
    own = {name: value for name, value in params.items() if name.replace("_", "-") not in _NAMES}
    return run(process, flags, **own)


_NAMES = {setting.name for setting in REMOTE_SETTINGS}


def _duration(context: click.Context, param: click.Parameter, value: str) -> float:
    try:
        seconds = parse_duration_s(value)
    except ValueError as error:
        raise click.BadParameter(f"expected a duration such as 15m, not {value}") from error
    if not 1 <= seconds <= 86_400:
        raise click.BadParameter(f"expected a duration from 1s to 24h, not {value}")
    return seconds


class _ToldOption(SettingOption):
    """A setting's flag. Neither this machine's environment nor auroral's own default stands behind it."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.help = setting.help


run_command = SettingCommand(
    "run",
    settings=(),
    callback=_run,
    short_help="Run a benchmark on the deployed cluster.",
    help="Scale the benchmark workers from zero, run the generator in the cluster, follow it, bring its results here, "
    "and scale back to zero: also after a failure or Ctrl-C. What is not told here the generator takes from its task "
    "definition.",
    epilog="Exit codes: the run's own (0 passed, 1 failed, 5 inconclusive, 4 interrupted); 2 wrong usage, not "
    "confirmed, no room, or another operation is under way; 3 workers or generator did not come, or AWS refuses it.",
    params=[
        *map(_ToldOption, REMOTE_SETTINGS),
        *deployed_options(),
        click.Option(
            ["--workers"],
            type=click.IntRange(1, 10_000),
            metavar="NUMBER",
            help="Workers.  [default: by the rate; as planned where these find no room]",
        ),
        click.Option(["--keep-workers"], is_flag=True, help="Leave the workers running afterwards."),
        click.Option(
            ["--detach"], is_flag=True, help="Start it only, and say how to fetch the results and scale back."
        ),
        click.Option(
            ["--timeout"],
            default="15m",
            show_default=True,
            metavar="DURATION",
            callback=_duration,
            help="How long workers, and then the generator, may take to come.",
        ),
        click.Option(["--output"], metavar="DIRECTORY", help="Directory of the results.  [default: results/<run id>]"),
        click.Option(["--json"], is_flag=True, help="Print the result document alone to stdout."),
        click.Option(["--yes"], is_flag=True, help="Do not ask where workers run already."),
    ],
)


def run(
    process: Process,
    flags: Mapping[str, Any],
    *,
    workers: int | None,
    keep_workers: bool,
    detach: bool,
    timeout: float,
    output: str | None,
    json: bool,
    yes: bool,
    dry_run: bool,
    account: Callable[..., Account] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
    **named: Any,
) -> ExitCode:
    """Carry one run through. `account`, `sleep` and `now_s` are for tests."""
    from auroral.capacity.presets import presets
    from auroral.cli.bench_remote_shared import contract_of, generator_of, place_of, processes_of, room_of
    from auroral.ecs.drive import HaltedError
    from auroral.ecs.fleet import BENCHMARK_WORKER
    from auroral.ecs.observe import Observer
    from auroral.ecs.one_shot.request import ended
    from auroral.ecs.remote.plan import agent_tasks, follow_up, length_words, make, sized, worker_service
    from auroral.ecs.remote.results import require_free, stored
    from auroral.ecs.remote.run import RemoteRun, status
    from auroral.report.bench_remote import plan_text

    acted = operated(process, account=account, **named)
    contract, door = contract_of(acted), acted.account
    definition = generator_of(door, contract)
    settings = generator_settings(flags, definition, contract)
    if detach and settings.spread is not None:
        raise UsageError(
            "expected --spread or --detach, not both: its generators must be stopped where the run does not begin",
            hint="leave --detach out, and this machine on until the run is over",
        )
    run_id = settings.run_id or f"r{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    directory = Path(output or f"results/{run_id}")
    require_free(directory)
    service = worker_service(acted.fleet)
    beside = room_of(acted, definition, 1 + agent_tasks(settings))
    chosen = sized(settings.peak_rate_per_s, workers, service.planned, presets().benchmark, beside)
    plan = make(
        acted.fleet,
        definition,
        run_id=run_id,
        flags=flags,
        settings=settings,
        workers=chosen.workers,
        processes=processes_of(door, service),
        nonce=secrets.token_hex(8),
        come_s=timeout,
        keep_workers=keep_workers,
        detach=detach,
    )
    place = place_of(contract)
    if settings.run_id and stored(door, place, run_id):
        raise UsageError(f"{place.url}{run_id}/ holds a run already", hint="name another one: --run-id")
    process.err(plan_text(plan, chosen, length_words(settings), place.url))
    if dry_run:
        return _dry_run(process, door, plan, contract.cluster.arn)
    observer = Observer(door, msgspec.structs.replace(acted.fleet, services={BENCHMARK_WORKER: service}))
    before = observer.look(tasks=False)
    there = before.services[BENCHMARK_WORKER].desired
    if there and not yes:
        after = f"to {plan.workers}" + ("" if keep_workers or detach else ", and afterwards to 0")
        confirm(
            process,
            f"{there} workers run already: scale them {after}?",
            otherwise=f"{there} workers run already, and would be scaled {after}",
            hint="--yes scales them without asking",
        )
    named_flags = " ".join(acted.flags)
    running = RemoteRun(
        plan,
        door,
        observer,
        process.err,
        again=f"auroral bench remote run {named_flags} …",
        back=f"auroral bench remote workers 0 {named_flags}",
        sleep=sleep,
        now_s=now_s,
    )
    came = running.run()
    task = came.generator
    if task is None or task.status != "STOPPED" or (detach and came.halted is None):
        return _without_results(process, acted, plan, running, came)
    fetch, _ = follow_up(task.arn, plan.run_id, acted.flags)
    _bring(process, plan, running, place, directory, door=door, fetch=fetch, as_json=json, sleep=sleep)
    if (came.workers_left and not keep_workers) or running.machine.agents_left:
        process.err(f"warning: {running.left()}")
    if came.halted is not None:
        raise HaltedError(came.halted)
    return ended(status(task, plan.generator_container), "the generator")


def generator_settings(flags: Mapping[str, Any], definition: Mapping[str, Any], contract: Contract) -> BenchSettings:
    """The settings that the generator is going to have. Raises `ConfigurationError` and `UsageError`."""
    from auroral.ecs.one_shot.request import container_of
    from auroral.ecs.remote.plan import environment_of

    container = container_of(definition, contract.tasks.generator.container)
    resolved = resolve_bench(flags=flags, environ=environment_of(container))
    if resolved.problems:
        hint = "what no flag says comes from the generator's task definition"
        raise ConfigurationError(resolved.problems, hint=hint)
    settings = build(resolved)
    served = contract.benchmark.namespace
    if settings.target.namespace != served:
        raise UsageError(
            f"the workers serve the namespace {served}: expected it, got {settings.target.namespace}",
            hint="leave --namespace out, or set benchmark.namespace of the platform stack, and apply it",
        )
    files = [one.source for one in settings.workloads if one.source not in BUILTINS]
    if files:
        raise UsageError(
            f"the generator cannot read {', '.join(files)}: expected built-in workloads ({', '.join(BUILTINS)})",
            hint="put the file into the benchmark image, or run it from here: auroral bench run --generator-only",
        )
    return settings


def _dry_run(process: Process, account: Account, plan: RemotePlan, cluster_arn: str) -> ExitCode:
    """Print what would be called, in order."""
    from auroral.aws_account import DryRun, perform
    from auroral.ecs.operation import BEGUN, BENCH, Operation, clear_mark, set_mark
    from auroral.ecs.remote.occupied import RUNNING, SCALING

    def mark(phase: str) -> Call:
        facts = {"run": plan.run_id[:64], "workers": str(plan.workers), "phase": phase}
        return set_mark(cluster_arn, Operation(name=BENCH, state=BEGUN, at=datetime.now(UTC), facts=facts))

    agents = plan.agents.start() if plan.agents is not None else ()
    calls = [mark(SCALING), plan.scale(plan.workers), *agents, plan.start(), mark(RUNNING)]
    if not plan.detach:
        calls += [*(() if plan.keep_workers else (plan.scale(0),)), clear_mark(cluster_arn)]
    door = DryRun(account, process.out)
    for call in calls:
        perform(door, call)
    process.err("nothing was changed")
    return ExitCode.OK


def _without_results(process: Process, acted: Operated, plan: RemotePlan, running: RemoteRun, came: Ended) -> ExitCode:
    """The generator goes on, or never was: say what there is, and how to go on."""
    from auroral.ecs.drive import HaltedError
    from auroral.ecs.remote.plan import follow_up

    task = came.generator
    if task is not None:
        fetch, back = follow_up(task.arn, plan.run_id, acted.flags)
        if plan.detach and came.halted is None:
            process.out(f"run {plan.run_id}, task {task.id}\nresults, once it is over: {fetch}\nthen: {back}")
            return ExitCode.OK
        process.err(f"results, once it is over: {fetch}")
    if (came.workers_left and not plan.keep_workers) or running.machine.agents_left:
        process.err(f"warning: {running.left()}")
    if came.halted is None:
        raise TargetError("the generator was lost sight of", hint="`auroral cluster status` says how the cluster is")
    raise HaltedError(came.halted)


def _bring(
    process: Process,
    plan: RemotePlan,
    running: RemoteRun,
    place: Place,
    directory: Path,
    *,
    door: Account,
    fetch: str,
    as_json: bool,
    sleep: Callable[[float], None],
) -> None:
    """Bring the results here and print them; say what is lost. `fetch` is the command that does it later."""
    from auroral.cli.bench_remote_shared import show
    from auroral.ecs.remote.run import collect

    task = running.machine.generator
    stream = plan.stream_of(task.id) if task is not None else None
    try:
        found = collect(door, place, plan.run_id, stream, directory, sleep=sleep)
    except (KeyboardInterrupt, OutputError):
        process.err(f"the results were not brought here; this does: {fetch}")
        raise
    if found.source:
        for problem in found.problems:
            process.err(f"warning: {problem}; the document came from the log: the samples are lost")
        show(process, directory, as_json=as_json)
        return
    for line in running.withheld():
        process.err(f"  {line}")
    where = f"{stream.group}, stream {stream.stream}" if stream else "unknown"
    process.err(f"warning: no result: {'; '.join(found.problems)}\n  the generator's log: {where}")
