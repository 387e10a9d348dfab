"""What a load uses of the services that charge by use: DPU, metric samples, logs, storage, requests. Pure.

Every number that is not the caller's is an `Assumption`: value, unit, source, and the range within which it may well
be. The DPU of a transaction is the weakest of them and decides most of the database's bill: measure it on a cluster
(CloudWatch `TotalDPU` / `TotalTransactions`) and give it.
"""

from __future__ import annotations

import msgspec

from auroral.capacity.figures import Basis
from auroral.dsql.limits import SESSION_LIFETIME_S
from auroral.errors import UsageError

HOURS_PER_MONTH = 730
"""365 × 24 / 12: the month that AWS's calculator reckons by."""
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3_600
SECONDS_PER_DAY = 86_400
BYTES_PER_GB = 1_000_000_000
"""AWS bills some services by 2^30 bytes; the 7 % between are far below what the estimates know."""


class Assumption(msgspec.Struct, frozen=True, kw_only=True):
    """A number that the estimate takes for granted."""

    value: float
    unit: str
    source: str
    basis: Basis = "assumed"
    low: float | None = None
    high: float | None = None


_SYSBENCH = (
    "a public sysbench run of 2026-05-08 (dumanshu/db-bench, us-east-1): 242,151 DPU for 19.2 million single-statement "
    "transactions, 12 % of them writes"
)


