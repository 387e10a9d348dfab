"""`auroral bench run` and `auroral bench worker`: interrupts, progress on stderr, reports, exit codes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from auroral.bench.progress import Observer
from auroral.bench.result import Result, encode
from auroral.bench.settings import BenchSettings
from auroral.cli.bench_delivery import STOP_S, send
from auroral.cli.bench_report import write_reports
from auroral.cli.configuration import Configured, configure
from auroral.cli.process import Process
from auroral.cli.signals import heard
from auroral.errors import ExitCode, OutputError
from auroral.json_document import json_text

if TYPE_CHECKING:
    from auroral.bench.stopping import StopSignal

SEVERITY = (ExitCode.OK, ExitCode.INCONCLUSIVE, ExitCode.FAILED, ExitCode.USAGE, ExitCode.INTERRUPTED)
"""Exit codes of iterations, the worst last: a failure that was measured outweighs a measurement in doubt."""


def run(process: Process, flags: Mapping[str, Any], *, config_file: str | None, live: bool, as_json: bool) -> ExitCode:
    """Run the benchmark as often as asked and say what came of it."""
    configured = configure(process, flags, config_file)
    if configured.settings.worker_only:
        return _work(process, configured.settings, live)
    return asyncio.run(_iterate(process, configured, live, as_json))


def work(process: Process, flags: Mapping[str, Any], *, config_file: str | None, live: bool) -> ExitCode:
    """Run workers until they are stopped."""
    return _work(process, configure(process, {**flags, "worker-only": True}, config_file).settings, live)


def generate(
    process: Process, flags: Mapping[str, Any], *, config_file: str | None, live: bool, once: bool
) -> ExitCode:
    """Generate parts of runs over several machines until stopped, or of one."""
    settings = configure(process, flags, config_file).settings
    return asyncio.run(_generate_until_stopped(process, settings, live, once))


def verdict_code(result: Result) -> ExitCode:
    """The exit code of a result."""
    if result.interrupted:
        return ExitCode.INTERRUPTED
    codes = {"pass": ExitCode.OK, "fail": ExitCode.FAILED, "inconclusive": ExitCode.INCONCLUSIVE}
    return codes[result.verdict.status]


def iteration_settings(settings: BenchSettings, number: int, base: str) -> BenchSettings:
    """The settings of one iteration: a directory and, where the user named the run, a run id of its own."""
    return msgspec.structs.replace(
        settings,
        output=str(Path(base) / f"iteration-{number}"),
        run_id=f"{settings.run_id}-{number}" if settings.run_id else None,
    )


def iteration_table(results: list[tuple[Result, Path]]) -> str:
    """One line for each iteration."""
    from auroral.units import format_duration, format_rate

    lines = [f"{'iteration':>9}  {'verdict':12}  {'completed':>10}  {'p99':>18}  directory"]
    for number, (result, directory) in enumerate(results, start=1):
        steady = result.steady
        rate = format_rate(steady.completed_per_s) if steady else "-"
        p99_ms = result.times.latency.p99_ms
        p99 = format_duration(p99_ms / 1e3) if p99_ms is not None else "did not complete"
        verdict = "interrupted" if result.interrupted else result.verdict.status
        lines.append(f"{number:>9}  {verdict:12}  {rate:>10}  {p99:>18}  {directory}")
    return "\n".join(lines)


async def _iterate(process: Process, configured: Configured, live: bool, as_json: bool) -> ExitCode:
    from auroral.bench.run import run as run_benchmark
    from auroral.bench.stopping import StopSignal

    settings, worst = configured.settings, ExitCode.OK
    results: list[tuple[Result, Path]] = []
    stop = StopSignal()
    base = settings.output or f"results/{settings.run_id or _stamp()}"
    with interrupts(stop, at_once_after_s=STOP_S if settings.results_url else None):
        for number in range(1, settings.iterations + 1):
            if stop.requested and number > 1:
                worst = ExitCode.INTERRUPTED
                break
            chosen = iteration_settings(settings, number, base) if settings.iterations > 1 else settings
            if settings.iterations > 1:
                process.err(f"iteration {number} of {settings.iterations}")
            with _observer(process, live) as observer:
                outcome = await run_benchmark(
                    chosen, configuration=configured.values, environ=process.environ, observer=observer, stop=stop
                )
            results.append((outcome.result, outcome.directory))
            codes = [worst, verdict_code(outcome.result), _present(process, outcome.result, outcome.directory, as_json)]
            for error in outcome.unwritten:
                process.err(f"error: {error}")
                codes.append(error.exit_code)
            if chosen.results_url is not None:
                send(process, chosen.results_url, outcome.result, outcome.directory)
            worst = max(codes, key=SEVERITY.index)
            if worst is ExitCode.INTERRUPTED:
                break
    if as_json:
        process.document(_documents([result for result, _ in results], settings.iterations))
    elif settings.iterations > 1:
        process.out(iteration_table(results))
    return worst


def _present(process: Process, result: Result, directory: Path, as_json: bool) -> ExitCode:
    """Write the reports and print the summary. Files that cannot be written take nothing from the summary."""
    from auroral.report.text import summary

    say = process.err if as_json else process.out
    try:
        text, _ = write_reports(result, directory)
    except OutputError as error:
        say(summary(result, None))
        process.err(f"error: {error}")
        return error.exit_code
    say(text)
    return ExitCode.OK


def _documents(results: list[Result], iterations: int) -> str:
    """The result document; with several iterations, a list of them."""
    if iterations == 1:
        return encode(results[0]).decode()
    return json_text(results)


def _work(process: Process, settings: BenchSettings, live: bool) -> ExitCode:
    return asyncio.run(_work_until_stopped(process, settings, live))


async def _work_until_stopped(process: Process, settings: BenchSettings, live: bool) -> ExitCode:
    from auroral.bench.stopping import StopSignal
    from auroral.bench.workers_only import run_workers

    stop = StopSignal()
    with interrupts(stop), _observer(process, live) as observer:
        await run_workers(settings, environ=process.environ, observer=observer, stop=stop)
    return ExitCode.OK


async def _generate_until_stopped(process: Process, settings: BenchSettings, live: bool, once: bool) -> ExitCode:
    from auroral.bench.spread.agent import run_generator
    from auroral.bench.stopping import Stopped, StopSignal
    from auroral.errors import InterruptedRunError

    stop = StopSignal()
    with interrupts(stop), _observer(process, live) as observer:
        try:
            await run_generator(settings, environ=process.environ, observer=observer, stop=stop, once=once)
        except Stopped:
            raise InterruptedRunError("stopped before it waited for any run") from None
    return ExitCode.OK


@contextmanager
def interrupts(stop: StopSignal, *, at_once_after_s: float | None = None) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into requests to stop, for as long as the block lasts.

    `at_once_after_s` after a SIGTERM the stop is at once, without a second one.
    """
    loop = asyncio.get_running_loop()
    hurry: list[asyncio.TimerHandle] = []

    def asked(number: signal.Signals) -> None:
        stop.request()
        if number is signal.SIGTERM and at_once_after_s is not None:
            hurry.append(loop.call_later(at_once_after_s, stop.at_once.set))

    with heard(asked):
        try:
            yield
        finally:
            for handle in hurry:
                handle.cancel()


@contextmanager
def _observer(process: Process, live: bool) -> Iterator[Observer]:
    """Whoever shows the progress on stderr: a live view in a terminal, else plain lines."""
    if live and process.interactive:
        from rich.console import Console

        from auroral.report.live import LiveView

        with LiveView(Console(file=process.stderr)) as view:
            yield view
    else:
        from auroral.report.live import PlainLines

        with PlainLines(process.stderr) as lines:
            yield lines


def _stamp() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
