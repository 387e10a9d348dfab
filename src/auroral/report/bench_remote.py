"""Remote runs as text: the plan of one before it begins, and those that are stored. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from auroral.bench.result import Result
from auroral.ecs.remote.plan import RemotePlan, Sized
from auroral.report import words
from auroral.units import format_duration, format_rate, format_size


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One stored run."""

    run_id: str
    at: str
    """When it was stored: UTC, ISO 8601."""
    files: int
    size_bytes: int
    workload: str = ""
    target_per_s: float | None = None
    verdict: str = ""
    problem: str = ""
    """Why its document could not be read."""


def with_result(bare: Row, result: Result) -> Row:
    """A stored run, with what its document says."""
    return msgspec.structs.replace(
        bare,
        workload=words.workload_names(result),
        target_per_s=max((window.target_per_s for window in result.windows), default=None),
        verdict="interrupted" if result.interrupted else result.verdict.status,
    )


def table(rows: Sequence[Row], where: str, left_out: int) -> str:
    """The stored runs, the newest first."""
    if not rows:
        return f"no runs in {where}"
    width = max(len("run"), *(len(one.run_id) for one in rows))
    lines = [f"{'run':{width}}  {'stored':25}  {'rate':>8}  {'verdict':12}  {'size':>9}  workload"]
    for one in rows:
        rate = format_rate(one.target_per_s) if one.target_per_s is not None else "-"
        size = format_size(one.size_bytes)
        verdict, last = (one.verdict, one.workload) if not one.problem else ("unreadable", one.problem)
        lines.append(f"{one.run_id:{width}}  {one.at:25}  {rate:>8}  {verdict:12}  {size:>9}  {last}")
    if left_out:
        lines.append(f"and {left_out:,} older ones: --limit")
    return "\n".join(lines)


def plan_text(plan: RemotePlan, sized: Sized, length: str, where: str) -> str:
    """What a run is going to do."""
    end = "then stay" if plan.keep_workers else "stay until they are stopped" if plan.detach else "then go"
    return "\n".join(
        [
            f"run        {plan.run_id} on cluster {plan.cluster}: {length}",
            f"workers    {sized.words}",
            f"           they come first, at most {format_duration(plan.come_s)}, and {end}",
            *_generators(plan),
            f"results    {where}{plan.run_id}/",
        ]
    )


def _generators(plan: RemotePlan) -> list[str]:
    if plan.agents is None:
        return []
    return [f"generators {plan.agents.count} tasks, and one more that coordinates them; they end with the run"]
