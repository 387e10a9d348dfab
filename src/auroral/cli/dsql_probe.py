"""`auroral dsql probe`: options to a probe, interrupts, its document, exit codes."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from auroral import __version__
from auroral.cli.dsql_target import find_target, run_where
from auroral.cli.process import Process
from auroral.cli.signals import heard
from auroral.cli.where import Asked, refuse_here
from auroral.errors import ExitCode, UsageError
from auroral.units import parse_duration_s, parse_rate_per_s

if TYPE_CHECKING:
    from auroral.bench.histogram import Histogram
    from auroral.deployment import Deployment
    from auroral.dsql.probe import Probe
    from auroral.dsql.probe_plan import Measure, ProbeOptions, ProbeOutcome
    from auroral.dsql.target import DsqlTarget


def probe(
    process: Process, flags: Mapping[str, Any], where: Asked, words: Sequence[str], *, json: bool, **asked: Any
) -> ExitCode:
    """Probe a cluster and print what was found. `words`: the same command line for a task."""
    options = _options(**asked)
    say = process.document if json else process.out

    def here(deployment: Deployment | None) -> ExitCode:
        refuse_here(where)
        return _here(process, find_target(process, flags, deployment), options, as_json=json)

    return run_where(process, flags, where, here=here, in_task=lambda run, more: run([*words, *more], say))


def _here(process: Process, target: DsqlTarget, options: ProbeOptions, *, as_json: bool) -> ExitCode:
    from auroral.report.dsql_probe import document, encode, text

    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dt%H%M%S}_{secrets.token_hex(2)}"
    histograms, outcome = asyncio.run(_measure(process, target, options, run_id))
    found = document(
        target,
        options,
        outcome,
        histograms,
        run_id=run_id,
        started_at=started.isoformat(timespec="seconds"),
        version=__version__,
    )
    if as_json:
        process.document(encode(found))
    else:
        process.out(text(found))
    if outcome.error is not None:
        process.err(f"error: {outcome.error}")
    return exit_code(outcome)


def exit_code(outcome: ProbeOutcome) -> ExitCode:
    """The exit code of a probe, the weightiest reason first."""
    if outcome.consistent is False:
        return ExitCode.FAILED
    if outcome.interrupted:
        return ExitCode.INTERRUPTED
    if outcome.error is not None or outcome.left_behind:
        return ExitCode.UNREACHABLE
    return ExitCode.OK


def _options(*, connections: int, rate: str, duration: str, writers: int, keys: int, timeout: str) -> ProbeOptions:
    from auroral.dsql.probe_plan import ProbeOptions

    try:
        return ProbeOptions(
            connections=connections,
            rate_per_s=_read("--rate", parse_rate_per_s, rate),
            duration_s=_read("--duration", parse_duration_s, duration),
            writers=writers,
            keys=keys,
            timeout_s=_read("--timeout", parse_duration_s, timeout),
        )
    except ValueError as error:
        raise UsageError(f"expected --{error}", hint="auroral dsql probe --help") from error


def _read(flag: str, parse: Callable[[str], float], text: str) -> float:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{flag}: expected {error}", hint="auroral dsql probe --help") from error


async def _measure(
    process: Process, target: DsqlTarget, options: ProbeOptions, run_id: str
) -> tuple[dict[Measure, Histogram], ProbeOutcome]:
    from auroral.bench.histogram import Histogram
    from auroral.dsql.probe import Probe

    histograms: defaultdict[Measure, Histogram] = defaultdict(Histogram)

    def record(measure: Measure, seconds: float) -> None:
        histograms[measure].record_us(round(seconds * 1e6))

    one = Probe(target, options, run_id=run_id, record=record, say=process.err)
    with _interrupts(one):
        await one.run()
    return dict(histograms), one.outcome


@contextmanager
def _interrupts(one: Probe) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP end the measurement with what it has; a second one ends it at once.

    The table is dropped after either, and no further one ends that.
    """
    task = asyncio.current_task()
    assert task is not None

    def asked(_number: signal.Signals) -> None:
        if one.outcome.interrupted and not one.cleaning:
            task.cancel()
        one.stop()

    with heard(asked):
        try:
            yield
        except asyncio.CancelledError as error:
            raise KeyboardInterrupt from error
