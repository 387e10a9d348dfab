from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from auroral.bench import result as r
from auroral.report.text import WIDTH, summary
from tests.bench.spread.scenes import seen

NAMES = ("pass", "fail", "inconclusive", "interrupted", "stages", "empty", "nothing")
Make = Callable[[str], r.Result]


@pytest.mark.parametrize("name", NAMES)
def test_summaries_are_as_stored(name: str, make: Make, golden: Callable[[str, str], None]) -> None:
    golden(f"{name}.txt", summary(make(name), Path("results") / f"run-{name}"))


@pytest.mark.parametrize("name", [*NAMES, "long"])
def test_lines_fit_in_a_terminal_but_for_commands_to_copy(name: str, make: Make) -> None:
    result = make(name)
    lines = summary(result, None).splitlines()
    assert [line for line in lines if len(line) > WIDTH and line.strip() not in result.cleanup.commands] == []
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_the_verdict_comes_first_and_the_outcomes_sum_to_the_schedule(name: str, make: Make) -> None:
    result = make(name)
    text = summary(result, None)
    assert text.startswith(result.verdict.status.upper())
    block = text.split("scheduled starts\n")[1].split("\n\n")[0]
    shown = [int(count.replace(",", "")) for count in re.findall(r"^  \S.*?  +([\d,]+)  ", block, re.MULTILINE)]
    assert sum(shown) == result.scheduled


def test_nothing_completed_has_no_latency_number(make: Make) -> None:
    row = next(line for line in summary(make("empty"), None).splitlines() if line.startswith("  latency "))
    assert "did not complete" in row
    assert re.findall(r"\d+", row) == ["200"]


def test_a_sum_that_is_not_the_schedule_is_called_a_bug(make: Make) -> None:
    broken = msgspec.structs.replace(make("pass"), scheduled=9999)
    assert "a bug in auroral" in summary(broken, None)


def test_values_beyond_the_histogram_are_said(make: Make) -> None:
    result = make("pass")
    latency = msgspec.structs.replace(result.times.latency, out_of_range=3)
    changed = msgspec.structs.replace(result, times=msgspec.structs.replace(result.times, latency=latency))
    assert "3 beyond the histogram's range" in summary(changed, None)


def test_files_are_named_where_they_were_written(make: Make) -> None:
    assert "results/run-1/report.html" in summary(make("pass"), Path("results/run-1"))
    assert "report.html" not in summary(make("pass"), None)


def test_generators_elsewhere_are_named(make: Make) -> None:
    result = msgspec.structs.replace(make("pass"), spread=[seen(0), seen(1)])
    assert "  generators        2 elsewhere: 1@host, 2@host\n" in summary(result, None)
    assert "elsewhere" not in summary(make("pass"), None)
