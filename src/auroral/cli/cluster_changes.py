"""What `auroral cluster up`, `down`, `scale` and `roll` share: options, counts, the question, the preview, the run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from auroral.cli.command import WIDTH, Command
from auroral.cli.confirm import confirm
from auroral.cli.deployed import Operated, deployed_options, operated
from auroral.cli.process import Process
from auroral.config import did_you_mean
from auroral.errors import ExitCode, UsageError
from auroral.units import parse_duration_s

if TYPE_CHECKING:
    from auroral.ecs.fleet import Fleet
    from auroral.ecs.rollout.connects import ScalableTarget
    from auroral.ecs.rollout.loads import Definitions
    from auroral.ecs.rollout.machine import Limits
    from auroral.ecs.rollout.waves import Wave
    from auroral.ecs.rollout.words import Words
    from auroral.ecs.seen import ClusterSeen

EPILOG = (
    "Exit codes: 0 done, or nothing to do; 1 refused: DSQL's limits would be overrun, no instance has room, or a "
    "deployment would never end; 2 wrong usage, another operation is under way, or not confirmed; 3 a service fails, "
    "or AWS cannot be reached; 4 interrupted."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One operation on a deployed cluster."""

    process: Process
    found: Operated
    name: str
    again: tuple[str, ...]
    """Words of the command that goes on with it, without the flags that name the deployment."""
    limits: Limits
    dry_run: bool
    yes: bool
    take_over: bool

    @property
    def fleet(self) -> Fleet:
        """What is operated."""
        return self.found.fleet

    @property
    def words(self) -> Words:
        """Command lines for hints."""
        from auroral.ecs.rollout.words import Words

        flags = shlex.join(self.found.flags)
        return Words(
            again=shlex.join(["auroral", "cluster", self.name, *self.found.flags, *self.again]), flags=f" {flags}"
        )

    def say(self, text: str) -> None:
        """Tell whoever watches."""
        self.process.err(text)

    def look(self, *, instances: bool = False) -> ClusterSeen:
        """The cluster before anything is changed. Raises `UsageError` while another operation is under way."""
        from auroral.ecs.observe import Observer
        from auroral.ecs.rollout.conduct import Clock
        from auroral.ecs.underway import refuse_other

        clock = Clock()
        seen = Observer(self.found.account, self.fleet, now=clock.utc).look(stopped=True, instances=instances)
        refuse_other(seen.mark, clock.utc(), take_over=self.take_over or self.dry_run)
        return seen


def command(name: str, callback: Any, *, params: Sequence[click.Parameter], **attributes: Any) -> Command:
    """A command of this family, with what all of them take."""
    return Command(
        name,
        callback=callback,
        params=[
            *params,
            *deployed_options(),
            click.Option(["--yes"], is_flag=True, help="Stop tasks without asking."),
            click.Option(
                ["--take-over"], is_flag=True, help="Begin although another operation is marked as under way."
            ),
            click.Option(
                ["--timeout"],
                metavar="DURATION",
                default="30m",
                show_default=True,
                help="How long one wave may take until it is steady.",
            ),
            click.Option(
                ["--capacity-patience"],
                metavar="DURATION",
                default="10m",
                show_default=True,
                help="How long tasks may wait for an instance with room.",
            ),
        ],
        context_settings={"max_content_width": WIDTH},
        epilog=EPILOG,
        **attributes,
    )


def change(
    process: Process,
    name: str,
    again: Sequence[str],
    *,
    dry_run: bool,
    yes: bool,
    take_over: bool,
    timeout: str,
    capacity_patience: str,
    **names: Any,
) -> Change:
    """Read the options that all of them take. Raises `UsageError`."""
    from auroral.ecs.rollout.machine import Limits

    wave_s = _duration_s("--timeout", timeout)
    shortage_s = _duration_s("--capacity-patience", capacity_patience)
    words = list(again)
    defaults = Limits()
    if wave_s != defaults.wave_s:
        words += ["--timeout", f"{wave_s:g}s"]
    if shortage_s != defaults.shortage_s:
        words += ["--capacity-patience", f"{shortage_s:g}s"]
    return Change(
        process=process,
        found=operated(process, **names),
        name=name,
        again=tuple(words),
        limits=Limits(wave_s=wave_s, shortage_s=shortage_s),
        dry_run=dry_run,
        yes=yes,
        take_over=take_over,
    )


def counts_of(fleet: Fleet, given: Sequence[str]) -> dict[str, int]:
    """Read `SERVICE=N` words. Raises `UsageError`."""
    counts: dict[str, int] = {}
    for word in given:
        key, separator, number = word.partition("=")
        if not separator or not number.isascii() or not number.isdigit():
            raise UsageError(
                f"expected SERVICE=N with a number of tasks, found {word!r}", hint="such as history=4 matching=3"
            )
        known_service(fleet, key)
        if key in counts:
            raise UsageError(f"{key} is given twice: {counts[key]} and {number}", hint="leave one of them out")
        counts[key] = int(number)
    return counts


def known_service(fleet: Fleet, key: str) -> None:
    """Raise `UsageError` for a service that the deployment does not have."""
    if key not in fleet.services:
        known = sorted(fleet.services)
        raise UsageError(
            f"the deployment has no service {key!r}{did_you_mean(key, known)}", hint=f"it has {', '.join(known)}"
        )


