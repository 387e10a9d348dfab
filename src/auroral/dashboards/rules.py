"""Recording and alerting rules: what one is, and how it is written for Prometheus. Pure.

Form: Prometheus 2.42, "Defining recording rules" and "Alerting rules". Amazon Managed Service for Prometheus takes the
same files, one a rule group namespace ("Rules and alerting", read in November 2026); its limits are named below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from auroral.dashboards.metrics import Metric
from auroral.dashboards.queries import names_in

INTERVAL_S = 30
"""Between two evaluations: two scrapes."""

MAX_NAME = 64
"""Characters of a rule group namespace: Amazon Managed Service for Prometheus API Reference,
CreateRuleGroupsNamespace."""

MAX_NAMES_BYTES = 721
"""Of a namespace and a group together: the same."""

MAX_FILE_BYTES = 64 * 1024
"""Of a file: ours. AWS's quota "Rule group namespace definition file size" is larger."""

MAX_RULES = 20
"""Of a group: ours. A group is evaluated one rule after the other, and a short one is done within its interval."""

RUNBOOKS = "docs/runbooks"


class Severity(StrEnum):
    """Who has to hear of it."""

    PAGE = "page"
    """Somebody, now: workflows fail or stand still, or soon will."""
    TICKET = "ticket"
    """Somebody, today."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A query whose answer is kept under a name."""

    metric: Metric
    asks: str

    @property
    def expr(self) -> str:
        """What Prometheus evaluates."""
        return self.asks

    @property
    def written(self) -> dict[str, Any]:
        """The rule as a file has it."""
        return {"record": self.metric.name, "expr": self.asks}


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A query, and the condition under which somebody hears of its answer."""

    name: str
    """As the runbook's file is named."""
    asks: str
    condition: str
    """Put behind `asks`: `> 0`."""
    for_s: int
    """How long it has to hold."""
    severity: Severity
    summary: str
    description: str
    """Both templates of Prometheus, with labels and value."""

    @property
    def expr(self) -> str:
        """What Prometheus evaluates."""
        return f"{self.asks} {self.condition}"

    @property
    def runbook(self) -> str:
        """Path of the page that says what to do, from the root of the checkout."""
        return f"{RUNBOOKS}/{self.name}.md"

    @property
    def written(self) -> dict[str, Any]:
        """The rule as a file has it."""
        waits = {"for": f"{self.for_s}s"} if self.for_s else {}
        return {
            "alert": self.name,
            "expr": self.expr,
            **waits,
            "labels": {"severity": str(self.severity)},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": self.runbook,
            },
        }


Rule = Record | Alert


class RuleFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file, which is one rule group namespace; its groups by name."""

    name: str
    says: str
    """The comment at its head."""
    groups: Mapping[str, Sequence[Rule]]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those of all groups."""
        return tuple(rule for rules in self.groups.values() for rule in rules)

    @property
    def text(self) -> str:
        """The file."""
        import yaml

        groups = [
            {"name": name, "interval": f"{INTERVAL_S}s", "rules": [rule.written for rule in rules]}
            for name, rules in self.groups.items()
        ]
        body = yaml.safe_dump({"groups": groups}, sort_keys=False, width=100_000, allow_unicode=True)
        return f"# {self.says} Written by `auroral dashboards build`.\n{body}"


def metrics_of(rule: Rule) -> frozenset[str]:
    """Names of what a rule asks for, recorded ones included, without the suffixes of histograms."""
    return names_in(rule.expr)
