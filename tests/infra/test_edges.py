"""Edges read from rules: by the groups' ids, and by keys while a plan does not know these."""

from __future__ import annotations

from auroral.infra.edges import edges, parties
from auroral.infra.model import parse
from tests.support.deployment_document import add_edge, deployment

NET = "module.network"


def test_parties_and_endpoints() -> None:
    found = parties(parse(deployment().state()))
    assert {"history", "opensearch", "endpoint:ecr.api"} <= set(found)


def test_both_sides_of_a_way() -> None:
    sides = [
        edge
        for edge in edges(parse(deployment().state()))
        if (edge.source, edge.target) == ("history", "dsql-endpoint")
    ]
    assert [(edge.port, edge.last_port, edge.outward) for edge in sides] == [(5432, 5432, True), (5432, 5432, False)]
    assert not any(edge.by_key for edge in sides)
    assert sides[0].what == "history → dsql-endpoint:5432"


def test_prefix_lists_ranges_and_strangers() -> None:
    document = deployment(egress_mode="nat")
    rule = f"{NET}.aws_vpc_security_group_ingress_rule.hand_made"
    document.add(rule, security_group_id="sg-ui", referenced_security_group_id="sg-of-others", ip_protocol="-1")
    found = {(edge.source, edge.target): edge for edge in edges(parse(document.state()))}
    assert ("benchmark-generator", "prefix:s3") in found
    assert ("instances-main", "0.0.0.0/0") in found
    assert found[("sg-of-others", "ui")].what == "sg-of-others → ui:0-65535"


def test_keys_that_could_be_read_two_ways() -> None:
    document = deployment()
    for party in ("a", "a-to-b", "b-to-c", "c"):
        document.add(f'{NET}.aws_security_group.party["{party}"]', id=f"sg-{party}", name=party)
    add_edge(document, "a-to-b", "c", 1)
    unknown = {"security_group_id": True, "referenced_security_group_id": True}
    key = f'{NET}.aws_vpc_security_group_egress_rule.edge["a-to-b-to-c-1"]'
    told = next(one for one in edges(parse(document.plan(unknown={key: unknown}))) if one.address == key)
    assert told.by_key
    assert (told.source, told.target) == ("?", "?")
