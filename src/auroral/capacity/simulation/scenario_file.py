"""Scenario files: TOML text → scenario, with every problem at once. Pure."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import msgspec

from auroral.capacity.simulation.scenario import (
    OUTAGES,
    ZONES,
    Action,
    Begin,
    Counter,
    Database,
    Event,
    Limits,
    Policy,
    Scenario,
    ServiceShape,
    Tasks,
    can_roll,
    lower,
    upper,
)
from auroral.capacity.simulation.spec import Limiter
from auroral.config import did_you_mean, escaped, toml_fault
from auroral.errors import ConfigurationError, Problem
from auroral.units import parse_duration_s, parse_rate_per_s, parse_ratio

SERVICES = ("history", "matching", "frontend", "worker")
"""The services with a pool on DSQL."""

LONGEST_S = 7 * 86_400
_DURATION = "a duration such as 500ms, 10s, 5m or 1h30m"


class Key(NamedTuple):
    """One key of a table: the attribute it sets, and how its value is read."""

    attribute: str
    kind: str
    low: float = 0
    high: float = 1_000_000
    choices: Sequence[str] = ()


def _duration(attribute: str, low: float = 0, high: float = LONGEST_S) -> Key:
    return Key(attribute, "duration", low, high)


def _whole(attribute: str, low: int = 0, high: int = 100_000) -> Key:
    return Key(attribute, "whole", low, high)


_SERVICE = {
    "name": Key("service", "choice", choices=SERVICES),
    "replicas": _whole("replicas", 1, 500),
    "pool-size": _whole("pool_size", 1, 10_000),
    "rate": Key("rate_per_s", "rate", 0.01, 10_000),
    "burst": _whole("burst", 1, 10_000),
    "reservoir": _whole("reservoir", 0, 10_000),
    "max-replicas": _whole("max_replicas", 1, 500),
    "min-healthy-percent": _whole("min_healthy_percent", 0, 100),
    "max-percent": _whole("max_percent", 100, 200),
    "requests": Key("requests_per_s", "rate", 0, 1_000_000),
}
_SERVICE_NEEDS = ("name", "replicas", "pool-size", "rate", "burst")

_POLICY = {
    "limiter": Key("limiter", "choice", choices=get_args(Limiter)),
    "stagger": _duration("stagger_s", 0, 3600),
    "lifetime": _duration("lifetime_s", 1, 3600),
    "jitter": Key("jitter", "ratio", 0, 0.99),
    "connect-timeout": _duration("connect_timeout_s", 0.1, 600),
    "max-opening": _whole("max_opening", 1, 100),
    "warmup-retries": _whole("warmup_retries", 1, 100),
    "warmup-backoff": _duration("warmup_backoff_s", 0.001, 60),
    "warmup-max-backoff": _duration("warmup_max_backoff_s", 0.001, 600),
    "acquire-timeout": _duration("acquire_timeout_s", 0.001, 3600),
    "hold-median": _duration("hold_median_s", 0.0001, 60),
    "hold-p99": _duration("hold_p99_s", 0.0001, 600),
    "clock-skew": _duration("clock_skew_s", 0, 3600),
}
_DATABASE = {
    "connect-rate": Key("connect_rate_per_s", "rate", 1, 100_000),
    "connect-burst": _whole("connect_burst", 1, 1_000_000),
    "max-connections": _whole("max_connections", 1, 1_000_000),
    "session-lifetime": _duration("session_lifetime_s", 1, 86_400),
    "connect-median": _duration("connect_median_s", 0.0001, 60),
    "connect-p99": _duration("connect_p99_s", 0.0001, 600),
}
_COUNTER = {
    "limit": _whole("limit_per_s", 1, 100_000),
    "median": _duration("median_s", 0.0001, 60),
    "p99": _duration("p99_s", 0.0001, 60),
}
_TASKS = {
    "start": _duration("start_s", 0, 3600),
    "drain": _duration("drain_s", 0, 3600),
    "linger": _duration("linger_s", 0, 3600),
}
_ASSERT = {
    "refused": _whole("refused", 0),
    "converged-within": _duration("converged_within_s", 0.001),
    "longest-wait": _duration("longest_wait_s", 0, 3600),
    "short": _duration("short_s"),
    "most-connections": _whole("most_connections", 1, 1_000_000),
}
_SERVICES_KEY = Key("services", "services")
_EVENT_KEYS: dict[Action, dict[str, Key]] = {
    "start": {"services": _SERVICES_KEY, "over": _duration("over_s")},
    "deploy": {"services": _SERVICES_KEY},
    "lose-zone": {"zone": Key("zone", "choice", choices=ZONES), "replaced-after": _duration("replaced_after_s")},
    "kill": {
        "services": _SERVICES_KEY,
        "count": _whole("count", 1, 500),
        "replaced-after": _duration("replaced_after_s"),
    },
    "refuse-connects": {"for": _duration("for_s", 0.001), "how": Key("how", "choice", choices=("refuse", "hang"))},
    "cut": {"services": _SERVICES_KEY, "share": Key("share", "ratio", 0, 1)},
    "expire": {"services": _SERVICES_KEY},
    "scale": {"services": _SERVICES_KEY, "to": Key("to", "scale", 1, 500), "over": _duration("over_s")},
    "load": {"factor": Key("factor", "number", 0, 1_000), "over": _duration("over_s")},
    "counter-fails": {"for": _duration("for_s", 0.001), "how": Key("how", "choice", choices=("throttle", "out"))},
}
_EVENT_NEEDS: dict[Action, tuple[str, ...]] = {
    "refuse-connects": ("for",),
    "counter-fails": ("for",),
    "load": ("factor",),
}
_TABLES = ("assert", "policy", "database", "counter", "tasks")
_TOP = ("about", "duration", "begin", "service", "event", *_TABLES)


def parse(text: str, *, name: str, origin: str) -> Scenario:
    """Read a scenario. `origin` names the file. Raises `ConfigurationError` with every problem."""
    try:
        document = tomllib.loads(text.removeprefix("\ufeff"))  # a byte order mark, as some editors write it
    except (ValueError, RecursionError) as error:
        raise ConfigurationError([Problem("scenario", "text", origin, f"valid TOML: {toml_fault(error)}")]) from error
    reader = _Reader(origin)
    scenario = reader.scenario(document, name)
    if not reader.problems:
        reader.problems += consistency(scenario, origin)
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return scenario


def consistency(scenario: Scenario, origin: str) -> list[Problem]:
    """What single values cannot show: events out of order or beyond the end, deployments that cannot move."""
    problems = _times(scenario, origin)
    known = {shape.service for shape in scenario.services}
    if len(known) < len(scenario.services):
        names = ", ".join(shape.service for shape in scenario.services)
        problems.append(Problem("service", names, origin, "each service once"))
    for index, event in enumerate(scenario.events, start=1):
        unknown = [service for service in event.services if known and service not in known]
        if unknown:
            expected = f"services of this scenario: {', '.join(sorted(known))}"
            problems.append(Problem(f"event[{index}].services", ", ".join(unknown), origin, expected))
        if event.do == "lose-zone" and event.zone not in ZONES[: scenario.zones if scenario.zones > 1 else 0]:
            expected = (
                f"one of {', '.join(ZONES[: scenario.zones])}" if scenario.zones > 1 else "a cluster in two zones"
            )
            problems.append(Problem(f"event[{index}].zone", event.zone, origin, expected))
        if event.do == "deploy":
            problems += rolls(scenario, event, f"event[{index}]", origin)
    for table, median_s, p99_s in (
        ("policy.hold", scenario.policy.hold_median_s, scenario.policy.hold_p99_s),
        ("database.connect", scenario.database.connect_median_s, scenario.database.connect_p99_s),
        ("counter", scenario.counter.median_s, scenario.counter.p99_s),
    ):
        if p99_s < median_s:
            problems.append(Problem(f"{table}-p99", f"{p99_s:g} s", origin, f"at least the median, {median_s:g} s"))
    if scenario.policy.lifetime_s > scenario.database.session_lifetime_s:
        expected = f"at most DSQL's session of {scenario.database.session_lifetime_s:g} s"
        problems.append(Problem("policy.lifetime", f"{scenario.policy.lifetime_s:g} s", origin, expected))
    return problems


def rolls(scenario: Scenario, event: Event, path: str, origin: str) -> list[Problem]:
    """The services of a deployment that ECS could not replace one task of."""
    shapes = [shape for shape in scenario.services if not event.services or shape.service in event.services]
    return [
        Problem(
            f"{path}.services",
            shape.service,
            origin,
            f"percentages that let a task be replaced: {shape.min_healthy_percent} % of {shape.replicas} keeps "
            f"{lower(shape.replicas, shape.min_healthy_percent)}, {shape.max_percent} % allows "
            f"{upper(shape.replicas, shape.max_percent)}",
        )
        for shape in shapes
        if not can_roll(shape)
    ]


def _times(scenario: Scenario, origin: str) -> list[Problem]:
    problems, before_s = [], 0.0
    for index, event in enumerate(scenario.events, start=1):
        if event.at_s < before_s:
            problems.append(
                Problem(f"event[{index}].at", f"{event.at_s:g} s", origin, f"events in order: at least {before_s:g} s")
            )
        if event.at_s >= scenario.duration_s or (event.do in OUTAGES and event.ends_s >= scenario.duration_s):
            end = f"begin and end before the scenario does, at {scenario.duration_s:g} s"
            problems.append(Problem(f"event[{index}]", f"{event.at_s:g} s, {event.do}", origin, end))
        before_s = event.at_s
    if scenario.begin == "stopped" and not any(event.do == "start" for event in scenario.events):
        problems.append(Problem("begin", "stopped", origin, "an event that starts tasks, or begin = warm"))
    if not scenario.events:
        problems.append(Problem("event", "none", origin, "at least one [[event]]"))
    return problems


class _Reader:
    """Reads one document and gathers its problems."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.problems: list[Problem] = []

    def scenario(self, document: Mapping[str, Any], name: str) -> Scenario:
        self._unknown(document, "", _TOP)
        about = document.get("about")
        if not isinstance(about, str) or not about.strip():
            self._problem("about", about, "a sentence that says what the scenario is")
        duration_s = self._value("duration", document.get("duration"), _duration("", 1))
        begin = self._value("begin", document.get("begin", "warm"), Key("", "choice", choices=get_args(Begin)))
        tables = {
            table: self._table(table, document.get(table, {}), keys)
            for table, keys in zip(_TABLES, (_ASSERT, _POLICY, _DATABASE, _COUNTER, _TASKS), strict=True)
        }
        services = [
            self._table(f"service[{index}]", entry, _SERVICE, _SERVICE_NEEDS)
            for index, entry in self._entries("service", document.get("service", []))
        ]
        events = [
            self._event(f"event[{index}]", entry) for index, entry in self._entries("event", document.get("event", []))
        ]
        if self.problems:
            return Scenario(name=name, about="", duration_s=1.0)
        return Scenario(
            name=name,
            about=str(about).strip(),
            duration_s=duration_s,
            begin=begin,
            services=tuple(ServiceShape(**fields) for fields in services),
            events=tuple(msgspec.convert(fields, Event) for fields in events),
            limits=Limits(**tables["assert"]),
            policy=Policy(**tables["policy"]),
            database=Database(**tables["database"]),
            counter=Counter(**tables["counter"]),
            tasks=Tasks(**tables["tasks"]),
        )

    def _event(self, path: str, entry: Any) -> dict[str, Any]:
        if not isinstance(entry, Mapping):
            self._problem(path, entry, "a table")
            return {}
        actions = get_args(Action)
        do = self._value(f"{path}.do", entry.get("do"), Key("do", "choice", choices=actions))
        if do is None:
            return {}
        keys = {
            "at": _duration("at_s"),
            "do": Key("do", "choice", choices=actions),
            **_EVENT_KEYS[do],
            "within": _duration("within_s", 0.001),
        }
        fields = self._table(path, entry, keys, ("at", "do", *_EVENT_NEEDS.get(do, ())))
        if do == "counter-fails":
            fields.setdefault("how", "out")
        return fields

    def _entries(self, name: str, value: Any) -> list[tuple[int, Any]]:
        if isinstance(value, list):
            return list(enumerate(value, start=1))
        self._problem(name, value, f"tables, each under [[{name}]]")
        return []

    def _table(self, path: str, value: Any, keys: Mapping[str, Key], needs: Sequence[str] = ()) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            self._problem(path, value, f"a table with {', '.join(keys)}")
            return {}
        self._unknown(value, f"{path}.", keys)
        for key in needs:
            if key not in value:
                self.problems.append(Problem(f"{path}.{key}", "missing", self._origin, self._expected(keys[key])))
        fields = {}
        for key, given in value.items():
            if key in keys:
                read = self._value(f"{path}.{key}", given, keys[key])
                if read is not None:
                    fields[keys[key].attribute] = read
        return fields

    def _unknown(self, table: Mapping[str, Any], prefix: str, known: Sequence[str] | Mapping[str, Key]) -> None:
        for key in table:
            if key not in known:
                expected = f"one of {', '.join(known)}{did_you_mean(key, list(known))}"
                self._problem(f"{prefix}{key}", table[key], expected)

    def _value(self, path: str, value: Any, key: Key) -> Any:
        read = _READERS[key.kind](value, key)
        if read is None:
            near = did_you_mean(value, list(key.choices)) if isinstance(value, str) and key.choices else ""
            self._problem(path, value, self._expected(key) + near)
        return read

    def _expected(self, key: Key) -> str:
        words = {
            "choice": " or ".join(key.choices) if len(key.choices) < 3 else f"one of {', '.join(key.choices)}",
            "services": f"a list of services: {', '.join(SERVICES)}",
            "scale": f'"max", "planned" or a whole number, {key.low:,g} to {key.high:,g}',
            "duration": _DURATION + _bounds_s(key),
            "rate": f"a rate such as 8, 8/s or 480/min, {key.low:g} to {key.high:,g} per second",
            "ratio": f"a ratio such as 0.1 or 10%, at most {key.high:g}",
            "whole": f"a whole number, {key.low:,g} to {key.high:,g}",
            "number": f"a number, {key.low:,g} to {key.high:,g}",
        }
        return words[key.kind]

    def _problem(self, path: str, value: Any, expected: str) -> None:
        self.problems.append(Problem(escaped(path), _shown(value), self._origin, expected))


