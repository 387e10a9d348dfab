"""Properties 1 to 5 and 26: what the network lets in and out. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

from auroral.infra.findings import Finding, broken, judged, kept, unknown
from auroral.infra.model import UNKNOWN, Platform, Resource

_INGRESS = "aws_vpc_security_group_ingress_rule"
_EGRESS = "aws_vpc_security_group_egress_rule"
_INLINE = ("aws_security_group", "aws_default_security_group")

INTERFACE_ENDPOINTS = {
    "ecr.api": "images are found",
    "ecr.dkr": "images are pulled",
    "ecs": "the ECS agent registers",
    "ecs-agent": "the ECS agent is told what to run",
    "ecs-telemetry": "the ECS agent reports",
    "ec2": "ecs_observer describes instances",
    "logs": "containers and sessions log",
    "monitoring": "Grafana and operators ask CloudWatch",
    "ssm": "the agent reads the collector's configuration",
    "ssmmessages": "ECS Exec",
    "ec2messages": "Session Manager on instances",
    "secretsmanager": "the agent reads Grafana's secret",
    "kms": "sessions of ECS Exec are encrypted",
    "sts": "roles are taken",
    "aps-workspaces": "metrics are written and read",
}
"""Endpoints that a deployment without NAT needs, and what for: "Interface VPC endpoints", AWS, November 2026."""
_GATEWAYS = ("s3", "dynamodb")


def no_open_ingress(platform: Platform) -> Iterator[Finding]:
    """1: nothing comes in from everywhere, nor from the whole range of the VPC."""
    ranges = [
        cidr
        for vpc in platform.of_type("aws_vpc")
        for cidr in (vpc.get("cidr_block"), vpc.get("ipv6_cidr_block"))
        if isinstance(cidr, str) and cidr
    ]
    for resource, cidrs in _sources(platform):
        yield judged(
            resource,
            [
                f"admits {cidr}: expected a security group that names the callers"
                for cidr in cidrs
                if _wide(cidr, ranges)
            ],
            [f"{resource.address}: range" for cidr in cidrs if cidr is UNKNOWN],
        )


def _sources(platform: Platform) -> Iterator[tuple[Resource, list[object]]]:
    for rule in platform.of_type(_INGRESS):
        yield rule, _given([rule.get("cidr_ipv4"), rule.get("cidr_ipv6")])
    for rule in platform.of_type("aws_security_group_rule"):
        if rule.get("type") == "ingress":
            yield rule, _given([*rule.items("cidr_blocks"), *rule.items("ipv6_cidr_blocks")])
    for group in platform.of_type(*_INLINE):
        for one in group.items("ingress"):
            yield group, _given([*(one.get("cidr_blocks") or []), *(one.get("ipv6_cidr_blocks") or [])])


def no_public_address(platform: Platform) -> Iterator[Finding]:
    """2: no subnet, task, instance or search domain has an address of the internet."""
    for subnet in platform.of_type("aws_subnet"):
        yield _not_true(subnet, subnet.get("map_public_ip_on_launch"), "map_public_ip_on_launch")
    for service in platform.of_type("aws_ecs_service"):
        value = service.get("network_configuration", 0, "assign_public_ip")
        yield _not_true(service, value, "network_configuration.assign_public_ip")
    for template in platform.of_type("aws_launch_template"):
        values = [one.get("associate_public_ip_address") for one in template.items("network_interfaces")]
        yield judged(
            template,
            ["associate_public_ip_address is true: expected false" for one in values if one in (True, "true")],
        )
    for instance in platform.of_type("aws_instance"):
        yield _not_true(instance, instance.get("associate_public_ip_address"), "associate_public_ip_address")
    for domain in platform.of_type("aws_opensearch_domain"):
        inside = domain.get("vpc_options")
        yield kept(domain) if inside is UNKNOWN or inside else broken(domain, "no vpc_options: expected it in the VPC")


def _not_true(resource: Resource, value: object, argument: str) -> Finding:
    if value is UNKNOWN:
        return unknown(resource, argument)
    return broken(resource, f"{argument} is true: expected false") if value is True else kept(resource)


def internet_in_nat_mode_only(platform: Platform) -> Iterator[Finding]:
    """3: gateways to the internet stand only where egress_mode is nat, and addresses only at NAT gateways."""
    types = ("aws_internet_gateway", "aws_egress_only_internet_gateway", "aws_nat_gateway", "aws_eip")
    mode = platform.egress_mode
    for resource in platform.of_type(*types):
        if mode is None:
            yield unknown(resource, "egress_mode: neither the contract nor a variable says it")
        elif mode != "nat":
            yield broken(resource, f"a way to the internet with egress_mode {mode}: expected none")
        elif resource.type == "aws_eip" and resource.get("instance") not in (None, "", UNKNOWN):
            yield broken(resource, "a public address at an instance: expected NAT gateways only")
        else:
            yield kept(resource)
    for route in _routes(platform):
        if mode == "nat" or route.kind == "kept":
            yield kept(route.address)
        else:
            yield route
    if platform.of_type("aws_vpc") and not platform.of_type(*types):
        yield kept("egress_mode")


def _routes(platform: Platform) -> Iterator[Finding]:
    for route in platform.of_type("aws_route"):
        target = [route.get(name) for name in ("destination_cidr_block", "destination_ipv6_cidr_block")]
        out = any(isinstance(cidr, str) and _wide(cidr, []) for cidr in target)
        yield broken(route, "a route to everywhere outside of nat mode: expected none") if out else kept(route)


def no_open_egress(platform: Platform) -> Iterator[Finding]:
    """4: without NAT nothing may call everywhere; with it, over TLS alone."""
    mode = platform.egress_mode
    for resource, rule in _outward(platform):
        cidrs = _given(
            [
                rule.get("cidr_ipv4"),
                rule.get("cidr_ipv6"),
                *(rule.get("cidr_blocks") or []),
                *(rule.get("ipv6_cidr_blocks") or []),
            ]
        )
        protocol = rule.get("ip_protocol", rule.get("protocol"))
        tls = protocol in ("tcp", "6") and rule.get("from_port") == rule.get("to_port") == 443
        problems = []
        for cidr in cidrs:
            if isinstance(cidr, str) and _wide(cidr, []) and not (mode == "nat" and tls):
                allowed = "TCP 443 in nat mode" if mode == "nat" else "endpoints, prefix lists and groups"
                problems.append(f"lets out to {cidr}: expected {allowed} only")
        if protocol == "-1" and resource.type != "aws_default_security_group":
            problems.append("lets every protocol out: expected TCP with a port")
        yield judged(resource, problems)


def _outward(platform: Platform) -> Iterator[tuple[Resource, dict[str, Any]]]:
    for rule in platform.of_type(_EGRESS):
        yield rule, dict(rule.values)
    for rule in platform.of_type("aws_security_group_rule"):
        if rule.get("type") == "egress":
            yield rule, dict(rule.values)
    for group in platform.of_type(*_INLINE):
        for one in group.items("egress"):
            yield group, one


def default_group_empty(platform: Platform) -> Iterator[Finding]:
    """5: each VPC's default group is managed and lets nothing in or out."""
    groups = platform.of_type("aws_default_security_group")
    for group in groups:
        problems, open_ = [], []
        for side in ("ingress", "egress"):
            value = group.get(side)
            if value is UNKNOWN:
                if platform.sets(group, side) is not False:  # not set: the provider takes every rule away
                    open_.append(side)
            elif value:
                problems.append(f"{side} has {len(value)} rules: expected none")
        yield judged(group, problems, open_)
    for vpc in platform.of_type("aws_vpc"):
        ids = [group.get("vpc_id") for group in groups]
        named = [platform.refers(group, "vpc_id", "aws_vpc", "id") for group in groups]
        if vpc.get("id") in [one for one in ids if one is not UNKNOWN] or vpc in named:
            yield kept(vpc)
        else:
            yield broken(vpc, "its default security group is not managed: expected an empty one")


