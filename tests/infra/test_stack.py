"""The stack against what it is put together from: the server's environment, the profiles, the collector."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.terraform import INFRA, ROOT

STACK = INFRA / "stacks/platform"
_KEY = re.compile(r"^\s+([A-Z][A-Z0-9_]+)\s+=", re.MULTILINE)


def test_servers_are_given_only_variables_that_they_know() -> None:
    given = set(_KEY.findall((STACK / "environment.tf").read_text()))
    reference = (ROOT / "docs/reference/server-environment.md").read_text()
    known = set(re.findall(r"^\| `([A-Z0-9_]+)`", reference, re.MULTILINE))
    assert len(given) > 20
    assert given - known == set()


def test_what_the_stack_sets_is_kept_from_whoever_adds_to_it() -> None:
    text = (STACK / "environment.tf").read_text()
    reserved = set(re.findall(r'"([A-Z0-9_]+)"', text[text.index("reserved_environment") :]))
    assert set(_KEY.findall(text)) - reserved == set()


def test_the_collector_reads_variables_that_its_task_has() -> None:
    used = set(re.findall(r"\$\{env:([A-Z_]+)\}", (STACK / "collector.yaml").read_text()))
    given = set(_KEY.findall((STACK / "collector.tf").read_text())) | {"AWS_REGION"}
    assert used <= given


def test_every_variable_of_a_profile_is_one_of_the_stack() -> None:
    variables = {
        name
        for file in STACK.glob("variables*.tf")
        for name in re.findall(r'^variable "(\w+)"', file.read_text(), re.MULTILINE)
    }
    for profile in sorted((INFRA / "profiles").glob("*.tfvars")):
        assert set(re.findall(r"^(\w+)\s+=", profile.read_text(), re.MULTILINE)) <= variables, profile.name


@pytest.mark.parametrize("file", sorted(STACK.glob("*.tf")), ids=lambda path: path.name)
def test_no_file_holds_two_concerns(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 160
