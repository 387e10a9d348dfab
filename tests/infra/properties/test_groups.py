"""Properties 7 to 9 and 32: each kept by the base, and broken by one change alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.infra.model import parse
from auroral.infra.needs import needs
from tests.support.deployment_document import (
    PARTIES,
    Document,
    add_edge,
    assert_breaks,
    broken_by,
    deployment,
    findings_of,
)

NET = "module.network"
UNKNOWN_IDS = {"security_group_id": True, "referenced_security_group_id": True}


def test_membership_among_temporal() -> None:
    document = deployment()
    add_edge(document, "ui", "history", 6934)
    broken = broken_by(document.state())
    assert set(broken) == {7, 32}  # and nothing needs it
    assert "membership port 6934 to ui" in broken[7][0]


def test_grpc_from_callers() -> None:
    document = deployment()
    add_edge(document, "benchmark-worker", "history", 7234)
    broken = broken_by(document.state())
    assert set(broken) == {8, 32}
    assert "expected callers of history: frontend, history, matching, worker" in broken[8][0]


def test_nobody_calls_the_worker_role() -> None:
    document = deployment()
    add_edge(document, "frontend", "worker", 7239)
    assert set(broken_by(document.state())) == {8, 32}


def test_a_range_of_ports_opens_those_within() -> None:
    document = deployment()
    rule = document[f'{NET}.aws_vpc_security_group_ingress_rule.edge["ui-to-frontend-7233"]']
    rule["from_port"], rule["to_port"] = 6900, 7300
    broken = broken_by(document.state())
    assert set(broken) == {7, 8, 32} or set(broken) == {7, 32}
    assert any("6900-7300" in one for one in broken[32])


def test_task_groups_off_instances() -> None:
    document = deployment()
    document['module.capacity["main"].aws_launch_template.this']["vpc_security_group_ids"] = ["sg-history"]
    assert_breaks(document, 9, "sg-history")


def test_groups_of_one_shot_tasks_count_too() -> None:
    document = deployment()
    template = document['module.capacity["main"].aws_launch_template.this']
    template["network_interfaces"] = [{"security_groups": ["sg-schema"]}]
    assert_breaks(document, 9, "sg-schema")


def test_instances_whose_groups_a_plan_does_not_know() -> None:
    document = deployment()
    address = 'module.capacity["main"].aws_launch_template.this'
    del document[address]["vpc_security_group_ids"]
    platform = parse(document.plan(unknown={address: {"vpc_security_group_ids": True}}))
    assert set(findings_of(platform, "unknown")) == {9}


def test_a_way_that_is_open_at_one_side_only() -> None:
    document = deployment()
    del document.resources[f'{NET}.aws_vpc_security_group_ingress_rule.edge["history-to-dsql-endpoint-5432"]']
    assert_breaks(document, 32, "history → dsql-endpoint:5432", "no ingress at dsql-endpoint")


def test_a_way_that_nobody_needs() -> None:
    document = deployment()
    add_edge(document, "ui", "dsql-endpoint", 5432)
    assert_breaks(document, 32, "ui → dsql-endpoint:5432 is open, and nothing needs it")


def test_the_limiters_table_is_reached_only_where_it_is_used() -> None:
    document = deployment()
    add_edge(document, "history", "prefix:dynamodb", 443)
    assert_breaks(document, 32, "prefix:dynamodb")
    document = deployment(limiter="distributed")
    del document.resources[f'{NET}.aws_vpc_security_group_egress_rule.edge["history-to-prefix-dynamodb-443"]']
    assert_breaks(document, 32, "the distributed limiter counts there")


def test_a_plan_tells_edges_by_their_keys() -> None:
    document = deployment()
    plan = document.plan(unknown=_unknown_ids(document))
    assert broken_by(plan) == {}
    assert findings_of(parse(plan), "unknown") == {}
    add_edge(document, "ui", "history", 7234)
    assert set(broken_by(document.plan(unknown=_unknown_ids(document)))) == {8, 32}


def test_a_key_that_says_nothing_is_unknown() -> None:
    document = deployment()
    rule = f'{NET}.aws_vpc_security_group_egress_rule.edge["ui-to-frontend-7233"]'
    values = document.resources.pop(rule)
    other = f'{NET}.aws_vpc_security_group_egress_rule.edge["ui-calls"]'
    document.add(other, **values)
    found = parse(document.plan(unknown=_unknown_ids(document)))
    assert 32 in findings_of(found, "unknown")


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_way_more_or_less_is_found(data: st.DataObject) -> None:
    document = deployment()
    egress = sorted(one for one in document.resources if "egress_rule" in one)
    if data.draw(st.booleans()):
        del document.resources[data.draw(st.sampled_from(egress))]
    else:
        source, target = data.draw(st.sampled_from(PARTIES)), data.draw(st.sampled_from(PARTIES))
        port = data.draw(st.sampled_from([22, 443, 5432, 8080, 9090]))
        wanted = {(one.source, one.target, one.port) for one in needs(PARTIES)}
        if (source, target, port) in wanted:
            return
        add_edge(document, source, target, port)
    assert 32 in broken_by(document.state())


def _unknown_ids(document: Document) -> dict[str, object]:
    return {one: UNKNOWN_IDS for one in document.resources if "gress_rule" in one}
