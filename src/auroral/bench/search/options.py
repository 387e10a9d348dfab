"""The table of a search's own settings, and what of a run's settings a search leaves out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from auroral.bench import option_values as values
from auroral.bench.option_values import Kind
from auroral.bench.options import SEARCH_PREFIX, SEARCH_TABLE, SETTINGS, TABLE, resolve_bench
from auroral.bench.search.settings import SearchSettings, problems
from auroral.config import FileLayer, Resolved, Setting, resolve

GROUP = "Search"

_DEFAULTS = SearchSettings(slo=())

LEFT_OUT: Mapping[str, str] = {
    "target-rate": "a search chooses the rates: bound them with --least-rate and --most-rate",
    "duration": "a search chooses how long each step is: --step, --confirm and --budget say how long it may take",
    "ramp-up": "each step of a search has its ramp: --ramp says how long",
    "stages": "a search chooses the rates: bound them with --least-rate and --most-rate",
    "count": "the steps of a search end by time: --step and --confirm say how long they are",
    "iterations": "run the command again to repeat a search",
    "eager-start": "workers of a search serve all of its steps, and generators end with each",
    "worker-only": "use `auroral bench worker` for workers elsewhere, and --generator-only here",
    "manifest": "it is for `auroral bench worker`: a search's workers serve all of its steps",
    "max-p99-latency": "the objective is --slo 'latency.p99<=…'",
    "min-throughput": "the objective is --slo; that the completed rate keeps up is always asked for",
    "threshold": "the objective is --slo, with the same expressions",
    "results-url": "a search's results stay in their directory: copy it where it is wanted",
}
"""Settings of a run that a search does not take, and what to use instead."""

RUN_SETTINGS: tuple[Setting, ...] = tuple(setting for setting in SETTINGS if setting.name not in LEFT_OUT)
"""Settings that every step has in common."""


def _setting(name: str, field: str, kind: Kind, words: str, *, default: str = "", multiple: bool = False) -> Setting:
    return Setting(
        name=name,
        field=field,
        parse=kind.parse,
        expected=kind.expected,
        help=words,
        group=GROUP,
        environment=(SEARCH_PREFIX + name.upper().replace("-", "_"),),
        default=attrgetter(field)(_DEFAULTS),
        default_text=default,
        show=kind.show,
        multiple=multiple,
        metavar=kind.metavar,
    )


SEARCH_SETTINGS: tuple[Setting, ...] = (
    _setting("slo", "slo", values.threshold(),
             "What a rate must meet to count as sustained, such as 'latency.p99<500ms'; repeatable: all must hold.",
             default="none: it must be given", multiple=True),
    _setting("start-rate", "start_per_s", values.rate(0, above=True), "The first rate tried.",
             default="10/s, within the bounds"),
    _setting("least-rate", "least_per_s", values.rate(0, above=True), "The least rate of interest."),
    _setting("most-rate", "most_per_s", values.rate(0, above=True), "The most rate of interest."),
    _setting("precision", "precision", values.ratio(), "How narrow, by ratio, the bracket around the limit becomes."),
    _setting("step", "step_s", values.duration(1, values.MAX_DURATION_S), "What is measured of each step."),
    _setting("ramp", "ramp_s", values.duration(0, values.MAX_DURATION_S),
             "Ramp at the start of each step, not measured."),
    _setting("confirm", "confirm_s", values.duration(1, values.MAX_DURATION_S),
             "What is measured of the step that confirms the rate found."),
    _setting("budget", "budget_s", values.duration(1, values.MAX_DURATION_S), "Load in all, ramps included."),
    _setting("settle-limit", "settle_limit_s", values.duration(0, 3600),
             "How long backlog may take to clear between two steps."),
)  # fmt: skip


def resolve_search(*, flags: Mapping[str, Any], environ: Mapping[str, str], file: FileLayer | None) -> Resolved:
    """Resolve the search's own settings, and check them against each other."""
    own = None if file is None else FileLayer(file.path, _only(file.content, SEARCH_TABLE))
    resolved = resolve(
        SEARCH_SETTINGS, flags=flags, environ=environ, file=own, table=SEARCH_TABLE, prefix=SEARCH_PREFIX
    )
    if not resolved.problems:
        resolved.problems += problems(build_search(resolved), origin=lambda name: resolved.origins[name].text)
    return resolved


def build_search(resolved: Resolved) -> SearchSettings:
    """Make the settings of values without problems."""
    return SearchSettings(**{setting.field: resolved.values[setting.name] for setting in SEARCH_SETTINGS})


def resolve_steps(*, flags: Mapping[str, Any], environ: Mapping[str, str], file: FileLayer | None) -> Resolved:
    """Resolve what all steps have in common. What a search leaves out is told where environment or file give it."""
    left_out = [setting for setting in SETTINGS if setting.name in LEFT_OUT]
    variables = [name for setting in left_out for name in setting.environment if environ.get(name, "").strip()]
    section = (file.content.get(TABLE) if file is not None else None) or {}
    keys = [name for name in LEFT_OUT if isinstance(section, Mapping) and name in section]
    if file is not None and keys:
        kept = {name: value for name, value in section.items() if name not in LEFT_OUT}
        file = FileLayer(file.path, {**file.content, TABLE: kept})
    resolved = resolve_bench(
        flags=flags, environ={name: text for name, text in environ.items() if name not in variables}, file=file
    )
    by_variable = {name: setting.name for setting in left_out for name in setting.environment}
    resolved.warnings += [f"{name} has no effect here: {LEFT_OUT[by_variable[name]]}" for name in variables]
    if file is not None:
        resolved.warnings += [f"{file.path}: [{TABLE}] {name} has no effect here: {LEFT_OUT[name]}" for name in keys]
    return resolved


def _only(content: Mapping[str, Any], table: str) -> dict[str, Any]:
    return {table: content[table]} if table in content else {}
