"""Rules: what they name, their form, their limits, and that the files are what is written."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from auroral.dashboards import metrics, rule_files, rule_records
from auroral.dashboards.metrics import BY_NAME, Kind, Metric, Source
from auroral.dashboards.rule_files import ALERTS, FILES, LIMITS, texts
from auroral.dashboards.rule_records import recorded
from auroral.dashboards.rules import (
    INTERVAL_S,
    MAX_FILE_BYTES,
    MAX_NAME,
    MAX_NAMES_BYTES,
    MAX_RULES,
    Alert,
    Record,
    RuleFile,
    Severity,
    metrics_of,
)
from auroral.dsql import limits
from auroral.infra.working_copy import prepare

ROOT = Path(__file__).parents[2]
TESTS = sorted((ROOT / rule_files.FOLDER / "tests").glob("*.yaml"))
RULES = [rule for file in FILES for rule in file.rules]
RECORDED = {value.name: value for value in vars(rule_records).values() if isinstance(value, Metric)}


@functools.cache
def _cases() -> list[dict[str, Any]]:
    return [case for path in TESTS for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]]


def _case_samples(alert: str) -> list[list[dict[str, Any]]]:
    """What the test files expect of an alert that fires, case by case."""
    return [
        asked["exp_samples"]
        for case in _cases()
        for asked in case["promql_expr_test"]
        if f'alertname="{alert}"' in asked["expr"] and 'alertstate="pending"' not in asked["expr"]
    ]


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    assert program is not None, "run: python -m tests.needs"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", sorted(texts()))
def test_files_are_as_written(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == texts()[path], "run: auroral dashboards build"


def test_no_other_file_is_loaded() -> None:
    for folder in (rule_files.FOLDER, rule_files.TERRAFORM_FOLDER):
        there = {f"{folder}/{path.name}" for path in (ROOT / folder).glob("*.yaml")}
        assert there == {path for path in texts() if path.startswith(f"{folder}/")}


def test_terraform_works_with_the_same_rules_in_its_copy(tmp_path: Path) -> None:
    copy = prepare(ROOT / "infra", "platform", tmp_path, local_state=True)
    for file in rule_files.DEPLOYED:
        written = (ROOT / rule_files.FOLDER / f"{file.name}.yaml").read_bytes()
        assert (copy.root / "rules" / f"{file.name}.yaml").read_bytes() == written


def test_terraform_records_the_limits_that_rules_compare_with() -> None:
    text = (ROOT / "infra/stacks/platform/rules.tf").read_text(encoding="utf-8")
    names = re.findall(r'^ +"(auroral:[a-z_:]+)" +=', text, re.MULTILINE)
    told = rule_records.limits_file(history_shards=512).rules
    assert names == [rule.metric.name for rule in told if isinstance(rule, Record)]
    assert f'interval = "{INTERVAL_S}s"' in text


def test_limits_without_a_deployment_are_those_of_dsql() -> None:
    assert [(rule.metric, rule.expr) for rule in LIMITS.rules if isinstance(rule, Record)] == [
        (rule_records.CONNECT_RATE_LIMIT, f"vector({limits.CONNECT_RATE_PER_S})"),
        (rule_records.CONNECTION_LIMIT, f"vector({limits.MAX_CONNECTIONS})"),
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.written.get("alert") or rule.written["record"])
def test_every_name_is_one_of_metrics_or_recorded(rule: Alert | Record) -> None:
    named = metrics_of(rule)
    assert named - BY_NAME.keys() - RECORDED.keys() == set()
    if rule not in LIMITS.rules:
        assert named, "it asks for something"
    assert "$" not in rule.expr, "a rule has no variables"


def test_what_is_asked_of_recorded_metrics_is_recorded() -> None:
    records = {rule.metric.name for rule in RULES if isinstance(rule, Record)} | {rule_records.HISTORY_SHARDS.name}
    assert records == RECORDED.keys()
    assert {name for rule in RULES for name in metrics_of(rule) if ":" in name} <= records


def test_recorded_names_collide_with_none_that_is_scraped() -> None:
    assert all(":" in name and re.fullmatch(r"[a-z0-9_:]+", name) for name in RECORDED)
    assert all(one.source is Source.RULES and one.kind is Kind.GAUGE for one in RECORDED.values())
    assert not any(":" in name for name in BY_NAME)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_who_hears_of_it_and_with_which_numbers(alert: Alert) -> None:
    assert re.fullmatch(r"([A-Z][a-z]+)+", alert.name)
    assert alert.severity in set(Severity)
    assert alert.for_s % INTERVAL_S == 0
    assert len(alert.summary) < 100
    assert "$value" in alert.description or alert.condition in ("== 0", "> 0")
    assert re.search(r"\d", alert.description)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_case_fires_and_another_does_not(alert: Alert) -> None:
    cases = _case_samples(alert.name)
    assert any(cases), "a case in which it fires"
    assert not all(cases), "a case in which it does not"
    for sample in [sample for samples in cases for sample in samples]:
        labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
        assert labels["alertname"] == alert.name
        assert labels["severity"] == alert.severity
        told = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description))
        assert told <= labels.keys(), "its texts name labels that it has"
        assert "cluster" in labels, "and it says which cluster"


def test_alerts_have_names_of_their_own() -> None:
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_is_within_what_aws_takes(file: RuleFile) -> None:
    assert re.fullmatch(r"[0-9A-Za-z][-.0-9A-Z_a-z]*", file.name)
    assert len(file.name) <= MAX_NAME
    assert len(file.text.encode()) <= MAX_FILE_BYTES
    for name, rules in file.groups.items():
        assert len(f"{file.name}{name}".encode()) <= MAX_NAMES_BYTES
        assert 0 < len(rules) <= MAX_RULES
    assert yaml.safe_load(file.text) == {
        "groups": [
            {"name": name, "interval": f"{INTERVAL_S}s", "rules": [rule.written for rule in rules]}
            for name, rules in file.groups.items()
        ]
    }


def test_groups_have_names_of_their_own() -> None:
    names = [name for file in FILES for name in file.groups]
    assert len(set(names)) == len(names)


def test_a_rate_needs_two_scrapes_in_every_window() -> None:
    over_s = {
        int(number) * {"s": 1, "m": 60}[unit]
        for rule in RULES
        for number, unit in re.findall(r"\[(\d+)(s|m)\]", rule.expr)
    }
    assert min(over_s) >= 120, "eight scrapes, so that a lost one does not matter"


def test_a_recorded_metric_is_selected_whole() -> None:
    assert recorded(rule_records.CONNECT_RATE) == "cluster:dsql_connects:rate2m{}"


def test_a_share_of_nothing_counted_is_zero() -> None:
    asked = rule_records.share(metrics.PERSISTENCE_ERRORS, metrics.PERSISTENCE_REQUESTS, ("cluster",))
    assert " or 0 * sum by (cluster)" in asked


def test_promtool_takes_the_rules() -> None:
    ended = _promtool("check", "rules", *(str(ROOT / path) for path in texts()))
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_promtool_finds_alerts_firing_where_they_should(path: Path) -> None:
    ended = _promtool("test", "rules", str(path))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_case_that_expects_wrongly_fails(tmp_path: Path) -> None:
    """What the cases above say is looked at: with the expectations turned round promtool refuses them."""
    text = (TESTS[0]).read_text(encoding="utf-8").replace("../", f"{TESTS[0].parents[1]}/")
    document = yaml.safe_load(text)
    for case in document["tests"]:
        case.pop("alert_rule_test", None)
        case["promql_expr_test"] = [{**asked, "exp_samples": []} for asked in case["promql_expr_test"]]
    (tmp_path / "turned.yaml").write_text(yaml.safe_dump(document))
    ended = _promtool("test", "rules", str(tmp_path / "turned.yaml"))
    assert ended.returncode != 0
    assert "got:" in ended.stdout + ended.stderr
