"""The directions of imports, and the one version."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import auroral

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_imports_point_one_way() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("of", "packages"),
    [
        ("bench.settings", ["bench", "temporal/wire"]),
        ("dsql.limits", ["dsql", "visibility"]),
        ("infra.model", ["infra"]),
        ("ecs.fleet", ["ecs"]),
        ("images.names", ["images"]),
        ("doctor.checks", ["doctor"]),
        ("dashboards.metrics", ["dashboards"]),
    ],
)
def test_the_contracts_name_every_module(of: str, packages: list[str]) -> None:
    """A new module is either pure, and held to it, or acts, and pure modules keep off it."""
    pure, acting = _contract(f"auroral.{of}")
    source = ROOT / "src"
    nested = {"ecs", "bench"}  # rooms; infra's properties are a list of their own
    on_disk = {
        ".".join(path.relative_to(source).with_suffix("").parts)
        for package in packages
        for path in (source / "auroral" / package).glob("**/*.py" if package in nested else "*.py")
        if path.stem != "__init__"
    }
    assert not pure & acting
    assert on_disk - pure - acting == set(), "add these to the contract in pyproject.toml"


def test_one_version() -> None:
    assert PROJECT["project"]["version"] == auroral.__version__ == version("auroral")


def _contract(module: str) -> tuple[set[str], set[str]]:
    for contract in PROJECT["tool"]["importlinter"]["contracts"]:
        if module in contract.get("source_modules", []):
            return set(contract["source_modules"]), set(contract["forbidden_modules"])
    raise AssertionError(f"no contract on {module} and its like")
