"""`auroral bench config`: every setting, its value and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auroral.bench.result import ConfigValue
from auroral.cli.configuration import config_values, resolve_layers
from auroral.cli.process import Process
from auroral.errors import ExitCode
from auroral.json_document import json_text


def show(process: Process, flags: Mapping[str, Any], *, config_file: str | None, as_json: bool) -> ExitCode:
    """Print the resolved settings. Raises `ConfigurationError` where they have problems, after printing."""
    resolved = resolve_layers(process, flags, config_file)
    values = config_values(process, resolved)  # may find a problem of the target
    if as_json:
        document = {
            "settings": values,
            "problems": [
                {"name": found.name, "value": found.value, "origin": found.origin, "expected": found.expected}
                for found in resolved.problems
            ],
            "warnings": resolved.warnings,
        }
        process.document(json_text(document))
    for warning in resolved.warnings:
        process.err(f"warning: {warning}")
    if not as_json:
        process.out(table(values))
    resolved.raise_problems()
    return ExitCode.OK


def table(values: list[ConfigValue]) -> str:
    """Lay the settings out in three columns."""
    rows = [("SETTING", "VALUE", "ORIGIN"), *((value.name, value.value, value.origin) for value in values)]
    name_width = max(len(row[0]) for row in rows)
    value_width = min(40, max(len(row[1]) for row in rows))
    return "\n".join(f"{name:{name_width}}  {value:{value_width}}  {origin}" for name, value, origin in rows)
