"""How the small frontend behaves, and the queue and the pauses that follow from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.frontend_pauses import Pauses
from benchmarks.frontend_state import Executions


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the frontend behaves. Ratios are of starts, 0 to 1."""

    service_time_s: float = 0.0
    """Of each execution, or their mean."""
    service_time_cv: float = 0.0
    """Standard deviation of service times / mean; they are then log-normal. 0: all are equal."""
    servers: int | None = None
    """Executions served at a time; None: any number."""
    refuse_ratio: float = 0.0
    """Refused with RESOURCE_EXHAUSTED."""
    lose_ratio: float = 0.0
    """Accepted and answered UNAVAILABLE."""
    pauses_s: tuple[tuple[float, float], ...] = ()
    """(after the first start that is no probe, for how long) nothing is answered."""
    pause_every_s: float = 0.0
    """Mean of the exponential gaps between pauses by chance; 0: none."""
    pause_for_s: float = 0.0
    """How long each pause by chance lasts."""
    worker_identity: str = ""
    """Who polls every task queue; empty: nobody."""
    namespaces: tuple[str, ...] = ("benchmark",)
    retain: int = 100_000
    """Closed executions kept."""
    seed: int = 1

    def executions(self) -> Executions:
        """Its queue and servers, empty."""
        return Executions(
            service_time_s=self.service_time_s,
            service_time_cv=self.service_time_cv,
            servers=self.servers,
            retain=self.retain,
            seed=self.seed,
        )

    def pauses(self) -> Pauses:
        """When it answers nothing."""
        return Pauses(self.pauses_s, every_s=self.pause_every_s, for_s=self.pause_for_s, seed=self.seed)
