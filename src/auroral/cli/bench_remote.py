"""`auroral bench remote`: its commands."""

from __future__ import annotations

from auroral.cli.command import Group

remote = Group(
    "remote",
    lazy={
        "run": ("auroral.cli.bench_remote_run:run_command", "Run a benchmark on the deployed cluster."),
        "results": ("auroral.cli.bench_remote_results:results_command", "List and fetch the results of runs."),
        "workers": ("auroral.cli.bench_remote_workers:workers_command", "Scale the benchmark workers."),
    },
    help="Benchmarks that run inside the deployed cluster.",
)
