"""All properties together: statuses, waivers, and the table that people read."""

from __future__ import annotations

import datetime

import pytest

from auroral.infra.check import judge
from auroral.infra.model import parse
from auroral.infra.properties import PROPERTIES
from auroral.infra.waivers import Waiver
from auroral.report.infra_check import render
from tests.support.deployment_document import Document, deployment

TODAY = datetime.date(2026, 11, 25)
POLICY = 'module.task["ui"].aws_iam_role_policy.task'


def wide() -> Document:
    document = deployment()
    document.set_statements(POLICY, {"Action": "s3:GetObject", "Resource": "*"})
    return document


def waiver(**more: object) -> Waiver:
    given = {"property": "no-star-resource", "address": POLICY, "reason": "said why"}
    return Waiver(**{**given, **more})  # type: ignore[arg-type]


def test_there_are_32_numbered_in_order_with_names_of_their_own() -> None:
    assert [one.number for one in PROPERTIES] == list(range(1, 33))
    assert len({one.name for one in PROPERTIES}) == 32
    assert all(one.why.endswith(".") for one in PROPERTIES)


def test_all_hold() -> None:
    judgement = judge(parse(deployment().plan()), today=TODAY)
    assert judgement.passed
    assert {one.status for one in judgement.verdicts} == {"pass"}
    assert "passed: 32 of 32 properties hold" in render(judgement)


def test_one_is_broken() -> None:
    judgement = judge(parse(wide().plan()), today=TODAY)
    assert not judgement.passed
    assert [one.number for one in judgement.failures] == [13]
    text = render(judgement)
    assert "13 no-star-resource: A right on everything" in text
    assert f"  {POLICY}: allows s3:GetObject on *: expected its resources by ARN" in text
    assert "FAILED: 31 of 32" in text


def test_a_waiver_accepts_with_its_reason() -> None:
    judgement = judge(parse(wide().plan()), waivers=[waiver(until=TODAY)], today=TODAY)
    assert judgement.passed
    assert "said why, until 2026-11-25" in render(judgement)


def test_a_waiver_ends() -> None:
    over = waiver(until=TODAY - datetime.timedelta(days=1))
    judgement = judge(parse(wide().plan()), waivers=[over], today=TODAY)
    assert not judgement.passed
    text = render(judgement)
    assert "its waiver ended on 2026-11-24" in text
    assert "a waiver can go" in text


def test_a_waiver_that_waives_nothing_is_told() -> None:
    judgement = judge(parse(deployment().plan()), waivers=[waiver()], today=TODAY)
    assert judgement.useless == (waiver(),)
    assert "a waiver can go: no-star-resource" in render(judgement)


@pytest.mark.parametrize("address", ["aws_other.x", "module.task"])
def test_a_waiver_of_another_place_does_not_count(address: str) -> None:
    assert not judge(parse(wide().plan()), waivers=[waiver(address=address)], today=TODAY).passed


def test_what_a_plan_does_not_know() -> None:
    document = deployment()
    del document[POLICY]["policy"]
    judgement = judge(parse(document.plan(unknown={POLICY: {"policy": True}})), today=TODAY)
    assert judgement.passed
    assert {one.number for one in judgement.open} == {10, 11, 13}
    assert "3 not known yet" in render(judgement)
    assert "auroral infra check --state" in render(judgement)


def test_a_plan_of_nothing() -> None:
    judgement = judge(parse('{"format_version": "1.2", "resource_changes": []}'), today=TODAY)
    assert judgement.passed
    assert {one.status for one in judgement.verdicts} == {"nothing"}


def test_many_findings_are_cut() -> None:
    document = deployment()
    for number in range(20):
        document.add(f"module.x.aws_security_group_rule.r{number}", type="ingress", cidr_blocks=["0.0.0.0/0"])
    assert "and 8 more" in render(judge(parse(document.plan()), today=TODAY))
