"""The rule files that are committed and loaded. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from auroral.dashboards import rule_records
from auroral.dashboards.metrics import BY_NAME, Metric
from auroral.dashboards.rule_collection import COLLECTION
from auroral.dashboards.rule_dsql import DSQL
from auroral.dashboards.rule_records import RECORDS, limits_file
from auroral.dashboards.rule_temporal import TEMPORAL
from auroral.dashboards.rules import Alert, RuleFile

FOLDER = "observability/rules"
"""From the root of the checkout."""

TERRAFORM_FOLDER = "infra/stacks/platform/rules"
"""Copies that Terraform loads: a deployment works in a copy of infra/ alone. Limits are not among them: there they are
the deployment's own (infra/stacks/platform/metrics.tf)."""

LIMITS = limits_file()
DEPLOYED = (RECORDS, DSQL, TEMPORAL, COLLECTION)
FILES: tuple[RuleFile, ...] = (LIMITS, *DEPLOYED)
ALERTS: tuple[Alert, ...] = tuple(rule for file in FILES for rule in file.rules if isinstance(rule, Alert))
KNOWN: Mapping[str, Metric] = {
    **BY_NAME,
    **{metric.name: metric for metric in vars(rule_records).values() if isinstance(metric, Metric)},
}
"""Every metric that is scraped or recorded, by its name."""


def texts() -> Mapping[str, str]:
    """Every file that is built from rules, by its path from the root of the checkout."""
    return {
        **{f"{FOLDER}/{file.name}.yaml": file.text for file in FILES},
        **{f"{TERRAFORM_FOLDER}/{file.name}.yaml": file.text for file in DEPLOYED},
    }
