from __future__ import annotations

import pytest

from auroral.errors import AuroralError, ConfigurationError, ExitCode, Problem, TargetError, UsageError


def test_an_error_shows_its_hint() -> None:
    error = UsageError("expected a number", hint="give one")
    assert str(error) == "expected a number\n  hint: give one"
    assert str(UsageError("expected a number")) == "expected a number"


def test_a_configuration_error_lists_every_problem_with_value_origin_and_range() -> None:
    error = ConfigurationError(
        [
            Problem("target-rate", "-1", "--target-rate", "more than 0"),
            Problem("duration", "soon", "BENCHMARK_DURATION", "a duration such as 10s"),
        ]
    )
    assert "2 problems" in error.message
    assert "target-rate = -1 (from --target-rate): expected more than 0" in error.message
    assert "duration = soon (from BENCHMARK_DURATION): expected a duration such as 10s" in error.message
    assert error.exit_code is ExitCode.USAGE


def test_a_thousand_problems_are_not_a_thousand_lines() -> None:
    error = ConfigurationError([Problem(f"step-{number}", "x", "file", "y") for number in range(1_000)])
    assert len(error.message.splitlines()) < 60
    assert "1000 problems" in error.message
    assert "950 more" in error.message
    assert len(error.problems) == 1_000


def test_every_error_has_an_exit_code_of_its_own_kind() -> None:
    def kinds(kind: type[AuroralError]) -> list[type[AuroralError]]:
        return [kind, *(deeper for child in kind.__subclasses__() for deeper in kinds(child))]

    for kind in kinds(AuroralError):
        if not kind.__module__.startswith("auroral."):
            continue  # of another test
        assert isinstance(kind.exit_code, ExitCode)
        if kind is not AuroralError:
            assert kind.exit_code not in (ExitCode.OK, ExitCode.BUG)
    assert TargetError.exit_code == 3


@pytest.mark.parametrize("code", list(ExitCode))
def test_exit_codes_are_documented_numbers(code: ExitCode) -> None:
    assert code in (0, 1, 2, 3, 4, 5, 70)
