"""Properties 1 to 5 and 26: each kept by the base, and broken by one change alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from auroral.infra.model import parse
from tests.support.deployment_document import Document, assert_breaks, broken_by, deployment, findings_of

NET = "module.network"
INGRESS = f"{NET}.aws_vpc_security_group_ingress_rule"


def admit(cidr: str, **more: str | None) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        rule = document[f'{INGRESS}.edge["ui-to-frontend-7233"]']
        document.add(f"{NET}.aws_security_group_rule.old", **{**_old("ingress", cidr), **more})
        assert rule

    return change


def _old(side: str, cidr: str) -> dict[str, object]:
    return {"type": side, "cidr_blocks": [cidr], "protocol": "tcp", "from_port": 80, "to_port": 80}


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "10.0.0.0/16", "10.0.0.0/8", "0.0.0.0/1"])
def test_no_open_ingress(cidr: str) -> None:
    document = deployment()
    admit(cidr)(document)
    assert_breaks(document, 1, cidr, "expected a security group")


def test_no_open_ingress_of_inline_rules_and_ipv6() -> None:
    document = deployment()
    document[f'{NET}.aws_security_group.party["ui"]']["ingress"] = [{"cidr_blocks": [], "ipv6_cidr_blocks": ["::/0"]}]
    assert_breaks(document, 1, "::/0")


def test_a_range_of_others_is_no_open_ingress() -> None:
    document = deployment()
    admit("192.0.2.0/24")(document)
    assert broken_by(document.state()) == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[f'{NET}.aws_subnet.private["us-east-1a"]'].update(map_public_ip_on_launch=True),
        lambda d: d['module.task["ui"].aws_ecs_service.this[0]']["network_configuration"][0].update(
            assign_public_ip=True
        ),
        lambda d: d['module.capacity["main"].aws_launch_template.this'].update(
            network_interfaces=[{"associate_public_ip_address": "true"}]
        ),
        lambda d: d["module.visibility.aws_opensearch_domain.this"].update(vpc_options=[]),
        lambda d: d.add("module.other.aws_instance.bastion", associate_public_ip_address=True),
    ],
    ids=["subnet", "service", "template", "domain", "instance"],
)
def test_no_public_address(change: Callable[[Document], object]) -> None:
    document = deployment()
    change(document)
    assert_breaks(document, 2)


@pytest.mark.parametrize(
    ("address", "values"),
    [
        ("aws_internet_gateway.this[0]", {"id": "igw-1"}),
        ('aws_nat_gateway.this["a"]', {"id": "nat-1"}),
        ('aws_eip.nat["a"]', {"id": "eip-1", "instance": ""}),
        ('aws_route.out["a"]', {"destination_cidr_block": "0.0.0.0/0"}),
    ],
)
def test_internet_in_nat_mode_only(address: str, values: dict[str, str]) -> None:
    document = deployment()
    document.add(f"{NET}.{address}", **values)
    assert_breaks(document, 3, "expected none")


def test_no_address_at_instances_in_nat_mode_either() -> None:
    document = deployment(egress_mode="nat")
    document[f'{NET}.aws_eip.nat["a"]']["instance"] = "i-1"
    assert_breaks(document, 3, "NAT gateways only")


def test_a_mode_that_nobody_tells_is_unknown() -> None:
    document = deployment(egress_mode="nat")
    del document.contract["network"]
    assert 3 in findings_of(parse(document.state()), "unknown")


@pytest.mark.parametrize("mode", ["endpoints", "nat"])
def test_no_open_egress(mode: str) -> None:
    document = deployment(egress_mode=mode)
    document.add(f"{NET}.aws_security_group_rule.old", **_old("egress", "0.0.0.0/0"))
    assert_breaks(document, 4, "0.0.0.0/0")


def test_no_open_egress_of_all_protocols() -> None:
    document = deployment()
    inline = [{"protocol": "-1", "cidr_blocks": ["10.9.0.0/16"], "from_port": 0, "to_port": 0}]
    document[f'{NET}.aws_security_group.party["ui"]']["egress"] = inline
    assert_breaks(document, 4, "every protocol")


@pytest.mark.parametrize("side", ["ingress", "egress"])
def test_default_group_empty(side: str) -> None:
    document = deployment()
    document[f"{NET}.aws_default_security_group.this"][side] = [{"cidr_blocks": ["192.0.2.0/24"], "protocol": "tcp"}]
    assert_breaks(document, 5, side, "expected none")


def test_a_default_group_that_is_not_managed() -> None:
    document = deployment()
    del document.resources[f"{NET}.aws_default_security_group.this"]
    assert_breaks(document, 5, "not managed")


@pytest.mark.parametrize("name", ["ec2", "monitoring"])
def test_endpoints_complete(name: str) -> None:
    document = deployment()
    del document.resources[f'{NET}.aws_vpc_endpoint.interface["{name}"]']
    assert_breaks(document, 26, name, "missing")


def test_endpoints_need_dsql_and_private_names() -> None:
    document = deployment()
    del document.resources["module.dsql.aws_vpc_endpoint.this"]
    assert_breaks(document, 26, "DSQL")
    document = deployment()
    document[f'{NET}.aws_vpc_endpoint.interface["ecs"]']["private_dns_enabled"] = False
    assert_breaks(document, 26, "private DNS is off")


def test_with_nat_fewer_endpoints_do() -> None:
    document = deployment(egress_mode="nat")
    del document.resources[f'{NET}.aws_vpc_endpoint.interface["ec2messages"]']
    assert broken_by(document.state()) == {}


def test_a_plan_does_not_know_the_service_of_dsqls_endpoint() -> None:
    document = deployment()
    address = "module.dsql.aws_vpc_endpoint.this"
    del document[address]["service_name"]
    platform = parse(document.plan(unknown={address: {"service_name": True}}))
    assert set(findings_of(platform, "unknown")) == {26}
