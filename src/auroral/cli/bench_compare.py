"""`auroral bench compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError
from auroral.json_document import json_text

if TYPE_CHECKING:
    from auroral.bench.compare import Run


def compare_runs(
    process: Process,
    sides: Sequence[str],
    *,
    baseline: Sequence[str],
    candidate: Sequence[str],
    anyway: bool,
    seed: int,
    resamples: int,
    form: str,
) -> ExitCode:
    """Read both sides, compare them and print it. Raises `UsageError` for what cannot be compared."""

    from auroral.bench.comparable import objections
    from auroral.bench.compare import compare
    from auroral.report.compare import markdown, text

    first, second = (_runs(names) for names in _named(sides, baseline, candidate))
    found = objections(*([run.result for run in side] for side in (first, second)))
    if found and not anyway:
        raise UsageError(
            "\n".join(["these runs cannot be compared:", *(f"  {objection}" for objection in found)]),
            hint="give runs of the same load, or --anyway to compare what can be",
        )
    comparison = compare(first, second, seed=seed, resamples=resamples, overruled=found)
    if form == "json":
        process.document(json_text(comparison))
    elif form == "markdown":
        process.document(markdown(comparison))
    else:
        process.out(text(comparison))
    return {"worse": ExitCode.FAILED, "inconclusive": ExitCode.INCONCLUSIVE}.get(comparison.verdict, ExitCode.OK)


def _named(
    sides: Sequence[str], baseline: Sequence[str], candidate: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """The two sides, by either way of naming them."""
    if len(sides) == 2 and not baseline and not candidate:
        return [sides[0]], [sides[1]]
    if not sides and baseline and candidate:
        return baseline, candidate
    came = [f"{len(sides)} without a flag"] if sides else []
    came += [
        f"{len(names)} × {flag}" for flag, names in (("--baseline", baseline), ("--candidate", candidate)) if names
    ]
    raise UsageError(
        f"expected two sides to compare, but came {', '.join(came) or 'none'}",
        hint="auroral bench compare A1,A2 B1,B2, or --baseline A1 --baseline A2 --candidate B1 --candidate B2",
    )


def _runs(names: Sequence[str]) -> list[Run]:
    from auroral.bench.compare_files import read_run

    places = [place.strip() for name in names for place in name.split(",")]
    if not all(places):
        raise UsageError(
            f"expected directories with commas between them, but came {','.join(names)!r}",
            hint="name each run's directory once: A1,A2",
        )
    return [read_run(place) for place in places]
