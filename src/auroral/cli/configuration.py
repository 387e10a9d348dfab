"""From flags, environment and file to the settings that a command runs with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from auroral.bench.options import CONFIG_VARIABLE, SETTINGS, build, resolve_bench, shown_value
from auroral.bench.result import ConfigValue
from auroral.bench.settings import BenchSettings
from auroral.cli.process import Process
from auroral.config import FileLayer, Resolved, parse_file
from auroral.errors import OutputError


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark command is to work with."""

    settings: BenchSettings
    values: list[ConfigValue]
    """Every setting with its origin, as the result keeps it."""


def resolve_layers(process: Process, flags: Mapping[str, Any], config_file: str | None) -> Resolved:
    """Resolve the layers of one command. Raises `OutputError` or `UsageError` where the file is no use."""
    return resolve_bench(flags=flags, environ=process.environ, file=_read_file(process, config_file))


def configure(process: Process, flags: Mapping[str, Any], config_file: str | None) -> Configured:
    """Resolve the layers, print their warnings and build the settings. Raises `ConfigurationError`."""
    resolved = resolve_layers(process, flags, config_file)
    for warning in resolved.warnings:
        process.err(f"warning: {warning}")
    settings = build(resolved)
    return Configured(settings=settings, values=config_values(process, resolved))


def config_values(process: Process, resolved: Resolved) -> list[ConfigValue]:
    """List every setting with the value that a run would use and where it comes from."""
    return [
        ConfigValue(name=setting.name, value=shown_value(setting, resolved), origin=resolved.origins[setting.name].text)
        for setting in SETTINGS
    ]


def _read_file(process: Process, config_file: str | None) -> FileLayer | None:
    named_by = "--config" if config_file else CONFIG_VARIABLE
    path = config_file or process.environ.get(CONFIG_VARIABLE, "").strip()
    if not path:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise OutputError(
            f"there is no configuration file {path} (from {named_by})", hint=f"it is looked up from {Path.cwd()}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise OutputError(f"the configuration file {path} (from {named_by}) cannot be read: {reason}") from error
    return parse_file(path, text)