class Assumptions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the estimate takes for granted; replace what you know better (`msgspec.structs.replace`)."""

    transactions_per_transition: Assumption = Assumption(
        value=1.01,
        unit="transactions",
        basis="derived",
        source="33.2 transactions a workflow (272,000/min at 136.74/s, 150/s run, January 2026) over 32.8 state "
        "transitions a workflow (10,600/s at 323/s, 400/s run of 2026-01-23), the same workload",
        low=0.9,
        high=1.1,
    )
    read_only_share: Assumption = Assumption(
        value=0.71,
        unit="of transactions",
        basis="measured",
        source="193,000 of 272,000 a minute, 150/s run, January 2026",
    )
    dpu_per_read: Assumption = Assumption(
        value=0.0065,
        unit="DPU",
        basis="derived",
        source=f"read and compute share of {_SYSBENCH}; Temporal's reads may take several rows",
        low=0.0065,
        high=0.02,
    )
    dpu_per_write: Assumption = Assumption(
        value=0.143,
        unit="DPU",
        source="AWS's own yardstick, 100,000 DPU for about 700,000 TPC-C transactions, as quoted on 2026-09-20: "
        f"several rows a transaction, as Temporal's; the low end is one row, by {_SYSBENCH}",
        low=0.057,
        high=0.3,
    )
    bytes_per_transaction: Assumption = Assumption(
        value=4_096,
        unit="bytes on the wire",
        source=f"556 bytes a statement in {_SYSBENCH}; several statements and their blobs here",
        low=1_024,
        high=16_384,
    )
    bytes_per_transition: Assumption = Assumption(
        value=1_024,
        unit="bytes stored",
        source="an event, its share of the state, and its keys; no measurement",
        low=512,
        high=4_096,
    )
    retention_days: Assumption = Assumption(
        value=1, unit="days", source="how long closed workflows are kept: a namespace's setting, 1 the shortest"
    )
    documents_bytes_per_workflow: Assumption = Assumption(
        value=2_048,
        unit="bytes in OpenSearch",
        source="one visibility record with its index; no measurement",
        high=8_192,
    )
    series_per_task: Assumption = Assumption(
        value=370,
        unit="metric series",
        basis="derived",
        source="the public sheet's ~100 million samples a day over 47 tasks at a scrape each 15 s (2026-01-23), itself "
        "an estimate; busy history tasks have thousands",
        low=370,
        high=3_000,
    )
    scrape_interval_s: Assumption = Assumption(
        value=15, unit="s", source="the collector's setting in the same project", basis="documented"
    )
    bytes_per_sample: Assumption = Assumption(
        value=2, unit="bytes", source="AMP's pricing page: typically 1 or 2", basis="documented", low=1, high=2
    )
    samples_kept_days: Assumption = Assumption(
        value=150, unit="days", source="AMP keeps samples for 150 days", basis="documented"
    )
    samples_queried_per_ingested: Assumption = Assumption(
        value=10, unit="samples", source="dashboards and rules read each sample some times; no measurement", high=100
    )
    log_bytes_per_task_day: Assumption = Assumption(
        value=50_000_000,
        unit="bytes a day",
        basis="derived",
        source="the public sheet's ~5 GB a day over 99 tasks (2026-01-23), itself an estimate",
        low=10_000_000,
        high=500_000_000,
    )
    logs_kept_days: Assumption = Assumption(value=30, unit="days", source="a log group's setting")

    def named(self) -> dict[str, Assumption]:
        """Every assumption by name."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def at(self, end: str) -> Assumptions:
        """The same with every ranged value at its `low` or `high` end."""
        changed = {
            name: msgspec.structs.replace(one, value=bound)
            for name, one in self.named().items()
            if (bound := getattr(one, end)) is not None
        }
        return msgspec.structs.replace(self, **changed)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a month uses."""

    transactions: float
    dsql_dpu: float
    dsql_gb: float
    """Stored, on average."""
    endpoint_gb: float
    """Through DSQL's interface endpoint."""
    search_gb: float
    """Visibility records in OpenSearch."""
    samples: float
    samples_gb: float
    samples_queried: float
    logs_gb: float
    """Ingested."""
    logs_kept_gb: float
    dynamodb_writes: float


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a month uses by the assumptions, and at both ends of all of them."""

    usage: Usage
    low: Usage
    high: Usage
    assumptions: dict[str, Assumption]


def estimate_usage(
    *,
    transitions_per_s: float,
    rate_per_s: float,
    tasks: int,
    duty: float = 1.0,
    connections: int = 0,
    connection_lifetime_s: float = SESSION_LIFETIME_S,
    distributed_limiter: bool = False,
    assumptions: Assumptions | None = None,
) -> Estimate:
    """Estimate a month's use.

    `transitions_per_s` and `rate_per_s` (workflows) hold for `duty` of the month, the rest is idle and counted as none;
    `tasks` run all month. `connections` with their lifetime give the distributed limiter's writes, one a connect.
    Raises `UsageError` for values out of range.
    """
    if not 0 <= duty <= 1:
        raise UsageError(f"expected a duty from 0 to 1 (the share of the month under load), got {duty:g}")
    if min(transitions_per_s, rate_per_s, tasks, connections) < 0 or connection_lifetime_s <= 0:
        raise UsageError("expected rates, tasks and connections of 0 and more, and a lifetime above 0")
    by = assumptions or Assumptions()

    def month(taken: Assumptions) -> Usage:
        loaded_s = duty * SECONDS_PER_MONTH
        transitions = transitions_per_s * loaded_s
        transactions = transitions * taken.transactions_per_transition.value
        reads = taken.read_only_share.value
        dpu = reads * taken.dpu_per_read.value + (1 - reads) * taken.dpu_per_write.value
        kept_s = taken.retention_days.value * SECONDS_PER_DAY * duty
        samples = tasks * taken.series_per_task.value * SECONDS_PER_MONTH / taken.scrape_interval_s.value
        log_bytes = tasks * taken.log_bytes_per_task_day.value * SECONDS_PER_MONTH / SECONDS_PER_DAY
        days = SECONDS_PER_MONTH / SECONDS_PER_DAY
        return Usage(
            transactions=transactions,
            dsql_dpu=transactions * dpu,
            dsql_gb=transitions_per_s * kept_s * taken.bytes_per_transition.value / BYTES_PER_GB,
            endpoint_gb=transactions * taken.bytes_per_transaction.value / BYTES_PER_GB,
            search_gb=rate_per_s * kept_s * taken.documents_bytes_per_workflow.value / BYTES_PER_GB,
            samples=samples,
            samples_gb=samples * taken.bytes_per_sample.value / days * taken.samples_kept_days.value / BYTES_PER_GB,
            samples_queried=samples * taken.samples_queried_per_ingested.value,
            logs_gb=log_bytes / BYTES_PER_GB,
            logs_kept_gb=log_bytes / days * taken.logs_kept_days.value / BYTES_PER_GB,
            dynamodb_writes=SECONDS_PER_MONTH * connections / connection_lifetime_s if distributed_limiter else 0.0,
        )

    return Estimate(usage=month(by), low=month(by.at("low")), high=month(by.at("high")), assumptions=by.named())
