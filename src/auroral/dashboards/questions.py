"""What dashboards and rule files ask of Prometheus, with Grafana's variables filled in. Pure.

Dashboards: Grafana's classic JSON, whoever wrote it. PromQL is not parsed but read for what it selects; Prometheus
says itself what does not parse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

ANY = ".*"
"""What a variable stands for: all of its values."""


class Asked(StrEnum):
    """By what a question is asked."""

    PANEL = "panel"
    VARIABLE = "variable"
    RECORD = "record"
    ALERT = "alert"


class Question(msgspec.Struct, frozen=True):
    """One query of one file."""

    file: str
    name: str
    """Of the panel, variable or rule."""
    by: Asked
    expr: str
    """As Prometheus can be asked it."""


class Selector(msgspec.Struct, frozen=True):
    """What a query selects: a metric, and matchers of its labels as they are written."""

    metric: str
    matchers: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As PromQL has it."""
        return f"{self.metric}{{{','.join(self.matchers)}}}" if self.matchers else self.metric

    @property
    def labels(self) -> tuple[str, ...]:
        """Those that its matchers name."""
        return tuple(re.split(r"[=!]", one, maxsplit=1)[0].strip() for one in self.matchers)


class Others(msgspec.Struct, frozen=True):
    """Queries of a dashboard that are not Prometheus' to answer, by the kind of their data source."""

    file: str
    kind: str
    queries: int


def of_dashboard(
    file: str, document: Mapping[str, Any], *, window: str, span: str
) -> tuple[list[Question], list[Others]]:
    """Every query of a dashboard's panels and variables.

    `window` stands for `$__rate_interval` and `$__interval`, `span` for `$__range`: durations as PromQL has them.
    """
    variables = _items(document.get("templating", {}), "list")
    values = {"__rate_interval": window, "__interval": window, "__range": span}
    values |= {str(one.get("name", "")): _value(one) for one in variables}
    questions: list[Question] = []
    others: dict[str, int] = {}
    for one in variables:
        kind = _kind(one.get("datasource"))
        if one.get("type") != "query":
            continue
        if kind:
            others[kind] = others.get(kind, 0) + 1
        elif expr := _of_variable(one.get("query")):
            questions.append(Question(file, str(one.get("name")), Asked.VARIABLE, filled(expr, values)))
    for panel in _panels(document):
        for target in _items(panel, "targets"):
            kind = _kind(target.get("datasource") or panel.get("datasource"))
            if kind:
                others[kind] = others.get(kind, 0) + 1
            elif expr := str(target.get("expr") or ""):
                title = str(panel.get("title") or f"panel {panel.get('id', '?')}")
                questions.append(Question(file, title, Asked.PANEL, filled(expr, values)))
    return questions, [Others(file, kind, count) for kind, count in sorted(others.items())]


def of_rules(file: str, document: Mapping[str, Any]) -> list[Question]:
    """Every query of a rule file."""
    found = []
    for group in _items(document, "groups"):
        for rule in _items(group, "rules"):
            by = Asked.ALERT if "alert" in rule else Asked.RECORD
            found.append(Question(file, str(rule.get(str(by), "?")), by, str(rule.get("expr", ""))))
    return found


def filled(expr: str, values: Mapping[str, str]) -> str:
    """Put values in the place of `$name`, `${name}`, `${name:format}` and `[[name]]`, longest names first.

    Where a label is to be equal to a variable that stands for any value, it is to match it instead.
    """
    for name in sorted(values, key=len, reverse=True):
        value, word = values[name], re.escape(name)
        written = rf"(?:\$\{{{word}(?::\w+)?\}}|\[\[{word}(?::\w+)?\]\]|\${word}\b)"
        if value == ANY:
            expr = re.sub(rf'(?<![!=])=\s*"{written}"', f'=~"{ANY}"', expr)
        expr = re.sub(written, value.replace("\\", r"\\"), expr)
    return expr


def selectors(expr: str) -> tuple[Selector, ...]:
    """What a query selects, each once: names with or without matchers, not functions, labels and keywords."""
    names = (token for token in _TOKEN.finditer(expr) if token["name"] and token["call"] is None)
    found = (Selector(token["name"], _matchers(token["matchers"] or "")) for token in names)
    return tuple(dict.fromkeys(one for one in found if one.metric not in _WORDS))


_GROUPING = "by|without|on|ignoring|group_left|group_right"
_WORDS = frozenset(
    {*_GROUPING.split("|"), "and", "or", "unless", "offset", "bool", "atan2", "inf", "nan", "Inf", "NaN"}
)
_STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_TOKEN = re.compile(
    # Passed over: labels behind `by` and the like, ranges, texts, numbers.
    rf"(?<![\w:.])(?:{_GROUPING})\s*\([^)]*\)"
    r"|\[[^\]]*\]"
    rf"|{_STRING}"
    rf"|(?<![\w:.])(?P<name>[a-zA-Z_:][\w:]*)\s*(?:(?P<call>\(|(?=(?:by|without)\b))|\{{(?P<matchers>(?:{_STRING}|[^}}\"'])*)\}})?"
    r"|\d[\w.]*"
)
_MATCHER = re.compile(rf"\s*[a-zA-Z_]\w*\s*(?:=~|!~|!=|=)\s*(?:{_STRING})")
_LABEL_VALUES = re.compile(r"\s*label_values\(\s*(?:(?P<selected>.*),)?\s*(?P<label>\w+)\s*\)\s*", re.DOTALL)


def _matchers(text: str) -> tuple[str, ...]:
    return tuple(one.group().strip() for one in _MATCHER.finditer(text))


def _of_variable(query: Any) -> str:
    """A question that has an answer where the variable has values; empty: it asks for no series."""
    text = str(query.get("query") or "") if isinstance(query, dict) else str(query or "")
    asked = re.fullmatch(r"\s*query_result\((.*)\)\s*", text, re.DOTALL)
    if asked:
        return asked[1]
    found = _LABEL_VALUES.fullmatch(text)
    if not found or not found["selected"]:
        return ""
    selected, label = found["selected"].strip(), f'{found["label"]}!=""'
    if selected.endswith("}"):
        return f"count({selected[:-1].rstrip(', ')}{'' if selected[:-1].rstrip().endswith('{') else ','}{label}}})"
    return f"count({selected}{{{label}}})"


def _value(variable: Mapping[str, Any]) -> str:
    """What to put in its place."""
    if variable.get("type") in ("query", "datasource", None):
        return ANY
    current = variable.get("current") or {}
    value = current.get("value") if isinstance(current, dict) else None
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else ANY
    if value in (None, "", "$__all", "$__auto"):
        options = str(variable.get("query") or "").split(",")
        value = ANY if value == "$__all" else options[0].strip()
    return str(value or ANY)


def _kind(source: Any) -> str:
    """The kind of data source that is not Prometheus; empty: Prometheus, of whatever make."""
    kind = str(source.get("type") or "") if isinstance(source, dict) else ""
    return "" if not kind or "prometheus" in kind or kind == "datasource" else kind


def _panels(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those in rows, too."""
    for panel in _items(document, "panels"):
        yield panel
        yield from _panels(panel)


def _items(document: Any, key: str) -> Sequence[Mapping[str, Any]]:
    found = document.get(key) if isinstance(document, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
