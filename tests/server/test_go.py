"""The Go module's own tests: formatted, vetted, the pure ones, and those that need a database or an emulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import pytest

from tests.support.double import environment_of, running_double
from tests.support.go import SERVER, GoResults, build_tests, go, run_tests
from tests.support.moto_server import moto_server

UNITS = 300
"""At least so many tests without subtests need nothing but Go."""
LIVE = {
    "internal/connect": 21,
    "internal/pool": 40,
    "internal/fence": 10,
    "internal/store": 30,
    "cmd/auroral-localdb": 3,
}
"""Packages with live tests, and at least how many tests each has."""
AT_ONCE = 2
"""So many of them run beside each other: most of their time they wait."""
ELSEWHERE = {"suites", "internal/schema"}
"""Those of test_suites.py and test_schema_postgres.py."""


def test_formatted_and_vetted() -> None:
    formatted = go("fmt", "./...")
    assert (formatted.status, formatted.output) == (0, ""), f"formatted now: {formatted.output}"
    vetted = go("vet", "-tags", "live", "./...")
    assert vetted.status == 0, vetted.output


@pytest.mark.timeout(900)
def test_units() -> None:
    go("test", "-v", "./...").assert_passed(at_least=UNITS)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A double of DSQL, the PostgreSQL below it, and DynamoDB as moto has it."""
    log = tmp_path_factory.mktemp("moto") / "log"
    with running_double({"connect_burst": 100_000}) as (double, _), moto_server(log) as moto:
        yield {
            **environment_of(double),
            "AURORAL_TEST_DOUBLE": msgspec.json.encode(double).decode(),
            "AURORAL_TEST_POSTGRES": double.postgres_url,
            "AURORAL_TEST_DYNAMODB": moto.url,
        }


@pytest.fixture(scope="module")
def ran(
    request: pytest.FixtureRequest, services: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[GoResults]]]:
    """What the tests of each package say. Asked for by one, those of all that were chosen are begun."""
    folder = tmp_path_factory.mktemp("live")
    chosen = [package for package in LIVE if any(f"[{package}-" in item.nodeid for item in request.session.items)]

    def run(package: str) -> GoResults:
        return run_tests(build_tests(f"./{package}", folder), package, environment=services, timeout_s=500)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {package: pool.submit(run, package) for package in chosen}
        pool.shutdown(cancel_futures=True)


@pytest.mark.whole
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("package", "at_least"), LIVE.items())
def test_live(package: str, at_least: int, ran: Mapping[str, Future[GoResults]]) -> None:
    """With the build tag `live`: the package's other tests run again with them."""
    ran[package].result().assert_passed(at_least=at_least)


def test_every_live_package_is_run() -> None:
    """A package with live tests that nothing runs would prove nothing."""
    live = {
        str(path.parent.relative_to(SERVER))
        for path in SERVER.rglob("*_test.go")
        if path.read_text().startswith("//go:build live")
    }
    assert live == LIVE.keys() | ELSEWHERE
