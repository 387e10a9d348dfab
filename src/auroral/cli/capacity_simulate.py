"""`auroral capacity simulate`: scenarios, seeds, progress on stderr, reports, exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auroral.cli.command import Command
from auroral.cli.process import Process
from auroral.errors import ExitCode, InterruptedRunError, OutputError, UsageError

if TYPE_CHECKING:
    from auroral.capacity.simulation.result import SimulationResult
    from auroral.capacity.simulation.scenario import Scenario

_DEFAULT_PRESET = "150wps"


@click.pass_obj
def _simulate(process: Process, /, **params: Any) -> ExitCode:
    if params.pop("list"):
        return _list(process)
    return _run(process, **params)


simulate = Command(
    "simulate",
    callback=_simulate,
    short_help="Try to break the connection budget.",
    help="Simulate every pool and limiter of a deployed cluster against a model of Aurora DSQL, in the SCENARIOs named "
    "(of the package, or a TOML file each), or in all of the package's.",
    epilog="Exit codes: 0 every assertion held, 1 one was violated, 2 wrong usage or a bad file, 4 interrupted.",
    params=[
        click.Argument(["scenarios"], nargs=-1, metavar="[SCENARIO]..."),
        click.Option(["--list"], is_flag=True, help="Name the package's scenarios, and run none."),
        click.Option(
            ["--preset"],
            metavar="NAME",
            help=f"Whose services: dev, 100wps, 150wps, 400wps.  [default: the scenario's own, else {_DEFAULT_PRESET}]",
        ),
        click.Option(["--plan"], metavar="FILE", help="Whose services: the JSON of `auroral capacity plan`."),
        click.Option(
            ["--seed"], type=click.IntRange(0), default=1, show_default=True, help="Seed of the (first) schedule."
        ),
        click.Option(
            ["--seeds"],
            type=click.IntRange(1, 100_000),
            default=1,
            show_default=True,
            help="Schedules to try for each scenario; the worst is reported.",
        ),
        click.Option(
            ["--jobs"], type=click.IntRange(1, 1024), metavar="N", help="Processes.  [default: one for each core]"
        ),
        click.Option(["--html"], metavar="FILE", help="Write the report as a page."),
        click.Option(["--json"], metavar="FILE", help="Write the result as JSON; - for stdout."),
    ],
)


def _list(process: Process) -> ExitCode:
    from auroral.capacity.simulation.catalogue import ORDER, builtin
    from auroral.report.simulation_text import listing

    process.out(listing([builtin(name) for name in ORDER]))
    return ExitCode.OK


def _run(
    process: Process,
    *,
    scenarios: tuple[str, ...],
    preset: str | None,
    plan: str | None,
    seed: int,
    seeds: int,
    jobs: int | None,
    html: str | None,
    json: str | None,
) -> ExitCode:
    from auroral.capacity.simulation.seeds import cores
    from auroral.report.simulation_text import summary

    chosen = _scenarios(scenarios, preset, plan)
    if html == "-" and json == "-":
        raise UsageError("--html - and --json - both want stdout", hint="give one of them a file")
    for path in (html, json):
        _check_writable(path)
    results = _results(process, chosen, range(seed, seed + seeds), jobs or cores())
    if json is not None:
        from auroral.capacity.simulation.result import encode

        _write(process, json, encode(results).decode())
    if html is not None:
        from auroral.report.simulation_html import render

        _write(process, html, render(results))
    (process.err if "-" in (html, json) else process.out)(summary(results))
    if any(result.interrupted for result in results) or len(results) < len(chosen):
        process.err("interrupted: what had run by then is reported")
        return ExitCode.INTERRUPTED
    return ExitCode.OK if all(result.passed for result in results) else ExitCode.FAILED


def _scenarios(sources: Sequence[str], preset: str | None, plan: str | None) -> list[tuple[Scenario, str]]:
    """The scenarios with their services, and whose those are. Raises `ConfigurationError`, `UsageError`."""
    from auroral.capacity.simulation import shapes
    from auroral.capacity.simulation.catalogue import ORDER, load
    from auroral.capacity.simulation.scenario_file import consistency
    from auroral.errors import ConfigurationError

    if preset is not None and plan is not None:
        raise UsageError("--preset and --plan both name services", hint="leave one of them out")
    given = None
    if plan is not None:
        given = shapes.from_plan(_read(Path(plan)), plan)
    elif preset is not None:
        given = shapes.from_preset(preset)
    chosen, problems = [], []
    for source in dict.fromkeys(sources or ORDER):
        scenario, whose = load(source, read_text=_read_text), "its own services"
        if given is not None or not scenario.services:
            deployed = given or shapes.from_preset(_DEFAULT_PRESET)
            scenario, whose = shapes.deploy(scenario, deployed), deployed.source
        problems += consistency(scenario, source)
        chosen.append((scenario, whose))
    if problems:
        raise ConfigurationError(problems)
    return chosen


def _results(
    process: Process, chosen: Sequence[tuple[Scenario, str]], seeds: range, processes: int
) -> list[SimulationResult]:
    """Run everything. An interrupt ends it: what has run is summed up, the scenario under way with fewer seeds.

    Raises `InterruptedRunError` where nothing has.
    """
    from contextlib import closing

    from auroral.capacity.simulation.seeds import run_all
    from auroral.capacity.simulation.trial import Summary

    done: list[SimulationResult] = []
    current = Summary(*chosen[0])
    with closing(run_all([(scenario, seed) for scenario, _ in chosen for seed in seeds], processes)) as runs:
        try:
            for scenario, whose in chosen:
                current = Summary(scenario, whose)
                for number in range(1, len(seeds) + 1):
                    _progress(process, f"{scenario.name}: {number} of {len(seeds)}")
                    current.add(next(runs))
                done.append(current.result())
        except KeyboardInterrupt:
            _progress(process, "")
            if current.count and current.count < len(seeds):
                done.append(current.result(interrupted=True))
            if not done:
                raise InterruptedRunError("interrupted before the first simulation had ended") from None
            return done
    _progress(process, "")
    return done


def _progress(process: Process, text: str) -> None:
    """Rewrite the one line of progress, where a person watches."""
    if process.interactive:
        process.stderr.write(f"\r\x1b[2K{text}")
        process.stderr.flush()


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: the plan cannot be read: {error.strerror}") from error


def _check_writable(path: str | None) -> None:
    """Find out before the simulation that a report has nowhere to go."""
    if path is None or path == "-":
        return
    target = Path(path)
    if target.is_dir() or not target.absolute().parent.is_dir():
        found = "is a directory" if target.is_dir() else f"is in {target.parent}, which is no directory"
        raise OutputError(f"{path} {found}", hint="name a file in a directory that exists")


def _write(process: Process, path: str, text: str) -> None:
    if path == "-":
        process.document(text)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
