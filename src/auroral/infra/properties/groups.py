"""Properties 7 to 9 and 32: who may call whom. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from auroral.infra.edges import Edge, edges, parties
from auroral.infra.findings import Finding, broken, judged, kept, unknown
from auroral.infra.model import UNKNOWN, Platform
from auroral.infra.needs import CALLERS, GRPC_PORTS, MEMBERSHIP_PORTS, OPTIONAL, TEMPORAL, Need, needs


def membership_among_temporal(platform: Platform) -> Iterator[Finding]:
    """7: membership ports are open only between the roles of Temporal."""
    for edge in edges(platform):
        ports = [port for port in MEMBERSHIP_PORTS.values() if edge.port <= port <= edge.last_port]
        if not ports or _covers_all(edge):
            continue
        if "?" in (edge.source, edge.target):
            yield unknown(edge.address, "the groups of the rule")
            continue
        strangers = [party for party in (edge.source, edge.target) if party not in TEMPORAL]
        yield judged(
            edge.address,
            [
                f"opens membership port {ports[0]} to {party}: expected {', '.join(TEMPORAL)} only"
                for party in strangers
            ],
        )


def grpc_from_callers(platform: Platform) -> Iterator[Finding]:
    """8: a Temporal role's gRPC port admits its declared callers only."""
    for edge in edges(platform):
        for role, port in GRPC_PORTS.items():
            if not edge.port <= port <= edge.last_port or _covers_all(edge):
                continue
            if "?" in (edge.source, edge.target):
                yield unknown(edge.address, "the groups of the rule")
            elif edge.target == role:
                callers = CALLERS[role]
                fine = edge.source in callers
                expected = ", ".join(callers) or "nobody"
                yield (
                    kept(edge.address)
                    if fine
                    else broken(edge.address, f"{edge.what}: expected callers of {role}: {expected}")
                )
            elif edge.target not in GRPC_PORTS:
                yield broken(edge.address, f"{edge.what}: port {port} is {role}'s, and {edge.target} is another")


def _covers_all(edge: Edge) -> bool:
    """Every port to an address range is property 4's."""
    return edge.port == 0 and edge.last_port == 65535 and "/" in edge.target


def task_groups_off_instances(platform: Platform) -> Iterator[Finding]:
    """9: an instance never carries the security group of a task, whose rights would be every task's beside it."""
    of_tasks: set[object] = set()
    open_ = False
    for service in platform.of_type("aws_ecs_service"):
        value = service.get("network_configuration", 0, "security_groups")
        if value is UNKNOWN or any(one is UNKNOWN for one in value or ()):
            open_ = True
        else:
            of_tasks |= set(value or ())
    for name, task in (platform.at("tasks") or {}).items() if isinstance(platform.at("tasks"), dict) else ():
        value = task.get("group_ids") if isinstance(task, dict) else UNKNOWN
        if isinstance(value, list) and UNKNOWN not in value:
            of_tasks |= set(value)
        elif name:
            open_ = True
    for template in platform.of_type("aws_launch_template"):
        value = template.get("vpc_security_group_ids")
        inner = [group for one in template.items("network_interfaces") for group in one.get("security_groups") or ()]
        if value is UNKNOWN:
            yield unknown(template, "its security groups")
            continue
        shared = sorted(str(one) for one in {*(value or ()), *inner} & of_tasks)
        problems = [f"carries {group}, the group of a task: expected groups of its own" for group in shared]
        yield judged(template, problems, ["the groups of tasks"] if open_ else [])


def reachable_and_no_more(platform: Platform) -> Iterator[Finding]:
    """32: whatever a party needs is open on both sides, and nothing else is."""
    there = parties(platform)
    if not there:
        return
    found = edges(platform)
    for edge in found:
        if "?" in (edge.source, edge.target):
            yield unknown(edge.address, "the groups of the rule")
    wanted = needs(
        there,
        distributed_limiter=platform.at("dsql", "limiter", "mode") == "distributed",
        egress_mode=platform.egress_mode or "endpoints",
    )
    for need in wanted:
        if need.target.startswith("prefix:") or need.target in there or "/" in need.target:
            yield _open(need, found)
        else:
            yield broken(_name(need), f"{need.target} is not there, and is needed: {need.reason}")
    asked = {(one.source, one.target, one.port) for one in wanted} | OPTIONAL
    for edge in found:
        if "?" in (edge.source, edge.target):
            continue
        exact = edge.port == edge.last_port
        if exact and (edge.source, edge.target, edge.port) in asked:
            continue
        yield broken(edge.address, f"{edge.what} is open, and nothing needs it: expected no such rule")


def _open(need: Need, found: list[Edge]) -> Finding:
    sides = {
        edge.outward
        for edge in found
        if edge.source == need.source and edge.target == need.target and edge.port <= need.port <= edge.last_port
    }
    one_sided = need.target.startswith("prefix:") or "/" in need.target
    missing = []
    if True not in sides:
        missing.append(f"no egress at {need.source}")
    if False not in sides and not one_sided:
        missing.append(f"no ingress at {need.target}")
    message = f"{' and '.join(missing)}, needed since {need.reason}"
    return broken(_name(need), message) if missing else kept(_name(need))


def _name(need: Need) -> str:
    return f"{need.source} → {need.target}:{need.port}"
