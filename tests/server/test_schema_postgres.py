"""The Go tests of the schema that need a PostgreSQL: every kill resumed, every update compared, roles, conflicts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from auroral.local.postgres import Postgres
from tests.support.go import build_tests, run_tests

PACKAGE = "internal/schema"


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tests(f"./{PACKAGE}", tmp_path_factory.mktemp("schema"))


@pytest.mark.whole
@pytest.mark.parametrize(
    ("which", "at_least"),
    [
        pytest.param(["-test.skip=KilledAtEveryStatement|TestRoles"], 60, id="quick"),
        pytest.param(["-test.run=TestRoles"], 1, id="roles"),
        pytest.param(["-test.run=SetupKilledAtEveryStatement"], 1, id="killed-setup", marks=pytest.mark.slow),
        pytest.param(["-test.run=UpdateKilledAtEveryStatement"], 1, id="killed-update", marks=pytest.mark.slow),
    ],
)
def test_live(which: list[str], at_least: int, executable: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with Postgres(tmp_path / "postgres", durable=False) as postgres:
            results = await asyncio.to_thread(
                run_tests,
                executable,
                PACKAGE,
                *which,
                environment={"AURORAL_TEST_POSTGRES": postgres.tcp_url()},
                timeout_s=250,
            )
        results.assert_passed(at_least=at_least)

    asyncio.run(run())