def carry_out(
    made: Change,
    seen: ClusterSeen,
    planned: Sequence[Wave],
    targets: dict[str, ScalableTarget],
    health: dict[str, bool],
    *,
    definitions: Definitions | None = None,
) -> ExitCode:
    """Check the sums, show, ask, and drive the waves to their end.

    `definitions`: what running task definitions take of DSQL, where they are not the fleet's.
    """
    from auroral.ecs.drive import HaltedError
    from auroral.ecs.rollout import conduct, connects, replacing, waves
    from auroral.ecs.rollout import words as rollout_words

    gone = waves.missing(made.fleet, seen, planned)
    if gone:
        raise HaltedError(rollout_words.missing(made.fleet, gone))
    stuck = replacing.stuck(made.fleet, seen, planned)
    if stuck:
        raise HaltedError(made.words.stuck(stuck))
    refuse_overrun(made, seen, planned, targets, definitions or {})
    then = waves.present(seen)
    for wave in planned:
        then = waves.after(then, wave)
    for contradiction in connects.contradictions(_changed(planned, then), targets):
        made.say(f"note: {contradiction}")
    for key, count in _changed(planned, then).items():
        fixed = replacing.fixed(made.fleet, seen, key, count)
        if fixed is not None and count != seen.services[key].desired:
            made.say(f"note: at this count it cannot be rolled: {fixed.text}")
    if made.dry_run:
        made.process.out("\n".join(preview(made, seen, planned)))
        return ExitCode.OK
    _ask(made, waves.lowered(seen, planned))
    calls = any(waves.update(made.fleet, seen, step) is not None for wave in planned for step in wave)
    conductor = conduct.Conductor(
        account=made.found.account,
        fleet=made.fleet,
        words=made.words,
        say=made.say,
        limits=made.limits,
        targets=targets,
        definitions=definitions or {},
        health=health,
        clock=conduct.Clock(),
    )
    if calls or seen.mark:
        facts = {step.key: str(step.count) for wave in planned for step in wave if step.count is not None}
        finished = conductor.conduct(planned, name=made.name, cluster_arn=seen.arn, facts=facts)
    else:
        finished = conductor.carry_out(planned)
    made.process.out(f"{made.name}: {finished.say}")
    return ExitCode.OK


def refuse_overrun(
    made: Change,
    seen: ClusterSeen,
    planned: Sequence[Wave],
    targets: dict[str, ScalableTarget],
    definitions: Definitions,
) -> None:
    """Raise `HaltedError` where these waves would overrun DSQL's limits, with the sums."""
    from auroral.ecs.drive import HaltedError
    from auroral.ecs.rollout import loads
    from auroral.ecs.rollout import words as rollout_words

    over = loads.overruns(made.fleet, seen, planned, targets, definitions)
    if over:
        raise HaltedError(rollout_words.over_budget(over, [step.key for wave in planned for step in wave]))


def preview(made: Change, seen: ClusterSeen, planned: Sequence[Wave]) -> list[str]:
    """The calls as lines for a shell, with a comment for each wave."""
    from auroral.ecs.operation import clear_mark, set_mark
    from auroral.ecs.rollout import waves
    from auroral.ecs.rollout.conduct import Clock
    from auroral.ecs.underway import begun

    account, lines = made.found.account, []
    for number, wave in enumerate(planned, 1):
        calls = [call for step in wave if (call := waves.update(made.fleet, seen, step)) is not None]
        told = "; ".join(waves.told(step, seen.services[step.key]) for step in wave)
        lines.append(f"# wave {number} of {len(planned)}: {told}{'; awaited until steady' if calls else ''}")
        lines += [call.shell(region=account.region, profile=account.profile) for call in calls]
    if not any(not line.startswith("#") for line in lines) and not seen.mark:
        return [*lines, "# nothing to do"]
    facts = {step.key: str(step.count) for wave in planned for step in wave if step.count is not None}
    first = set_mark(seen.arn, begun(account, made.name, Clock().utc(), facts))
    last = clear_mark(seen.arn)
    return [
        f"# {first.why}",
        first.shell(region=account.region, profile=account.profile),
        *lines,
        f"# {last.why}",
        last.shell(region=account.region, profile=account.profile),
    ]


def _changed(planned: Sequence[Wave], then: dict[str, int]) -> dict[str, int]:
    return {step.key: then[step.key] for wave in planned for step in wave if step.count is not None}


def _ask(made: Change, lowered: Sequence[Any]) -> None:
    """Show what stops, and ask. Raises `UsageError` where that is not confirmed."""
    if not lowered:
        return
    for one in lowered:
        made.say(f"  {one.key}: {one.running} → {one.count}")
    stops = sum(one.running - one.count for one in lowered)
    tasks = f"{stops} task{'' if stops == 1 else 's'} of the cluster {made.fleet.cluster}"
    if made.yes:
        made.say(f"stopping {tasks}")
        return
    confirm(made.process, f"Stop {tasks}?", otherwise=f"{tasks} would be stopped", hint="--yes stops without asking")


def _duration_s(flag: str, text: str) -> float:
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"{flag}: expected {error}", hint=f"such as {flag} 10m") from error
    if seconds <= 0:
        raise UsageError(f"{flag}: expected more than 0, found {text}", hint=f"such as {flag} 10m")
    return seconds
