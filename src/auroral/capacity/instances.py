"""EC2 instance types: what one offers to ECS tasks. Pure, but for the one function that reads the package's list."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from auroral.errors import UsageError

CPU_UNITS_PER_VCPU = 1_024
"""ECS's unit of CPU."""

KERNEL_MEMORY_SHARE = 0.03
"""What platform and kernel keep of the nominal memory. An assumption: 2.5 % on the one instance for which the Amazon
ECS developer guide ("Container instance memory management", read 2026-11-25) gives both figures: 7,985 MiB of 8,192."""

AGENT_RESERVED_MIB = 256
"""`ECS_RESERVED_MEMORY`, what the agent keeps back for itself and the system: the example of the same page."""

FamilyQuota = Literal["standard"]
"""The EC2 vCPU quota an instance counts against; `standard` is A, C, D, H, I, M, R, T, Z."""


class InstanceType(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """One size of an instance family."""

    name: str
    vcpu: int
    memory_mib: int
    """Nominal; `schedulable` says what of it tasks get."""
    network_interfaces: int
    """Attachable, the instance's own included."""
    trunk_interfaces: int
    """awsvpc tasks placed at most where the account has `awsvpcTrunking`."""
    trunk_source: Literal["ecs", "vpc"] = "ecs"
    """Where that figure was found; see `instances.toml`."""
    family_quota: FamilyQuota = "standard"

    @property
    def cpu_units(self) -> int:
        """CPU units that ECS registers: all of them."""
        return self.vcpu * CPU_UNITS_PER_VCPU

    def task_interfaces(self, *, trunking: bool) -> int:
        """awsvpc tasks that fit by network interfaces. Agent and daemons use the instance's own."""
        return self.trunk_interfaces if trunking else self.network_interfaces - 1

    def schedulable_mib(self, *, reserved_mib: int = AGENT_RESERVED_MIB) -> int:
        """MiB that ECS has for tasks: see `schedulable`."""
        return schedulable(self.memory_mib, reserved_mib=reserved_mib)


def schedulable(
    memory_mib: int, *, reserved_mib: int = AGENT_RESERVED_MIB, kernel_share: float = KERNEL_MEMORY_SHARE
) -> int:
    """MiB that an instance of this nominal memory registers for tasks.

    ECS registers what the operating system sees (nominal less `kernel_share`) less `ECS_RESERVED_MEMORY`. What a
    running instance registered is in the answer of `aws ecs describe-container-instances`.
    """
    return max(0, int(memory_mib * (1 - kernel_share)) - reserved_mib)


def parse_instances(text: str) -> dict[str, InstanceType]:
    """Read the list's TOML. Raises `tomllib.TOMLDecodeError` or `msgspec.ValidationError`."""
    return {name: msgspec.convert({"name": name, **entry}, InstanceType) for name, entry in tomllib.loads(text).items()}


@cache
def known_instances() -> Mapping[str, InstanceType]:
    """The instance types that this release knows, by name."""
    return parse_instances(files("auroral.capacity").joinpath("instances.toml").read_text(encoding="utf-8"))


def instance_type(name: str) -> InstanceType:
    """The instance type of this name. Raises `UsageError` that lists the nearest ones."""
    known = known_instances()
    found = known.get(name)
    if found is None:
        near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
        families = ", ".join(sorted({other.partition(".")[0] for other in known}))
        raise UsageError(
            f"expected an instance type that auroral knows (families {families}), got {name!r}",
            hint=f"nearest: {', '.join(near)}" if near else "m7g.2xlarge and m8g.4xlarge are the measured ones",
        )
    return found


def vcpu_quota(counts: Mapping[InstanceType, int]) -> int:
    """vCPUs that the account's quota must admit for these instances.

    The quota is "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", L-1216C47A, counted in vCPUs.
    """
    return sum(instance.vcpu * count for instance, count in counts.items())
