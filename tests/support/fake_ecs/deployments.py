"""Deployments of a service: bounds of a rolling update, the circuit breaker's threshold. Arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

BREAKER_MIN, BREAKER_MAX, BREAKER_SHARE = 3, 200, 0.5
"""ECS API Reference, `ServiceDeploymentCircuitBreaker`: 0.5 × desired count, at least 3, at most 200."""

THROTTLED_AFTER = 3
"""Tasks in a row that never ran, until launches are held back; ECS does not tell the number."""
THROTTLE_FIRST_S, THROTTLE_MAX_S = 15.0, 1_620.0
"""Up to 27 minutes (ECS Developer Guide, "service throttle logic")."""


def least_healthy(desired: int, percent: int) -> int:
    """Tasks that must go on, rounded up (ECS API Reference, `minimumHealthyPercent`)."""
    return math.ceil(desired * percent / 100)


def most_running(desired: int, percent: int) -> int:
    """Tasks that may be there, rounded down (ECS API Reference, `maximumPercent`)."""
    return math.floor(desired * percent / 100)


def breaker_threshold(desired: int) -> int:
    """Failures that open the circuit."""
    return min(max(math.ceil(desired * BREAKER_SHARE), BREAKER_MIN), BREAKER_MAX)


def throttle_s(failures: int) -> float:
    """How long the next launch waits after so many tasks in a row that never ran."""
    if failures < THROTTLED_AFTER:
        return 0.0
    return min(THROTTLE_FIRST_S * 2.0 ** min(failures - THROTTLED_AFTER, 10), THROTTLE_MAX_S)


@dataclass
class Deployment:
    """One deployment of a service."""

    id: str
    definition: str
    """ARN."""
    created_at: datetime
    updated_at: datetime
    status: str = "PRIMARY"
    rollout: str = "IN_PROGRESS"
    reason: str = ""
    failed: int = 0
    is_rollback: bool = False

    def __post_init__(self) -> None:
        self.reason = self.reason or f"ECS deployment {self.id} in progress."

    def complete(self, at: datetime) -> None:
        """The service is steady."""
        self.rollout, self.reason, self.updated_at = "COMPLETED", f"ECS deployment {self.id} completed.", at
        self.is_rollback = False

    def fail(self, reason: str, at: datetime) -> None:
        """It launches no more tasks."""
        self.rollout, self.reason, self.updated_at = "FAILED", reason, at

    def described(self, *, desired: int, running: int, pending: int, shared: dict[str, Any]) -> dict[str, Any]:
        """As DescribeServices tells it."""
        return {
            "id": self.id,
            "status": self.status,
            "taskDefinition": self.definition,
            "desiredCount": desired,
            "pendingCount": pending,
            "runningCount": running,
            "failedTasks": self.failed,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "rolloutState": self.rollout,
            "rolloutStateReason": self.reason,
            **shared,
        }
