"""What a refusal means and which setting lies behind it, by `STATUS/cause/scope`. Pure.

Keys and defaults: Temporal server 1.29.1, `common/dynamicconfig/constants.go`; causes: `RESOURCE_EXHAUSTED_CAUSE_*`
of Temporal's API. Long polls alone are refused by CONCURRENT_LIMIT: a start is no long-running request.
"""

from __future__ import annotations

SWEEP = "sweep:"
"""What the cause of a refused sweep starts with."""

_PERSISTENCE = (
    "The server limits its own requests to the database: {frontend,history,matching}.persistenceMaxQPS, "
    "persistenceGlobalMaxQPS and persistenceNamespaceMaxQPS. Raise them only where the database has room."
)
_ADVICE = {
    ("RPS_LIMIT", "NAMESPACE"): (
        "The namespace's request rate is used up: raise frontend.namespaceRPS (2,400 per frontend by default) or "
        "frontend.globalNamespaceRPS, or add frontends. Polls and answers of workers count too, and so do the waits "
        "for closes: --observe visibility does without them."
    ),
    ("RPS_LIMIT", ""): (
        "A service's request rate is used up: raise frontend.rps (2,400 per frontend by default), frontend.globalRPS, "
        "history.rps or matching.rps, or add instances."
    ),
    ("CONCURRENT_LIMIT", ""): (
        "Too many long-running requests of one kind: raise frontend.namespaceCount (1,200 per frontend by default) or "
        "frontend.globalNamespaceCount."
    ),
    ("SYSTEM_OVERLOADED", ""): (
        "The server sheds load: its database refuses it, or matching cannot write tasks fast enough "
        "(matching.outstandingTaskAppendsThreshold). Look at the database first."
    ),
    ("PERSISTENCE_LIMIT", ""): _PERSISTENCE,
    ("PERSISTENCE_STORAGE_LIMIT", ""): "The database's storage is full.",
    ("BUSY_WORKFLOW", ""): (
        "One workflow gets more signals, updates or queries than it can take one after the other: spread them over "
        "more workflows."
    ),
    ("APS_LIMIT", ""): "The namespace's actions per second are used up: ask for a higher limit of the namespace.",
    ("OPS_LIMIT", ""): "The namespace's operations per second are used up: ask for a higher limit of the namespace.",
    ("BANDWIDTH_LIMIT", ""): "The namespace's bandwidth is used up: smaller payloads, or a higher limit.",
    ("CIRCUIT_BREAKER_OPEN", ""): "The server stopped trying after failures of a destination: see its logs.",
}
_STATUS_ADVICE = {
    "UNAVAILABLE": "The server was not reachable or not ready: look at its health, restarts and load balancer.",
    "DEADLINE_EXCEEDED": "The server did not answer in time (--start-timeout): look at its CPU and database.",
    "NOT_FOUND": "The namespace is not known to every frontend, or was deleted during the run.",
    "PERMISSION_DENIED": "The credentials do not allow it.",
    "UNAUTHENTICATED": "The credentials are missing or expired.",
}


def is_of_wait(cause: str) -> bool:
    """Whether a refusal was of a long poll or a sweep rather than of a start."""
    return cause.startswith(SWEEP) or "/CONCURRENT_LIMIT" in cause


def advice_on(cause: str) -> str:
    """What to do about a refusal, naming the dynamic-config key where there is one."""
    status, _, details = cause.partition("/")
    reason, _, scope = details.partition("/")
    if status == "RESOURCE_EXHAUSTED":
        advice = _ADVICE.get((reason, scope)) or _ADVICE.get((reason, ""))
        return advice or "The server refuses requests: its logs and service_errors_resource_exhausted tell more."
    return _STATUS_ADVICE.get(status, "The server answered with an error: its logs tell more.")
