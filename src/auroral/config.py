"""Layers of configuration: flags, environment, a TOML file, defaults → typed values with origins and problems.

Pure: the environment and the file's text are arguments. This is the one way in which an environment variable
becomes a setting.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from auroral.errors import ConfigurationError, Problem, UsageError
from auroral.redact import without_password

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")
EXPECTED_FLAG = "true or false"


class Layer(IntEnum):
    """Where a value can come from; the lower number wins."""

    FLAG = 1
    ENVIRONMENT = 2
    FILE = 3
    TEMPORAL = 4
    """Temporal's own environment configuration; `auroral.temporal.connect` reads it."""
    DEFAULT = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one value came from."""

    layer: Layer
    text: str
    """As a reader finds it: `--duration`, `BENCHMARK_DURATION`, `bench.toml: [bench] duration`, `default`."""

    @property
    def given(self) -> bool:
        """Whether somebody asked for the value."""
        return self.layer is not Layer.DEFAULT


DEFAULT = Origin(Layer.DEFAULT, "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing that can be configured: its names, its range and its words for help and reference."""

    name: str
    """The flag without its dashes, and the key in TOML."""
    field: str
    """Path in the settings struct, e.g. `target.address`."""
    parse: Callable[[str], Any]
    """Text → value (of one item, where `multiple`). Raises `ValueError` saying what was expected."""
    expected: str
    """The range in words."""
    help: str
    group: str
    """Topic in help and reference."""
    environment: tuple[str, ...]
    """Environment variables, the first one shown."""
    default: Any = None
    default_text: str = ""
    """What stands for a default that is no value, e.g. `half of the cores`."""
    show: Callable[[Any], str] = str
    """Value (or item) → text that `parse` reads back."""
    multiple: bool = False
    """Whether it takes several items: a repeated flag, commas in a text, an array in TOML."""
    flag: bool = False
    """Whether it is true or false."""
    metavar: str = "TEXT"

    def text(self, value: Any) -> str:
        """Show a value as this setting has it."""
        if value is None or value == ():
            return self.default_text or "none"
        if self.flag:
            return "true" if value else "false"
        return ",".join(self.show(item) for item in value) if self.multiple else self.show(value)


@dataclass(frozen=True, slots=True)
class FileLayer:
    """A parsed configuration file."""

    path: str
    content: Mapping[str, Any]


@dataclass(slots=True)
class Resolved:
    """What the layers came to. With problems, the values of the settings concerned are their defaults."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def given(self, name: str) -> bool:
        """Whether anybody asked for this setting."""
        return self.origins[name].given

    def raise_problems(self) -> None:
        """Raise `ConfigurationError` with all the problems, if there are any."""
        if self.problems:
            raise ConfigurationError(self.problems, hint="`auroral bench config` shows every value and its origin")


def parse_file(path: str, text: str) -> FileLayer:
    """Read a TOML configuration. Raises `UsageError` with the line where it is not TOML."""
    import tomllib

    try:
        return FileLayer(path, tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not valid TOML: {toml_fault(error)}",
            hint='settings stand below a line [bench], such as: duration = "5m"',
        ) from error


def toml_fault(error: ValueError | RecursionError) -> str:
    """Say what `tomllib` found. It raises a plain `ValueError` for a number of more than 4,300 digits."""
    import tomllib

    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it has a number of too many digits"


def printable(text: str) -> bool:
    """Whether a text can stand in a file and on a terminal: no control characters, and nothing but Unicode."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def escaped(text: str) -> str:
    """The text, with what is not printable escaped."""
    return "".join(
        character if printable(character) else character.encode("unicode_escape").decode() for character in text
    )


def parse_flag(text: str) -> bool:
    """Read a boolean. Raises `ValueError`."""
    lowered = text.strip().lower()
    if lowered in TRUE:
        return True
    if lowered in FALSE:
        return False
    raise ValueError(EXPECTED_FLAG)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Name the known name that was probably meant: `; did you mean …?`, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def resolve(
    settings: Sequence[Setting],
    *,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    file: FileLayer | None = None,
    table: str = "bench",
    prefix: str = "BENCHMARK_",
    other_variables: Sequence[str] = (),
) -> Resolved:
    """Choose each setting's value from the highest layer that has one, and collect every problem on the way.

    `flags` maps a setting's name to a text, a list of texts or a bool; None is not given. An empty environment
    variable is not given either. A bad value that a higher layer hides is no problem.
    `other_variables` start with `prefix` too, but are no settings.
    """
    resolved = Resolved()
    section = _section(settings, file, table, resolved)
    for setting in settings:
        found = _flag(setting, flags) or _variable(setting, environ, resolved) or _key(setting, file, section, table)
        value, origin = setting.default, DEFAULT
        if found is not None:
            raw, origin = found
            value, problems = _read(setting, raw, origin)
            resolved.problems += problems
        resolved.values[setting.name] = value
        resolved.origins[setting.name] = origin
    known = [name for setting in settings for name in setting.environment] + list(other_variables)
    for name in sorted(environ):
        if name.startswith(prefix) and name not in known:
            resolved.warnings.append(f"{name} is no setting of auroral and is ignored{did_you_mean(name, known)}")
    return resolved


