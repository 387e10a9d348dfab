"""Every run block of infra/tests is one test here: `terraform test`, with the AWS provider mocked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.terraform import INFRA, TestedRun, Workshop, declared_runs, root_of, run_tests

RUNS = declared_runs()
_LEAST = {"network": 20, "dsql": 20, "bootstrap": 3, "cluster": 5, "capacity": 10, "service": 20, "benchmark": 5}
"""Run blocks that a module has at least: a folder that Terraform does not find passes by running nothing."""

Results = dict[tuple[str, str], TestedRun]


@pytest.fixture(scope="module")
def results(mocked: Workshop) -> dict[str, Results]:
    """Results by module, each tested when its first run is asked for."""

    class Tested(dict[str, Results]):
        def __missing__(self, module: str) -> Results:
            self[module] = run_tests(mocked, root_of(module))
            return self[module]

    return Tested()


@pytest.mark.parametrize(("module", "file", "run"), RUNS, ids=[f"{module}-{run}" for module, _, run in RUNS])
@pytest.mark.timeout(600)
def test_run(module: str, file: str, run: str, results: dict[str, Results]) -> None:
    ran = results[module]
    result = ran.get((file, run), ran.get(("", ""), TestedRun()))
    assert result.status == "pass", "\n".join([result.status, *result.messages])


def test_every_module_has_its_tests() -> None:
    counts = {module: sum(1 for one, _, _ in RUNS if one == module) for module, _, _ in RUNS}
    roots = [path.name for kind in ("modules", "stacks") for path in sorted((INFRA / kind).iterdir()) if path.is_dir()]
    assert [name for name in roots if name not in counts] == []
    assert {name: counts.get(name, 0) for name, least in _LEAST.items() if counts.get(name, 0) < least} == {}


def test_formatted(workshop: Workshop) -> None:
    ended = workshop.terraform(workshop.folder, "fmt", "-check", "-recursive", "infra", check=False)
    assert ended.returncode == 0, f"run: terraform fmt -recursive infra\n{ended.stdout}{ended.stderr}"


def test_nothing_is_left_beside_the_sources() -> None:
    left = [path for name in (".terraform", "*.tfstate*", "*.tfplan") for path in INFRA.rglob(name)]
    assert left == []


def test_terraform_can_read_what_it_is_given(workshop: Workshop, tmp_path: Path) -> None:
    """The harness fails where Terraform fails, and says why."""
    (tmp_path / "main.tf").write_text("nonsense {")
    ended = subprocess.run(
        ["terraform", "init"], cwd=tmp_path, env=dict(workshop.environ), capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