def _bounds_s(key: Key) -> str:
    low = f", at least {key.low:g} s" if key.low else ""
    return low + (f", at most {LONGEST_S // 86_400} d" if key.high == LONGEST_S else f", at most {key.high:g} s")


def _read_text(parse: Callable[[str], float]) -> Callable[[Any, Key], float | None]:
    def read(value: Any, key: Key) -> float | None:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        try:
            number = parse(value if isinstance(value, str) else repr(value))
        except ValueError:
            return None
        return number if key.low <= number <= key.high else None

    return read


def _read_whole(value: Any, key: Key) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and key.low <= value <= key.high else None


def _read_number(value: Any, key: Key) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and key.low <= value <= key.high
    return float(value) if good else None


def _read_choice(value: Any, key: Key) -> str | None:
    return value if isinstance(value, str) and value in key.choices else None


def _read_services(value: Any, key: Key) -> tuple[str, ...] | None:
    good = isinstance(value, list) and value and all(isinstance(name, str) and name in SERVICES for name in value)
    return tuple(dict.fromkeys(value)) if good else None


def _read_scale(value: Any, key: Key) -> int | str | None:
    return value if value in ("max", "planned") and isinstance(value, str) else _read_whole(value, key)


_READERS: dict[str, Callable[[Any, Key], Any]] = {
    "duration": _read_text(parse_duration_s),
    "rate": _read_text(parse_rate_per_s),
    "ratio": _read_text(parse_ratio),
    "whole": _read_whole,
    "number": _read_number,
    "choice": _read_choice,
    "services": _read_services,
    "scale": _read_scale,
}


def _shown(value: Any) -> str:
    """A value in few characters."""
    if isinstance(value, Mapping):
        text = f"a table with {', '.join(map(str, list(value)[:5])) or 'nothing'}"
    elif value is None:
        text = "missing"
    else:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = escaped(text)
    return text if len(text) <= 60 else f"{text[:57]}..."
