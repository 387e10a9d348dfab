"""From flags, environment and file to the settings that a command runs with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from auroral.bench.options import (
    CONFIG_VARIABLE,
    NAMESPACE_EXPECTED,
    SETTINGS,
    benchmark_namespace,
    build,
    resolve_bench,
    shown_value,
)
from auroral.bench.result import ConfigValue
from auroral.bench.settings import BenchSettings
from auroral.cli.process import Process
from auroral.config import FileLayer, Resolved, parse_file
from auroral.errors import OutputError, Problem, UsageError


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark command is to work with."""

    settings: BenchSettings
    values: list[ConfigValue]
    """Every setting with its origin, as the result keeps it."""


def resolve_layers(process: Process, flags: Mapping[str, Any], config_file: str | None) -> Resolved:
    """Resolve the layers of one command. Raises `OutputError` or `UsageError` where the file is no use."""
    return resolve_bench(flags=flags, environ=process.environ, file=read_file(process, config_file))


def configure(process: Process, flags: Mapping[str, Any], config_file: str | None) -> Configured:
    """Resolve the layers, print their warnings and build the settings. Raises `ConfigurationError`."""
    resolved = resolve_layers(process, flags, config_file)
    for warning in resolved.warnings:
        process.err(f"warning: {warning}")
    values = config_values(process, resolved)
    return Configured(settings=build(resolved), values=values)


def config_values(process: Process, resolved: Resolved) -> list[ConfigValue]:
    """List every setting with the value that a run would use and where it comes from.

    Where there are no problems yet, the target is completed from Temporal's own configuration, which may add one.
    Raises `UsageError` where that configuration cannot be read.
    """
    shown = {
        setting.name: (shown_value(setting, resolved), resolved.origins[setting.name].text) for setting in SETTINGS
    }
    if not resolved.problems:
        shown |= _target_values(process, resolved)
    for problem in resolved.problems:
        if problem.name in shown:  # else what stands there is the default, which nobody asked for
            shown[problem.name] = (problem.value, problem.origin)
    return [ConfigValue(name=name, value=value, origin=origin) for name, (value, origin) in shown.items()]


def _target_values(process: Process, resolved: Resolved) -> dict[str, tuple[str, str]]:
    """What Temporal's own configuration says of the target, where none of our layers does."""
    from auroral.temporal.connect import resolve

    target = build(resolved).target
    found = resolve(target, process.environ, namespace_given=target.namespace_given)
    if found is None:
        return {}
    connection = found.connection
    known = {"address": connection.address, "namespace": connection.namespace, "tls": str(connection.tls).lower()}
    values = {name: (text, found.origins[name]) for name, text in known.items() if not resolved.given(name)}
    if connection.api_key is not None:
        values["api-key"] = ("given, not shown", found.origins["api-key"])
    if not target.allow_namespace and not benchmark_namespace(connection.namespace):
        resolved.problems.append(
            Problem("namespace", connection.namespace, found.origins["namespace"], NAMESPACE_EXPECTED)
        )
    return values


def read_file(process: Process, config_file: str | None) -> FileLayer | None:
    """Read the configuration file, if one is named. Raises `OutputError` or `UsageError` where it is no use."""
    named_by = "--config" if config_file is not None else CONFIG_VARIABLE
    path = config_file if config_file is not None else process.environ.get(CONFIG_VARIABLE, "").strip()
    if config_file is not None and not path.strip():
        raise UsageError("expected a file after --config, not ''", hint="leave --config out to use none")
    if not path:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise OutputError(
            f"there is no configuration file {path} (from {named_by})", hint=f"it is looked up from {Path.cwd()}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise OutputError(
            f"the configuration file {path} (from {named_by}) cannot be read: {reason}",
            hint="expected a TOML file with settings below a line [bench]",
        ) from error
    return parse_file(path, text)
