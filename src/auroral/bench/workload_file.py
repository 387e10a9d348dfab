"""Workload files: TOML or YAML text → workload, with every problem at once. Pure: reading a file is an argument."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, get_args

from auroral.bench.durations import Duration, Exponential, LogNormal, Normal, Uniform
from auroral.bench.steps import DEEPEST, MOST_STEPS, STEP_TYPES, Field, Mode, Step, Timer, Workload, validate
from auroral.bench.workload import BUILTINS, builtin
from auroral.config import escaped, toml_fault
from auroral.errors import ConfigurationError, Problem
from auroral.units import parse_duration_s, parse_ratio, parse_size_bytes

Format = Literal["toml", "yaml"]
_FORMATS: dict[str, Format] = {".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}
_DISTRIBUTIONS: dict[str, tuple[type[Uniform | Exponential | LogNormal | Normal], tuple[str, ...], tuple[str, ...]]] = {
    "uniform": (Uniform, ("min", "max"), ()),
    "exponential": (Exponential, ("mean",), ("max",)),
    "lognormal": (LogNormal, ("median", "p99"), ()),
    "normal": (Normal, ("mean", "stddev"), ()),
}
_DURATION = (
    "a duration such as 100ms, a range such as 100ms..600ms, or one of the tables "
    "{uniform = …}, {exponential = …}, {lognormal = …}, {normal = …}"
)
_TEXTS: dict[str, Callable[[str], float]] = {
    "bytes": parse_size_bytes,
    "ratio": parse_ratio,
    "seconds": parse_duration_s,
}
_PLACEHOLDER = Timer()
"""In place of a step that cannot be read, so that the others keep their numbers."""
_Value = TypeVar("_Value")


def load(
    source: str,
    *,
    activity_count: int = 5,
    timer_duration_s: float = 1.0,
    child_count: int = 3,
    read_text: Callable[[Path], str],
    origin: str = "--workload",
) -> Workload:
    """The built-in workload of this name, or the one in this file (`.toml`, `.yaml`, `.yml`).

    Raises `ConfigurationError` with every problem.
    """
    if source in BUILTINS:
        return builtin(
            source, activity_count=activity_count, timer_duration_s=timer_duration_s, child_count=child_count
        )
    path = Path(source)
    format_ = _FORMATS.get(path.suffix.lower())
    if format_ is None:
        _refuse(source, origin, _suggestion(source, BUILTINS))
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        problem = Problem("workload", source, origin, f"a file that can be read ({reason}), or a built-in workload")
        raise ConfigurationError([problem], hint=f"built-in workloads: {', '.join(BUILTINS)}") from error
    return parse(text, format=format_, origin=source)


def parse(text: str, *, format: Format, origin: str) -> Workload:
    """Read a workload file's text; `origin` names the file. Raises `ConfigurationError` with every problem."""
    text = text.removeprefix("\ufeff")  # a byte order mark, as some editors write it
    document = _read_toml(text, origin) if format == "toml" else _read_yaml(text, origin)
    reader = _Reader(origin)
    workload = reader.workload(document)
    # Whatever could not be read has its default by now, so that no problem is told twice.
    problems = [*reader.problems, *validate(workload, origin=origin)]
    if problems:
        raise ConfigurationError(problems)
    return workload


