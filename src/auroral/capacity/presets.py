"""The configurations that are known by name, and the anchors that sizing goes by. Pure: the package's file apart."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from auroral.capacity.figures import Basis
from auroral.errors import UsageError

RING_SERVICES = ("history", "matching", "frontend", "worker")
"""The services of Temporal itself, each with a pool of connections."""
SUPPORT_SERVICES = ("ui", "grafana", "collector")
"""What runs beside them, without one."""


class Size(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Replicas of one service and what each has. CPU units are 1,024 a vCPU."""

    replicas: int
    cpu_units: int
    memory_mib: int
    pool_size: int = 0


class Fleet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The benchmark workers of one configuration."""

    workers: int
    cpu_units: int
    memory_mib: int
    basis: Basis
    source: str
    instances: int | None = None
    """As the run had them; None: as they pack."""


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration and the rate that it stands for: what sizing interpolates between."""

    name: str
    rate_per_s: float
    """Workflows a second, as offered."""
    services: dict[str, Size]
    basis: Basis
    source: str
    pool_basis: Basis
    pool_source: str
    instance_type: str
    instances: int | None = None
    history_shards: int = 4096


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A configuration of the package, as `presets.toml` has it."""

    name: str
    about: str
    rate_per_s: float
    basis: Basis
    source: str
    history_shards: int
    instance_type: str
    instances: int
    pool_basis: Basis
    pool_source: str
    service: dict[str, Size]
    benchmark: Fleet
    completed_per_s: float | None = None
    """What the run completed; None: no run is published."""
    started: int | None = None
    completed: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    transactions_per_workflow: float | None = None

    def anchor(self) -> Anchor:
        """What sizing goes by."""
        return Anchor(
            name=self.name,
            rate_per_s=self.rate_per_s,
            services=self.service,
            basis=self.basis,
            source=self.source,
            pool_basis=self.pool_basis,
            pool_source=self.pool_source,
            instance_type=self.instance_type,
            instances=self.instances,
            history_shards=self.history_shards,
        )


class Task(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One task of which there is one, and where its size comes from."""

    cpu_units: int
    memory_mib: int
    basis: Basis
    source: str


class FleetTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Benchmark workers by rate, for rates that no preset stands for."""

    basis: Basis
    source: str
    cpu_units: int
    memory_mib: int
    workers: dict[int, int]
    generator: Task


class _Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    basis: Basis
    source: str


class Presets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything in `presets.toml`."""

    preset: tuple[Preset, ...]
    support: dict[str, Size]
    support_source: _Source
    benchmark: FleetTable

    def named(self, name: str) -> Preset:
        """The preset of this name. Raises `UsageError`."""
        for one in self.preset:
            if one.name == name:
                return one
        raise UsageError(f"expected one of the presets {', '.join(self.names)}, got {name!r}")

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of their rates."""
        return tuple(one.name for one in self.preset)

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """In the order of their rates."""
        return tuple(one.anchor() for one in self.preset)


def parse(text: str) -> Presets:
    """Read the presets' file. Raises `ValueError` naming what is wrong with it."""
    try:
        presets = msgspec.toml.decode(text, type=Presets, strict=False)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ValueError(f"a file of presets: {error}") from error
    rates = [one.rate_per_s for one in presets.preset]
    if rates != sorted(set(rates)):
        raise ValueError(f"presets in the order of their rates, each once, not {rates}")
    for one in presets.preset:
        if set(one.service) != set(RING_SERVICES):
            raise ValueError(f"{one.name}: the services {', '.join(RING_SERVICES)}, not {', '.join(one.service)}")
    return presets


@cache
def presets() -> Presets:
    """The package's presets."""
    return parse(resources.files("auroral.capacity").joinpath("presets.toml").read_text(encoding="utf-8"))
