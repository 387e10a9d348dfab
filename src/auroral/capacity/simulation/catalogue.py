"""The package's scenarios, by name. Pure but for reading the package's files, or a file through an argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

from auroral.capacity.simulation.scenario import Scenario
from auroral.capacity.simulation.scenario_file import parse
from auroral.config import did_you_mean
from auroral.errors import ConfigurationError, Problem

ORDER = (
    "cold-start",
    "rolling-deployment",
    "zone-loss",
    "dsql-refuses",
    "dsql-hangs",
    "mass-expiry",
    "all-cut",
    "scale-out",
    "counter-out",
    "counter-throttled",
    "clock-skew",
    "day",
)
"""The names, the usual before the rare, the longest last."""


@cache
def builtin(name: str) -> Scenario:
    """The package's scenario of this name."""
    text = (files("auroral.capacity") / "scenarios" / f"{name}.toml").read_text(encoding="utf-8")
    return parse(text, name=name, origin=f"{name}.toml of auroral")


def load(source: str, *, read_text: Callable[[Path], str]) -> Scenario:
    """The package's scenario of this name, or the one in this TOML file. Raises `ConfigurationError`."""
    if source in ORDER:
        return builtin(source)
    path = Path(source)
    hint = "auroral capacity simulate --list names the scenarios; one of your own is a file ending in .toml"
    if path.suffix.lower() != ".toml":
        expected = f"one of {', '.join(ORDER)}{did_you_mean(source, ORDER)}"
        raise ConfigurationError([Problem("scenario", source, "SCENARIO", expected)], hint=hint)
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        expected = f"a file that can be read ({reason})"
        raise ConfigurationError([Problem("scenario", source, "SCENARIO", expected)], hint=hint) from error
    return parse(text, name=path.stem, origin=source)
