"""`auroral bench`: its commands, their options and help."""

from __future__ import annotations

from typing import Any

import click

from auroral.bench.options import CONFIG_VARIABLE, GENERATOR_SETTINGS, SETTINGS, WORKER_SETTINGS
from auroral.bench.search.options import RUN_SETTINGS, SEARCH_SETTINGS
from auroral.cli.bench_refused import refuse, refused_options
from auroral.cli.bench_remote import remote
from auroral.cli.command import Command, Group, SettingCommand, flags_given
from auroral.cli.process import Process
from auroral.errors import ExitCode

LAYERS = (
    "A setting comes from its flag, else from its environment variable, else from the table [bench] of the "
    "configuration file, else from Temporal's own configuration, else from its default."
)

bench = Group("bench", help="Load a Temporal cluster and say what it carried.")


def _config_option() -> click.Option:
    return click.Option(["--config"], metavar="FILE", help=f"TOML file with settings.  [{CONFIG_VARIABLE}]")


def _live_option() -> click.Option:
    return click.Option(["--live/--no-live"], default=True, help="Redraw the progress in a terminal; else plain lines.")


@click.pass_context
def _run(context: click.Context, /, config: str | None, live: bool, json: bool, **params: Any) -> ExitCode:
    from auroral.cli.bench_run import run

    process: Process = context.obj
    return run(process, flags_given(context, params), config_file=config, live=live, as_json=json)


@click.pass_context
def _search(
    context: click.Context, /, config: str | None, live: bool, json: bool, markdown: bool, **params: Any
) -> ExitCode:
    from auroral.cli.bench_search import run_search

    if json and markdown:
        raise click.UsageError("expected one of --json and --markdown, but both came")
    refuse(context, params)
    process: Process = context.obj
    form = "json" if json else "markdown" if markdown else "text"
    return run_search(process, flags_given(context, params), config_file=config, live=live, form=form)


@click.pass_context
def _worker(context: click.Context, /, config: str | None, live: bool, **params: Any) -> ExitCode:
    from auroral.cli.bench_run import work

    process: Process = context.obj
    return work(process, flags_given(context, params), config_file=config, live=live)


@click.pass_context
def _generator(context: click.Context, /, config: str | None, live: bool, once: bool, **params: Any) -> ExitCode:
    from auroral.cli.bench_run import generate

    process: Process = context.obj
    return generate(process, flags_given(context, params), config_file=config, live=live, once=once)


@click.pass_context
def _config(context: click.Context, /, config: str | None, json: bool, **params: Any) -> ExitCode:
    from auroral.cli.bench_config import show

    process: Process = context.obj
    return show(process, flags_given(context, params), config_file=config, as_json=json)


@click.pass_context
def _report(context: click.Context, /, directory: str, **params: str) -> ExitCode:
    from auroral.cli.bench_report import report

    process: Process = context.obj
    return report(process, directory, params["format"])


@click.pass_context
def _compare(
    context: click.Context,
    /,
    *,
    sides: tuple[str, ...],
    json: bool,
    markdown: bool,
    **params: Any,
) -> ExitCode:
    from auroral.cli.bench_compare import compare_runs

    if json and markdown:
        raise click.UsageError("expected one of --json and --markdown, but both came")
    process: Process = context.obj
    return compare_runs(
        process,
        sides,
        form="json" if json else "markdown" if markdown else "text",
        **params,
    )


