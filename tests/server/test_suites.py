"""Temporal's public persistence suites: ours through the double of DSQL, and the stock plugin on PostgreSQL.

The same tests, the same PostgreSQL underneath, the same isolation. What the stock plugin passes, ours has to pass.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from auroral.local.binaries import LOCALDB, SCHEMA, obtain_binaries
from auroral.local.double.client import Control
from auroral.local.double.server import Announcement
from tests.support.double import environment_of, running_double
from tests.support.go import GoResults, build_tests, run_tests

TESTS = 426
"""At least so many tests without subtests are in the suites of server 1.32.2."""
OF_CASSANDRA = (
    "TestManagers/MetadataV2/TestRenameNamespaceCassandra|TestStores/ExecutionMutableState/TestListConcreteExecutions"
)
"""Tests of Cassandra, which skip themselves on every SQL store."""
TEMPLATE, STOCK_TEMPLATE = "suite_template", "stock_template"


@dataclass(frozen=True)
class Suites:
    """The compiled suites, and what they run against."""

    executable: Path
    double: Announcement
    control: Control

    def run(self, plugin: str, *, template: str, owner: str) -> GoResults:
        self._leave_alone(template)
        return run_tests(
            self.executable,
            "suites",
            f"-test.skip={OF_CASSANDRA}",
            environment={
                **environment_of(self.double),
                "DSQL_USER": "admin",
                # The suites open a pool for each of their stores, one after another.
                "TEMPORAL_SQL_MAX_CONNS": "5",
                "DSQL_CONNECTION_RATE_LIMIT": "1000",
                "DSQL_CONNECTION_BURST_LIMIT": "1000",
                "AURORAL_SUITE_PLUGIN": plugin,
                "AURORAL_SUITE_TEMPLATE": template,
                "AURORAL_SUITE_OWNER": owner,
                "AURORAL_TEST_POSTGRES": self.double.postgres_url,
            },
            timeout_s=1500,
        )

    def _leave_alone(self, database: str) -> None:
        """A template is copied only while nobody is connected to it."""
        with psycopg.connect(self.double.postgres_url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suites]:
    programs = asyncio.run(obtain_binaries([SCHEMA, LOCALDB], report=print))
    executable = build_tests("./suites", tmp_path_factory.mktemp("suites"))
    with running_double({"connect_burst": 100_000}) as (double, control):
        control.create_database(TEMPLATE)
        subprocess.run([programs[SCHEMA], "setup"], env=environment_of(double, TEMPLATE), check=True)
        address = double.postgres_url.split("@")[1].split("/")[0]
        subprocess.run(
            [programs[LOCALDB], "--address", address, "--database", STOCK_TEMPLATE, "--schema", "temporal"],
            env={**environment_of(double), "SQL_PASSWORD": _password(double.postgres_url)},
            check=True,
        )
        yield Suites(executable, double, control)


def _password(url: str) -> str:
    found = psycopg.conninfo.conninfo_to_dict(url).get("password")
    return str(found or "")


@pytest.mark.whole
@pytest.mark.timeout(1600)
def test_the_plugin_passes_through_the_double(suites: Suites) -> None:
    suites.run("dsql", template=TEMPLATE, owner="admin").assert_passed(at_least=TESTS)


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_the_stock_plugin_passes_on_postgresql(suites: Suites) -> None:
    """The control, for when ours does not pass: the suites themselves, and the PostgreSQL below, are sound."""
    suites.run("postgres12_pgx", template=STOCK_TEMPLATE, owner="postgres").assert_passed(at_least=TESTS)


@pytest.mark.slow
@pytest.mark.timeout(1600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_plugin_passes_where_one_commit_in_ten_conflicts(suites: Suites, seed: int) -> None:
    suites.control.change(conflict_rate=0.1, conflict_seed=seed)
    try:
        suites.run("dsql", template=TEMPLATE, owner="admin").assert_passed(at_least=TESTS)
    finally:
        suites.control.change(conflict_rate=0.0)
    assert suites.control.statistics(openings=False).conflicts > 0
