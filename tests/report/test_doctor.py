"""A diagnosis as a person and as a program reads it."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from auroral.doctor.checks import Check, Diagnosis, Group, Sized, State
from auroral.report.doctor import conclusion, encode, text

LONG = "aws --region eu-west-1 service-quotas request-service-quota-increase --service-code ec2 --quota-code L-1216C47A"
CHECKS = (
    Check(group=Group.CREDENTIALS, name="credentials", state=State.OK, found="arn:aws:iam::123456789012:user/me"),
    Check(
        group=Group.QUOTAS,
        name="EC2 on-demand standard vCPUs",
        state=State.MISSING,
        found="32 vCPU, 8 used; the preset dev needs 56: 32 too few",
        remedy=f"{LONG} --desired-value 64",
    ),
    Check(
        group=Group.QUOTAS,
        name="DSQL clusters",
        state=State.UNKNOWN,
        found="denied: " + "a policy of the organization's says no " * 4,
        remedy="allow servicequotas:ListServiceQuotas to the caller",
    ),
    Check(group=Group.TOOLS, name="session-manager-plugin", state=State.WARN, found="1.2.707.0", remedy="a newer one"),
)


def _diagnosis(*checks: Check, reached: bool | None = True) -> Diagnosis:
    return Diagnosis(
        auroral_version="1.0.0",
        at="2026-11-26T12:00:00+00:00",
        region="eu-west-1",
        account_id="123456789012",
        needs=Sized(source="the preset dev", vcpus=56),
        aws_reached=reached,
        checks=checks,
    )


def test_the_text(golden: Callable[[str, str], None]) -> None:
    golden("doctor.txt", text(_diagnosis(*CHECKS)))


def test_a_remedy_stays_on_one_line_to_be_copied() -> None:
    lines = text(_diagnosis(*CHECKS)).splitlines()
    assert [line.strip() for line in lines if LONG in line] == [f"> {LONG} --desired-value 64"]


@pytest.mark.parametrize(
    ("checks", "reached", "told"),
    [
        (CHECKS[:1], True, "ready: nothing is wanting"),
        (CHECKS[2:], True, "ready: 0 ok, 1 warn, 1 not known"),
        (CHECKS, True, "NOT READY: 1 ok, 1 missing, 1 warn, 1 not known"),
        (CHECKS[1:2], False, "UNREACHABLE: AWS does not answer in eu-west-1: 1 missing"),
        ((), None, "ready: nothing is wanting"),
    ],
)
def test_the_conclusion(checks: tuple[Check, ...], reached: bool | None, told: str) -> None:
    assert conclusion(_diagnosis(*checks, reached=reached)) == told


def test_the_document_holds_everything() -> None:
    diagnosis = _diagnosis(*CHECKS)
    document = json.loads(encode(diagnosis))
    assert document["schema"] == "auroral.doctor/1"
    assert document["checks"][1]["state"] == "missing"
    assert msgspec.convert(document, Diagnosis) == diagnosis
