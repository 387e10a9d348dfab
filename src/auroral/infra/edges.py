"""Who may call whom: the edges between security groups that rules open, on either side. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from auroral.infra.model import UNKNOWN, Platform, Resource

EGRESS = "aws_vpc_security_group_egress_rule"
INGRESS = "aws_vpc_security_group_ingress_rule"
_KEY = re.compile(r"^(?P<source>.+?)-to-(?P<target>.+)-(?P<port>\d+)$")


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """`source` may call `target` on a port, as far as one side's rule says."""

    source: str
    """A party such as `history`; "?" where it is not known."""
    target: str
    """A party, `endpoint:ecr.api`, `prefix:s3`, or an address range."""
    port: int
    last_port: int
    outward: bool
    """Whether the rule stands at the source (egress) or at the target (ingress)."""
    address: str
    """Of the rule."""
    by_key: bool = False
    """Whether the parties are those of the rule's key, since the plan does not know the groups yet."""

    @property
    def what(self) -> str:
        """Source, target and ports, to be read."""
        ports = str(self.port) if self.port == self.last_port else f"{self.port}-{self.last_port}"
        return f"{self.source} → {self.target}:{ports}"


def party_of(group: Resource) -> str:
    """Name of the party that a security group is of."""
    if isinstance(group.key, str):
        return f"endpoint:{group.key}" if group.name == "endpoint" else group.key
    name = group.get("name")
    return name if isinstance(name, str) else group.address


def parties(platform: Platform) -> tuple[str, ...]:
    """Every party that has a security group, endpoints included."""
    return tuple(party_of(group) for group in platform.of_type("aws_security_group"))


def edges(platform: Platform) -> list[Edge]:
    """Every rule that names another group, a prefix list or a range."""
    groups = {group.get("id"): party_of(group) for group in platform.of_type("aws_security_group")}
    lists = {
        one.get("prefix_list_id"): f"prefix:{one.key}"
        for one in platform.of_type("aws_vpc_endpoint")
        if one.get("vpc_endpoint_type") == "Gateway"
    }
    known = {name: name for name in parties(platform)}
    known |= {name.replace(":", "-"): name for name in known}
    known |= {f"prefix-{one.key}": f"prefix:{one.key}" for one in platform.of_type("aws_vpc_endpoint") if one.key}
    found = []
    for rule in platform.of_type(EGRESS, INGRESS):
        outward = rule.type == EGRESS
        own = _party(rule.get("security_group_id"), groups)
        other = _other(rule, groups, lists)
        by_key = own == "?" or other == "?"
        if by_key and isinstance(rule.key, str) and (match := _KEY.match(rule.key)):
            split = _split(rule.key, match["port"], known)
            if split is not None:
                own, other = split if outward else (split[1], split[0])
                if outward and isinstance(rule.get("cidr_ipv4"), str):
                    other = rule.get("cidr_ipv4")
        first, last = rule.get("from_port"), rule.get("to_port")
        every = rule.get("ip_protocol") == "-1"
        found.append(
            Edge(
                source=own if outward else other,
                target=other if outward else own,
                port=0 if every or not isinstance(first, int) else first,
                last_port=65535 if every or not isinstance(last, int) else last,
                outward=outward,
                address=rule.address,
                by_key=by_key,
            )
        )
    return found


def _split(key: str, port: str, known: Mapping[str, str]) -> tuple[str, str] | None:
    """The parties of a key `<from>-to-<to>-<port>`, where one way to read it names two that are there."""
    body = key[: -len(port) - 1]
    ways = {
        (known[source], known.get(target, target))
        for number in (found.start() for found in re.finditer("-to-", body))
        if (source := body[:number]) in known and ((target := body[number + 4 :]) in known or target == "internet")
    }
    return next(iter(ways)) if len(ways) == 1 else None


def _party(value: object, groups: Mapping[object, str]) -> str:
    return "?" if value is UNKNOWN or value is None else groups.get(value, str(value))


def _other(rule: Resource, groups: Mapping[object, str], lists: Mapping[object, str]) -> str:
    for value in (rule.get("cidr_ipv4"), rule.get("cidr_ipv6")):
        if isinstance(value, str) and value:
            return value
    prefix = rule.get("prefix_list_id")
    if prefix not in (None, "", UNKNOWN):
        return lists.get(prefix, str(prefix))
    return _party(rule.get("referenced_security_group_id"), groups)