def endpoints_complete(platform: Platform) -> Iterator[Finding]:
    """26: whatever tasks and instances call has an endpoint, with a name that leads there."""
    endpoints = platform.of_type("aws_vpc_endpoint")
    if not platform.of_type("aws_vpc"):
        return
    names = {_service(one) for one in endpoints}
    wanted = set(_GATEWAYS) | (set(INTERFACE_ENDPOINTS) if platform.egress_mode != "nat" else set())
    for name in sorted(wanted):
        if name in names:
            yield kept(f"endpoint of {name}")
        else:
            yield broken(f"endpoint of {name}", f"missing: {INTERFACE_ENDPOINTS.get(name, 'S3 and DynamoDB')}")
    if any(name.startswith("dsql") for name in names if name):
        yield kept("endpoint of DSQL")
    elif None in names:
        yield unknown("endpoint of DSQL", "the service name of an endpoint")
    else:
        yield broken("endpoint of DSQL", "missing: connections to DSQL would leave the network")
    for one in endpoints:
        if one.get("vpc_endpoint_type") == "Interface":
            private = one.get("private_dns_enabled")
            name = _service(one) or "DSQL"
            yield kept(one) if private is True else broken(one, f"private DNS is off: {name}'s name leads past it")


def _service(endpoint: Resource) -> str | None:
    name = endpoint.get("service_name")
    return ".".join(name.split(".")[3:]) if isinstance(name, str) else None


def _given(values: Iterable[object]) -> list[object]:
    return [value for value in values if value not in (None, "")]


def _wide(cidr: object, ranges: Iterable[str]) -> bool:
    """Whether a range is everywhere, or holds one of `ranges` whole."""
    if not isinstance(cidr, str):
        return False
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return False
    if network.prefixlen == 0:
        return True
    for text in ranges:
        other = ipaddress.ip_network(text, strict=False)
        if network.version == other.version and other.subnet_of(network):  # type: ignore[arg-type]
            return True
    return False
