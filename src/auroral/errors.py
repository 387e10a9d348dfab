"""The whole error tree: each error carries its facts, an exit code and a hint.

Whoever raises one says what was expected, what came and what to do. `cli` prints it and exits with
`exit_code`; nothing else in auroral decides on an exit status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Every status that auroral exits with."""

    OK = 0
    """Done, and passed where there was something to pass."""
    FAILED = 1
    """A threshold or a check failed."""
    USAGE = 2
    """Wrong usage or configuration."""
    UNREACHABLE = 3
    """A target cannot be reached or is unhealthy."""
    INTERRUPTED = 4
    """Interrupted; partial results are written."""
    INCONCLUSIVE = 5
    """The measurement itself is in doubt."""
    BUG = 70
    """A bug in auroral."""


class AuroralError(Exception):
    """Anything auroral tells its user: a message, a hint and an exit code."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UsageError(AuroralError):
    """What the user asked for cannot be done as asked."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a configuration."""

    name: str
    """The setting, e.g. `target-rate`."""
    value: str
    """The value as it came."""
    origin: str
    """Where it came from, e.g. `--target-rate`, `BENCHMARK_TARGET_RATE`, `bench.toml: [bench] target-rate`."""
    expected: str
    """What would have been accepted."""

    def __str__(self) -> str:
        return f"{self.name} = {self.value} (from {self.origin}): expected {self.expected}"


_MOST_SHOWN = 50


class ConfigurationError(UsageError):
    """All the problems of a configuration at once."""

    def __init__(self, problems: Sequence[Problem], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        head = (
            "the configuration has a problem"
            if len(problems) == 1
            else (f"the configuration has {len(problems)} problems")
        )
        lines = [f"  {problem}" for problem in self.problems[:_MOST_SHOWN]]
        if len(self.problems) > _MOST_SHOWN:
            lines.append(f"  and {len(self.problems) - _MOST_SHOWN:,} more")
        super().__init__("\n".join([f"{head}:", *lines]), hint=hint)


class TargetError(AuroralError):
    """A target cannot be reached, is unhealthy, or refuses what a run needs."""

    exit_code = ExitCode.UNREACHABLE


class OutputError(AuroralError):
    """A file or directory cannot be read or written."""

    exit_code = ExitCode.USAGE


class LostProcessError(AuroralError):
    """A process of ours ended when it should not have."""

    exit_code = ExitCode.INCONCLUSIVE


class InterruptedRunError(AuroralError):
    """The user stopped the run before it had anything to keep."""

    exit_code = ExitCode.INTERRUPTED
