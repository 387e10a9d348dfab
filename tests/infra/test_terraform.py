"""Every run block of infra/tests is one test here: `terraform test`, with the AWS provider mocked."""

from __future__ import annotations

import pytest

from tests.support.terraform import INFRA, RunResult, Workshop, declared_runs, root_of, run_tests

RUNS = declared_runs()
_LONGEST = ("platform", "network", "benchmark")
"""Modules whose runs take longest, together a minute."""
_LEAST = {
    "network": 20,
    "dsql": 20,
    "service": 18,
    "capacity": 8,
    "visibility": 5,
    "platform": 5,
    "benchmark": 5,
    "observability": 5,
    "metrics": 4,
    "bootstrap": 3,
    "cluster": 3,
}
"""Run blocks that a module has at least: a folder that Terraform does not find passes by running nothing."""

FAILING = """
run "holds" {
  assert {
    condition     = output.x == 1
    error_message = "x is ${output.x}"
  }
}

run "fails" {
  assert {
    condition     = output.x == 2
    error_message = "x is ${output.x}"
  }
}
"""

Results = dict[tuple[str, str], RunResult]


@pytest.fixture(scope="module")
def results(mocked: Workshop) -> dict[str, Results]:
    """Results by module, each tested when its first run is asked for."""

    class Tested(dict[str, Results]):
        def __missing__(self, module: str) -> Results:
            self[module] = run_tests(mocked, root_of(module))
            return self[module]

    return Tested()


@pytest.mark.parametrize(
    ("module", "file", "run"),
    [
        pytest.param(*one, id=f"{one[0]}-{one[2]}", marks=pytest.mark.whole if one[0] in _LONGEST else ())
        for one in RUNS
    ],
)
@pytest.mark.timeout(600)
def test_run(module: str, file: str, run: str, results: dict[str, Results]) -> None:
    ran = results[module]
    result = ran.get((file, run), ran.get(("", ""), RunResult()))
    assert result.status == "pass", "\n".join([result.status, *result.messages])


def test_every_module_has_its_tests() -> None:
    counts = {module: sum(1 for one, _, _ in RUNS if one == module) for module, _, _ in RUNS}
    roots = [path.name for kind in ("modules", "stacks") for path in sorted((INFRA / kind).iterdir()) if path.is_dir()]
    assert [name for name in roots if name not in counts] == []
    assert {name: counts.get(name, 0) for name, least in _LEAST.items() if counts.get(name, 0) < least} == {}


def test_formatted(workshop: Workshop) -> None:
    ended = workshop.terraform(workshop.folder, "fmt", "-check", "-recursive", str(INFRA), check=False)
    assert ended.returncode == 0, f"run: terraform fmt -recursive infra\n{ended.stdout}{ended.stderr}"


def test_nothing_is_left_beside_the_sources() -> None:
    left = [path for name in (".terraform", "*.tfstate*", "*.tfplan") for path in INFRA.rglob(name)]
    assert left == []


def test_a_run_that_fails_is_told_with_its_message(workshop: Workshop) -> None:
    root = workshop.infra / "modules/failing"
    (root / "tests").mkdir(parents=True)
    (root / "main.tf").write_text('output "x" { value = 1 }')
    (root / "tests/x.tftest.hcl").write_text(FAILING)
    results = run_tests(workshop, "failing")
    assert results[("x.tftest.hcl", "holds")].status == "pass"
    assert results[("x.tftest.hcl", "fails")].status == "fail"
    assert "x is 1" in results[("x.tftest.hcl", "fails")].messages[0]


def test_a_file_that_cannot_be_read_fails_every_run(workshop: Workshop) -> None:
    root = workshop.infra / "modules/unreadable"
    (root / "tests").mkdir(parents=True)
    (root / "main.tf").write_text('output "x" { value = 1 }')
    (root / "tests/x.tftest.hcl").write_text('run "one" {\n  nonsense = 1\n}\n')
    results = run_tests(workshop, "unreadable")
    assert {one.status for one in results.values()} == {"error"}
    assert any("nonsense" in message for one in results.values() for message in one.messages)