def _read_toml(text: str, origin: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError([Problem("workload", "text", origin, f"valid TOML: {toml_fault(error)}")]) from error


def _read_yaml(text: str, origin: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses what YAML leaves open: a key given twice."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and keys.count(key.value) > 1:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigurationError([Problem("workload", "text", origin, f"valid YAML: {_yaml_fault(error)}")]) from error


def _yaml_fault(error: Exception) -> str:
    """Say what PyYAML found and where. Of numbers and dates it raises Python's own `ValueError`."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    found, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if found is None or mark is None:
        return " ".join(str(error).partition("; use sys.")[0].split())
    return f"{found} (at line {mark.line + 1}, column {mark.column + 1})"


class _Reader:
    """Reads a document and collects what is wrong with it."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._read = 0
        self.problems: list[Problem] = []

    def workload(self, document: Any) -> Workload:
        table = self._table(document, "the workload", ("name", "steps"))
        if isinstance(document, Mapping) and "steps" not in table:
            self._problem("steps", "missing", "a list of steps; an empty one is a workflow that completes at once")
        name = table.get("name", Path(self._origin).stem)
        if not isinstance(name, str):
            self._problem("name", name, "a text")
            name = Path(self._origin).stem
        return Workload(name=name or "", steps=self._steps(table.get("steps", []), "steps", 0))

    def _steps(self, value: Any, path: str, depth: int) -> tuple[Step, ...]:
        if not isinstance(value, list):
            self._problem(path, value, "a list of steps")
            return ()
        if depth > DEEPEST:
            return ()  # `validate` says so; a YAML list may contain itself
        steps: list[Step] = []
        for index, entry in enumerate(value):
            # YAML's aliases can say more steps in a line than memory holds.
            self._read += 1
            if self._read > MOST_STEPS:
                if self._read == MOST_STEPS + 1:
                    self._problem(path, value, f"at most {MOST_STEPS:,} steps, nested ones included")
                break
            steps.append(self._step(entry, f"{path}[{index}]", depth))
        return tuple(steps)

    def _step(self, value: Any, path: str, depth: int) -> Step:
        kinds = f"a table with one of {', '.join(STEP_TYPES)}"
        if isinstance(value, str) and value in STEP_TYPES:
            value = {value: {}}
        if not isinstance(value, Mapping) or len(value) != 1:
            self._problem(path, value, kinds)
            return _PLACEHOLDER
        kind, fields = next(iter(value.items()))
        step_type = STEP_TYPES.get(kind) if isinstance(kind, str) else None
        if step_type is None:
            self._problem(path, kind, kinds + _did_you_mean(kind, STEP_TYPES))
            return _PLACEHOLDER
        return self._read_step(step_type, fields, f"{path}.{kind}", depth)

    def _read_step(self, step_type: type[Step], value: Any, path: str, depth: int) -> Step:
        first = step_type.fields[0]
        if value is None:
            value = {}
        elif not isinstance(value, Mapping) or (first.kind == "duration" and set(value) & set(_DISTRIBUTIONS)):
            value = {first.key: value}
        keys = [field.key for field in step_type.fields]
        table = self._table(value, path, keys + (list(_DISTRIBUTIONS) if first.kind == "duration" else []))
        values: dict[str, Any] = {}
        for field in step_type.fields:
            if field.key in table:
                read = self._field(table[field.key], field, f"{path}.{field.key}", depth)
                if read is not None:
                    values[field.attribute] = read
        return step_type(**values)

    def _field(self, value: Any, field: Field, path: str, depth: int) -> Any:
        if field.kind in _TEXTS:
            return self._text(value, path, _TEXTS[field.kind])
        match field.kind:
            case "int":
                return self._whole(value, path, f"a whole number, {field.low:,g} to {field.high:,g}")
            case "duration":
                return self._duration(value, path)
            case "bool":
                return self._check(value, path, isinstance(value, bool), "true or false")
            case "choice":
                modes = get_args(Mode)
                known = isinstance(value, str) and value in modes
                return self._check(value, path, known, " or ".join(modes) + _did_you_mean(value, modes))
            case _:
                return self._steps(value, path, depth + 1)

    def _whole(self, value: Any, path: str, expected: str) -> Any:
        if isinstance(value, str) and re.fullmatch(r"[0-9_]{1,18}", value.strip()) and value.strip("_ "):
            return int(value.replace("_", ""))
        return self._check(value, path, isinstance(value, int) and not isinstance(value, bool), expected)

    def _text(self, value: Any, path: str, read: Callable[[str], _Value]) -> _Value | None:
        """Read a number or a text with its unit."""
        try:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                return read("")
            return read(value if isinstance(value, str) else repr(value))
        except ValueError as error:
            self._problem(path, value, str(error).partition(", not ")[0])
            return None

    def _duration(self, value: Any, path: str) -> Duration | None:
        if isinstance(value, Mapping):
            return self._distribution(value, path)
        if isinstance(value, str) and ".." in value:
            low, _, high = value.partition("..")
            try:
                return Uniform(min_s=parse_duration_s(low), max_s=parse_duration_s(high))
            except ValueError:
                self._problem(path, value, "a range of two durations such as 100ms..600ms")
                return None
        if isinstance(value, list):
            self._problem(path, value, _DURATION)
            return None
        return self._text(value, path, parse_duration_s)

    def _distribution(self, table: Mapping[Any, Any], path: str) -> Duration | None:
        name = next(iter(table)) if len(table) == 1 else None
        if not isinstance(name, str) or name not in _DISTRIBUTIONS:
            self._problem(path, sorted(map(str, table)), _DURATION + _did_you_mean(name, _DISTRIBUTIONS))
            return None
        kind, required, optional = _DISTRIBUTIONS[name]
        inner = table[name]
        if not isinstance(inner, Mapping):
            if len(required) > 1:
                self._problem(f"{path}.{name}", inner, f"a table with {' and '.join(required)}")
                return None
            inner = {required[0]: inner}
        known = (*required, *optional)
        before = len(self.problems)
        fields = self._table(inner, f"{path}.{name}", known)
        for key in required:
            if key not in fields:
                self._problem(f"{path}.{name}.{key}", "missing", "a duration")
        values: dict[str, Any] = {
            f"{key}_s": self._text(fields[key], f"{path}.{name}.{key}", parse_duration_s)
            for key in known
            if key in fields
        }
        return kind(**values) if len(self.problems) == before else None

    def _table(self, value: Any, path: str, known: Iterable[str]) -> Mapping[Any, Any]:
        known = list(known)
        if not isinstance(value, Mapping):
            self._problem(path, value, f"a table with {', '.join(known)}")
            return {}
        prefix = "" if path == "the workload" else f"{path}."
        for key in value:
            if key not in known:
                self._problem(f"{prefix}{key}", value[key], _suggestion(key, known))
        return value

    def _check(self, value: Any, path: str, good: bool, expected: str) -> Any:
        if good:
            return value
        self._problem(path, value, expected)
        return None

    def _problem(self, path: str, value: Any, expected: str) -> None:
        self.problems.append(Problem(escaped(path), _shown(value), self._origin, expected))


def _refuse(source: str, origin: str, expected: str) -> NoReturn:
    hint = "a workload of your own is a file ending in .toml, .yaml or .yml"
    raise ConfigurationError([Problem("workload", source, origin, expected)], hint=hint)


def _suggestion(key: Any, known: Iterable[str]) -> str:
    known = list(known)
    return f"one of {', '.join(known)}{_did_you_mean(key, known)}"


def _did_you_mean(key: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(key), list(known), n=1)
    return f"; did you mean {near[0]}?" if near and near[0] != key else ""


def _shown(value: Any) -> str:
    """A value in few characters."""
    match value:
        case str():
            text = value
        case Mapping():
            text = f"a table with {', '.join(map(str, list(value)[:5])) or 'nothing'}"
        case list():
            text = f"a list of {len(value)}"
        case _:
            text = json.dumps(value, default=str)
    text = escaped(text)
    return text if len(text) <= 60 else f"{text[:57]}..."