_Found = tuple[Any, Origin]


def _flag(setting: Setting, flags: Mapping[str, Any]) -> _Found | None:
    raw = flags.get(setting.name)
    if raw is None or raw in ((), []):
        return None
    negated = setting.flag and raw is False
    return raw, Origin(Layer.FLAG, f"--{'no-' if negated else ''}{setting.name}")


def _variable(setting: Setting, environ: Mapping[str, str], resolved: Resolved) -> _Found | None:
    present = [name for name in setting.environment if environ.get(name, "").strip()]
    if not present:
        return None
    if len({environ[name] for name in present}) > 1:
        resolved.problems.append(
            Problem(
                setting.name,
                " and ".join(environ[name] for name in present),
                " and ".join(present),
                "one of these variables, not both",
            )
        )
    return environ[present[0]], Origin(Layer.ENVIRONMENT, present[0])


def _key(setting: Setting, file: FileLayer | None, section: Mapping[str, Any], table: str) -> _Found | None:
    if file is None or setting.name not in section:
        return None
    return section[setting.name], Origin(Layer.FILE, f"{file.path}: [{table}] {setting.name}")


def _section(settings: Sequence[Setting], file: FileLayer | None, table: str, resolved: Resolved) -> Mapping[str, Any]:
    """Take the file's table of settings; report what else is in the file."""
    if file is None:
        return {}
    known = [setting.name for setting in settings]
    for key, value in file.content.items():
        if key == table and isinstance(value, Mapping):
            continue
        if key == table:
            expected = f"a table [{table}]"
        elif key in known:
            expected = f"this key below a line [{table}]"
        else:
            expected = f"only the table [{table}]{did_you_mean(key, [table])}"
        resolved.problems.append(Problem(escaped(key), _brief(value), file.path, expected))
    section = file.content.get(table, {})
    if not isinstance(section, Mapping):
        return {}
    for key, value in section.items():
        if key not in known:
            meant = did_you_mean(key.replace("_", "-"), known)
            resolved.problems.append(
                Problem(
                    escaped(key), _brief(value), f"{file.path}: [{table}] {escaped(key)}", f"a known setting{meant}"
                )
            )
    return section


def _read(setting: Setting, raw: Any, origin: Origin) -> tuple[Any, list[Problem]]:
    if not setting.multiple:
        return _read_one(setting, raw, origin, setting.default)
    items = [part for part in raw.split(",") if part.strip()] if isinstance(raw, str) else raw
    if isinstance(raw, list | tuple) and origin.layer is Layer.FLAG:
        # `--threshold "$UNSET"` is a mistake to tell, not a threshold to leave out.
        items = [part for text in raw for part in str(text).split(",") if part.strip() or not str(text).strip()]
    if not isinstance(items, list | tuple):
        items = [items]
    values, problems = [], []
    if not items and setting.default:
        problems.append(Problem(setting.name, _brief(raw), origin.text, setting.expected))
    for item in items:
        value, found = _read_one(setting, item, origin, None)
        problems += found
        values.append(value)
    return (setting.default if problems else tuple(values)), problems


def _read_one(setting: Setting, raw: Any, origin: Origin, fallback: Any) -> tuple[Any, list[Problem]]:
    problem = Problem(setting.name, _brief(raw), origin.text, setting.expected)
    if isinstance(raw, bool):
        return (raw, []) if setting.flag else (fallback, [problem])
    if not isinstance(raw, str | int | float):
        return fallback, [problem]
    if isinstance(raw, str) and not printable(raw.strip()):
        return fallback, [replace(problem, expected=f"{setting.expected}, without control characters and in UTF-8")]
    try:
        return setting.parse(raw.strip() if isinstance(raw, str) else repr(raw)), []
    except ValueError as error:
        expected = str(error) or setting.expected
        return fallback, [Problem(setting.name, _brief(raw), origin.text, expected)]


def _brief(value: Any) -> str:
    """Show a raw value in a problem: as it is written in TOML, cut where it is long, no password of a URL."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str) and not value.strip():
        text = repr(value)
    else:
        text = escaped(without_password(str(value)))
    return text if len(text) <= 120 else f"{text[:117]}…"
