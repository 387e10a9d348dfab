"""Whether every query has data, and if not, why not. Pure but for the way to ask that it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from auroral.dashboards.metrics import BY_NAME, Metric
from auroral.dashboards.questions import ANY, Asked, Others, Question, Selector, selectors
from auroral.errors import ExitCode

Ask = Callable[[str], int]
"""How many series of a query have a number. Raises `QueryError`, and whatever it means that nobody answers."""


class QueryError(Exception):
    """Prometheus refused a query: it does not parse, or cannot be evaluated."""


class Finding(StrEnum):
    """What became of a question."""

    DATA = "data"
    SILENT = "silent"
    """A rule whose condition does not hold, though everything that it compares has data."""
    AWAITED = "awaited"
    """Something has to happen before there is a series."""
    EMPTY = "empty"
    """Everything that it selects has data, and the whole has none."""
    MISSING = "missing"
    """A metric or a label of it is not there."""
    REFUSED = "refused"
    """Prometheus does not understand it."""


FAILURES = (Finding.REFUSED, Finding.MISSING, Finding.EMPTY)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A question and what became of it."""

    file: str
    name: str
    by: Asked
    expr: str
    finding: Finding
    why: str = ""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    results: Sequence[Result]
    others: Sequence[Others]
    """What Prometheus was not asked."""

    @property
    def counts(self) -> Mapping[Finding, int]:
        """How many of each."""
        found = Counter(one.finding for one in self.results)
        return {finding: found[finding] for finding in Finding}

    @property
    def exit_code(self) -> ExitCode:
        """Of the command."""
        return ExitCode.FAILED if any(one.finding in FAILURES for one in self.results) else ExitCode.OK


class Judge:
    """Asks questions and judges their answers; a selector is asked for once."""

    def __init__(self, ask: Ask, questions: Iterable[Question], known: Mapping[str, Metric] = BY_NAME) -> None:
        """`questions`: all of them, for what is recorded by one and asked for by another.

        `known`: metrics by name, for what has to happen before there is a series of them.
        """
        self._ask = ask
        self._known = known
        self._recorded = {one.name: one for one in questions if one.by is Asked.RECORD}
        self._answers: dict[str, int] = {}

    def judge(self, question: Question) -> Result:
        """Ask, and where there are no data find out why. Raises what `ask` raises but `QueryError`."""
        finding, why = self._judged(question)
        return Result(
            file=question.file, name=question.name, by=question.by, expr=question.expr, finding=finding, why=why
        )

    def _judged(self, question: Question) -> tuple[Finding, str]:
        try:
            if self._series(question.expr):
                return Finding.DATA, ""
        except QueryError as error:
            return Finding.REFUSED, str(error)
        reasons = [reason for one in selectors(question.expr) if (reason := self._lacks(one)) is not None]
        for finding in (Finding.MISSING, Finding.AWAITED):
            if found := [why for what, why in reasons if what is finding]:
                return finding, "; ".join(dict.fromkeys(found))
        if question.by is Asked.ALERT:
            return Finding.SILENT, ""
        return Finding.EMPTY, "each of its series is there, and together they come to nothing"

    def _lacks(self, selector: Selector) -> tuple[Finding, str] | None:
        """Why a selector has no data; None: it has."""
        if self._series(_count(selector)):
            return None
        if not self._series(f"count({selector.metric})"):
            return self._absent(selector.metric)
        for label in selector.labels:
            if not self._series(f'count({selector.metric}{{{label}!=""}})'):
                return Finding.MISSING, f"{selector.metric} has no label {label}"
        matchers = ",".join(one for one in selector.matchers if not one.endswith(f'=~"{ANY}"'))
        return Finding.AWAITED, f"{selector.metric} has had no {{{matchers}}} yet"

    def _absent(self, name: str) -> tuple[Finding, str]:
        if name in self._recorded:
            finding, why = self._judged(self._recorded[name])
            if finding is Finding.DATA:
                file = self._recorded[name].file
                return Finding.MISSING, f"nothing records {name}: the rules of {file} are not loaded"
            return Finding.AWAITED if finding is Finding.AWAITED else Finding.MISSING, why
        bases = (name, *(name.removesuffix(suffix) for suffix in ("_bucket", "_sum", "_count")))
        after = next((self._known[base].only_after for base in bases if base in self._known), "")
        if after:
            return Finding.AWAITED, f"{name} comes with {after}"
        return Finding.MISSING, f"there is no metric {name}"

    def _series(self, query: str) -> int:
        if query not in self._answers:
            self._answers[query] = self._ask(query)
        return self._answers[query]


def _count(selector: Selector) -> str:
    return f"count({selector.text})"


def checked(results: Iterable[Result], others: Iterable[Others]) -> Checked:
    """Put together what was found."""
    return Checked(results=tuple(results), others=tuple(others))