bench.add_command(
    SettingCommand(
        "run",
        settings=SETTINGS,
        callback=_run,
        short_help="Run a benchmark.",
        help="Drive a Temporal cluster at a scheduled rate, and say what it carried.\n\n"
        "With no address, a local Temporal server is started for the run and stopped afterwards. "
        f"{LAYERS}",
        epilog="Exit codes: 0 passed, 1 failed, 2 wrong usage, 3 target unreachable, 4 interrupted, 5 inconclusive.",
        params=[
            _config_option(),
            click.Option(["--json"], is_flag=True, help="Print the result document alone to stdout."),
            _live_option(),
        ],
    )
)
bench.add_command(
    SettingCommand(
        "search",
        settings=(*SEARCH_SETTINGS, *RUN_SETTINGS),
        callback=_search,
        short_help="Find the largest rate a cluster sustains.",
        help="Find the largest rate that a Temporal cluster sustains: every step is a run at one rate, which holds "
        "where the objective is met and nothing piles up.\n\n"
        "Rates are bracketed, then bisected, and the largest that held is confirmed by a longer step. A rate that is "
        "clearly lost is ended early, and backlog clears between steps. With no address, a local Temporal server is "
        "started for the search and stopped afterwards. A search's own settings stand in the table [search] of the "
        f"configuration file. {LAYERS}",
        epilog="Exit codes: 0 a rate is confirmed, 1 not even the least rate holds, 2 wrong usage, 3 target "
        "unreachable, 4 interrupted, 5 inconclusive.",
        params=[
            _config_option(),
            click.Option(["--json"], is_flag=True, help="Print the document auroral.bench.search/1 alone to stdout."),
            click.Option(["--markdown"], is_flag=True, help="Print Markdown for a pull request."),
            _live_option(),
            *refused_options(),
        ],
    )
)
bench.add_command(
    SettingCommand(
        "worker",
        settings=WORKER_SETTINGS,
        callback=_worker,
        short_help="Run workers for generators elsewhere.",
        help="Run workers only, until they are stopped: for `auroral bench run --generator-only` elsewhere.\n\n"
        f"{LAYERS}",
        params=[_config_option(), _live_option()],
    )
)
bench.add_command(
    SettingCommand(
        "generator",
        settings=GENERATOR_SETTINGS,
        callback=_generator,
        short_help="Generate for runs over several machines.",
        help="Wait for runs with `auroral bench run --spread N` and generate a part of each, one run at a time, until "
        "stopped.\n\n"
        "It reaches the cluster to load and the control cluster by its own configuration: no credentials come with a "
        "run. With --output each run's samples are kept there, as samples.parquet.\n\n"
        f"{LAYERS}",
        params=[
            _config_option(),
            _live_option(),
            click.Option(["--once"], is_flag=True, help="End after the first run that it took part in."),
        ],
    )
)
bench.add_command(
    SettingCommand(
        "config",
        settings=SETTINGS,
        callback=_config,
        short_help="Show every setting and its origin.",
        help=f"Show the settings that a run would use, each with its origin, without running.\n\n{LAYERS}",
        params=[_config_option(), click.Option(["--json"], is_flag=True, help="Print JSON.")],
    )
)
bench.add_command(
    Command(
        "report",
        callback=_report,
        short_help="Make a run's or a search's reports again.",
        help="Make summary.txt and report.html again from what a run or a search stored in DIRECTORY, and print the "
        "summary.",
        params=[
            click.Argument(["directory"], metavar="DIRECTORY"),
            click.Option(
                ["--format"],
                type=click.Choice(["text", "json", "html"]),
                default="text",
                show_default=True,
                help="What to print: the summary, the result document or the page.",
            ),
        ],
    )
)
bench.add_command(
    Command(
        "compare",
        callback=_compare,
        short_help="Say whether one run differs from another.",
        help="Say whether B differs from A in latency, completed rate and outcomes, each with a confidence "
        "interval.\n\n"
        "A and B are directories of runs, or their result.json; repeated runs of one side, with commas between them, "
        "are pooled. A baseline of several runs is what tells a change from an ordinary day.",
        epilog="Exit codes: 0 not worse, 1 worse, 2 wrong usage or not comparable, 5 inconclusive.",
        params=[
            click.Argument(["sides"], metavar="[A B]", nargs=-1),
            click.Option(["--baseline"], metavar="DIRECTORY", multiple=True, help="A run of A; several times."),
            click.Option(["--candidate"], metavar="DIRECTORY", multiple=True, help="A run of B; several times."),
            click.Option(["--anyway"], is_flag=True, help="Compare runs of different loads too, where that can be."),
            click.Option(
                ["--seed"], type=click.IntRange(0), default=1, show_default=True, help="Of the resamples' randomness."
            ),
            click.Option(
                ["--resamples"],
                type=click.IntRange(500, 100_000),
                default=2000,
                show_default=True,
                help="How often both sides are drawn anew.",
            ),
            click.Option(["--json"], is_flag=True, help="Print the document auroral.compare/1."),
            click.Option(["--markdown"], is_flag=True, help="Print Markdown for a pull request."),
        ],
    )
)
bench.add_command(remote)
