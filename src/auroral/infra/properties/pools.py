"""Properties 25, 27 and 30: the instances and what runs on them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from auroral.capacity.instances import instance_type
from auroral.capacity.packing import Demand, check
from auroral.capacity.placement import TaskSize
from auroral.errors import UsageError
from auroral.infra.findings import Finding, broken, judged, kept, unknown
from auroral.infra.model import UNKNOWN, Platform, Resource
from auroral.infra.numbers import services
from auroral.infra.tasks import tasks

BENCHMARK = "benchmark"


def guarded_instances(platform: Platform) -> Iterator[Finding]:
    """25: a container cannot borrow its instance's role, and disks are encrypted."""
    for template in platform.of_type("aws_launch_template"):
        problems = []
        tokens = template.get("metadata_options", 0, "http_tokens")
        hops = template.get("metadata_options", 0, "http_put_response_hop_limit")
        if tokens != "required":
            problems.append(f"metadata_options.http_tokens {tokens}: expected required (IMDSv2)")
        if hops != 1:
            problems.append(f"metadata_options.http_put_response_hop_limit {hops}: expected 1")
        disks = template.items("block_device_mappings")
        if not disks:
            problems.append("block_device_mappings is empty: expected encrypted disks")
        for disk in disks:
            ebs = (disk.get("ebs") or [{}])[0]
            if ebs.get("encrypted") not in (True, "true"):
                problems.append(f"disk {disk.get('device_name')} is not encrypted: expected encrypted = true")
        yield judged(template, problems)


def benchmark_apart(platform: Platform) -> Iterator[Finding]:
    """27: the benchmark's instances come and go with it, and nothing else runs there nor it elsewhere."""
    for group in platform.of_type("aws_autoscaling_group"):
        if not str(group.get("name")).endswith(f"-{BENCHMARK}"):
            continue
        least, first = group.get("min_size"), group.get("desired_capacity")
        problems = [] if least == 0 else [f"min_size {least}: expected 0"]
        if "create" in group.actions and first not in (0, None, UNKNOWN):
            problems.append(f"begins with {first} instances: expected 0")
        yield judged(group, problems)
    for task in tasks(platform):
        constraints = task.resource.items("placement_constraints")
        found = [str(one.get("expression")).replace(" ", "") for one in constraints if isinstance(one, Mapping)]
        own = task.name.startswith(f"{BENCHMARK}-")
        there = f"attribute:workload=={BENCHMARK}" in found
        kept_off = f"attribute:workload!={BENCHMARK}" in found or any(
            one.startswith("attribute:workload==") and not one.endswith(f"=={BENCHMARK}") for one in found
        )
        problem = f"placement {found or 'anywhere'}: expected {'only' if own else 'never'} on workload {BENCHMARK}"
        yield kept(task.resource) if (there if own else kept_off) else broken(task.resource, problem)


def tasks_fit(platform: Platform) -> Iterator[Finding]:
    """30: each pool holds its tasks at autoscaling's maximum, and with any of its services being deployed."""
    pools = platform.at("capacity")
    if not isinstance(pools, Mapping):
        return
    sizes = {task.name: task.resource for task in tasks(platform)}
    for name, pool in pools.items():
        demands: list[Demand] = []
        open_: list[str] = []
        for service, one in services(platform).items():
            if one.get("pool") == name:
                _add(demands, open_, service, one, sizes.get(service))
        one_shots = [size for task in _one_shots(platform, name) if (size := _one_shot(task, sizes)) is not None]
        if one_shots:  # one at a time
            demands.append(Demand(size=max(one_shots, key=lambda size: (size.cpu_units, size.memory_mib)), count=1))
        kind, most = (pool.get("instance_type"), pool.get("max")) if isinstance(pool, Mapping) else (UNKNOWN, UNKNOWN)
        if not isinstance(kind, str) or not isinstance(most, int) or open_:
            yield unknown(f"capacity.{name}", ", ".join(open_) or "instance type and maximum")
        elif demands:
            yield judged(f"capacity.{name}", _short_of(demands, kind, most))
    yield from _as_counted(platform, sizes)


def _add(
    demands: list[Demand], open_: list[str], service: str, one: Mapping[str, Any], definition: Resource | None
) -> None:
    size = _size(service, definition)
    numbers = [one.get(field) for field in ("autoscale_max", "max_percent")]
    if size is None or not all(isinstance(number, int | float) for number in numbers):
        open_.append(f"the size or count of {service}")
        return
    most, percent = (int(number) for number in numbers if isinstance(number, int | float))
    demands.append(Demand(size=size, count=most, surge_count=max(0, most * percent // 100 - most)))


def _one_shots(platform: Platform, pool: str) -> list[str]:
    found = platform.at("tasks")
    if not isinstance(found, Mapping):
        return []
    return [
        str(one.get("task_family")) for one in found.values() if isinstance(one, Mapping) and one.get("pool") == pool
    ]


def _one_shot(family: str, sizes: Mapping[str, Resource]) -> TaskSize | None:
    definition = next((one for one in sizes.values() if one.get("family") == family), None)
    return _size(family, definition)


def _size(name: str, definition: Resource | None) -> TaskSize | None:
    if definition is None:
        return None
    cpu, memory = definition.get("cpu"), definition.get("memory")
    if not isinstance(cpu, str | int) or not isinstance(memory, str | int):
        return None
    return TaskSize(service=name, cpu_units=int(cpu), memory_mib=int(memory))


def _short_of(demands: list[Demand], kind: str, most: int) -> Iterator[str]:
    try:
        answers = check(demands, instance_type(kind), most, conditions=("steady", "rolling"))
    except UsageError as error:
        yield str(error.message)
        return
    for answer in answers:
        if not answer.holds:
            words = "with every task running" if answer.condition == "steady" else f"while {answer.case} is deployed"
            short = "; ".join(
                f"{one.count} × {one.size.service} ({', '.join(one.short)} short)" for one in answer.unplaced
            )
            yield f"{most} × {kind} {words} has no room for {short or 'a task in every zone'}: expected more instances"


def _as_counted(platform: Platform, sizes: Mapping[str, Resource]) -> Iterator[Finding]:
    for group in platform.of_type("aws_autoscaling_group"):
        for pool in (platform.at("capacity") or {}).values():
            if isinstance(pool, Mapping) and pool.get("asg") == group.get("name"):
                found, most = group.get("max_size"), pool.get("max")
                told = f"max_size {found}: expected {most}, as the contract says"
                yield kept(group) if found == most else broken(group, told)
