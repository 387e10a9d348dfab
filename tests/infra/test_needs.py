"""The table of what each party has to reach, held against what else says it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from auroral.infra.needs import CALLERS, GRPC_PORTS, MEMBERSHIP_PORTS, TEMPORAL, needs
from tests.support.deployment_document import PARTIES

ENVIRONMENT = Path(__file__).parents[2] / "docs/reference/server-environment.md"


@pytest.mark.parametrize(("kind", "ports"), [("GRPC", GRPC_PORTS), ("MEMBERSHIP", MEMBERSHIP_PORTS)])
def test_ports_are_those_of_the_server(kind: str, ports: dict[str, int]) -> None:
    text = ENVIRONMENT.read_text()
    for role, port in ports.items():
        assert re.search(rf"`{role.upper()}_{kind}_PORT` \|[^|]*\|[^|]*\| `{port}`", text), role


def test_every_need_says_why_and_none_twice() -> None:
    found = needs(PARTIES, distributed_limiter=True, egress_mode="nat")
    assert all(one.reason for one in found)
    keys = [(one.source, one.target, one.port) for one in found]
    assert len(set(keys)) == len(keys)


def test_members_reach_every_member() -> None:
    found = {(one.source, one.target, one.port) for one in needs(TEMPORAL)}
    assert {(a, b, MEMBERSHIP_PORTS[b]) for a in TEMPORAL for b in TEMPORAL} <= found


def test_callers_are_those_who_need_to() -> None:
    found = {(one.source, one.target, one.port) for one in needs(PARTIES)}
    for target, port in GRPC_PORTS.items():
        callers = {source for source, to, at in found if (to, at) == (target, port)}
        assert callers == set(CALLERS[target]) - ({"operator"} if target == "frontend" else set())


def test_who_is_not_there_needs_nothing() -> None:
    assert needs([]) == ()
    assert {one.source for one in needs(["ui"])} == {"ui"}


def test_the_limiter_and_nat_ask_for_more() -> None:
    plain = set(needs(PARTIES))
    assert {one.target for one in set(needs(PARTIES, distributed_limiter=True)) - plain} == {"prefix:dynamodb"}
    assert {one.target for one in set(needs(PARTIES, egress_mode="nat")) - plain} == {"0.0.0.0/0"}
