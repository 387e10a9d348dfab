"""The steps of the smoke test: what they run, what undoes them, in which order."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.errors import UsageError
from auroral.infra.smoke import (
    LOAD_H,
    PLANNED_H,
    TEARDOWN_H,
    Event,
    Settings,
    commands,
    files,
    held_by,
    steps,
    to_undo,
    variables,
)
from tests.support.terraform import INFRA

SETTINGS = Settings(project="smoke-ab12", region="us-east-1", account_id="123456789012", directory="/d")
STEPS = steps(SETTINGS)
NAMES = [step.name for step in STEPS]


def _events(*pairs: tuple[str, str]) -> list[Event]:
    return [Event(step=step, kind=kind, at="") for step, kind in pairs]  # type: ignore[arg-type]


def test_the_order_of_a_deployment() -> None:
    wanted = "doctor bootstrap images secret platform outputs schema roles visibility up benchmark verify"
    assert wanted.split() == NAMES


def test_every_step_says_what_it_proves() -> None:
    assert all(len(step.proves.split()) > 5 for step in STEPS)
    assert len(set(NAMES)) == len(NAMES)


def test_whatever_makes_something_that_lasts_is_undone() -> None:
    assert [step.name for step in STEPS if step.undo] == ["bootstrap", "secret", "platform", "up"]
    applied = {step.command[3] for step in STEPS if step.command[:2] == ("infra", "apply")}
    destroyed = {one[3] for step in STEPS for one in step.undo if one[:2] == ("infra", "destroy")}
    assert applied == destroyed == {"bootstrap", "platform"}


def test_nobody_is_asked_in_the_middle() -> None:
    asking = [
        one for one in commands(STEPS) if one[:2] in {("infra", "apply"), ("infra", "destroy"), ("infra", "sweep")}
    ]
    asking += [one for one in commands(STEPS) if one[:2] in {("cluster", "up"), ("cluster", "down")}]
    assert all("--yes" in one for one in asking)


def test_nothing_is_left_in_the_way_of_the_teardown() -> None:
    platform = variables(SETTINGS, "platform")
    assert platform["dsql_cluster"] == {"deletion_protection": False, "backup": {"enabled": False}}
    assert variables(SETTINGS, "bootstrap")["service_linked_roles"] == []


def test_the_files_are_where_infra_looks_for_them() -> None:
    made = files(SETTINGS)
    assert sorted(made) == ["bootstrap/smoke.tfvars.json", "platform/backend.hcl", "platform/smoke.tfvars.json"]
    assert json.loads(made["platform/smoke.tfvars.json"])["project"] == "smoke-ab12"
    assert made["platform/backend.hcl"] == (
        'bucket = "smoke-ab12-terraform-123456789012-us-east-1"\nkey = "dev/terraform.tfstate"\n'
        'region = "us-east-1"\nencrypt = false\nuse_lockfile = true\n'
    )
    directories = {one[one.index("--directory") + 1] for one in commands(STEPS) if "--directory" in one}
    assert directories == {"/d/bootstrap", "/d/platform"}
    tfvars = {one[one.index("--tfvars") + 1] for one in commands(STEPS) if "--tfvars" in one}
    assert {path.rpartition("/")[0] for path in tfvars} == {"/d/platform"}


@pytest.mark.parametrize("stack", ["bootstrap", "platform"])
def test_the_stacks_have_the_variables(stack: str) -> None:
    text = "".join(path.read_text() for path in (INFRA / "stacks" / stack).glob("*.tf"))
    declared = set(re.findall('^variable "(.*)"', text, re.MULTILINE))
    assert set(variables(SETTINGS, stack)) <= declared


def test_the_state_bucket_is_that_of_bootstrap() -> None:
    text = (INFRA / "stacks/bootstrap/state_bucket.tf").read_text()
    assert 'state_bucket = "${var.project}-terraform-${var.account_id}-${var.region}"' in text


def test_time_is_kept_for_the_teardown() -> None:
    assert 0 < TEARDOWN_H < PLANNED_H
    assert 0 < LOAD_H < PLANNED_H - TEARDOWN_H


@pytest.mark.parametrize("project", ["", "Smoke", "a-name-of-eighteen", "1smoke", "smoke-", "a"])
def test_a_name_that_the_stacks_would_refuse(project: str) -> None:
    with pytest.raises(UsageError, match="expected a project of 2 to 17"):
        steps(Settings(project=project, region="us-east-1", account_id="", directory="/d"))


def test_what_has_begun_is_undone_the_last_first_whether_or_not_it_was_done() -> None:
    events = _events(("bootstrap", "begun"), ("bootstrap", "done"), ("secret", "begun"), ("platform", "begun"))
    assert [step.name for step in to_undo(STEPS, events)] == ["platform", "secret", "bootstrap"]
    events += _events(("platform", "failed"), ("platform", "not-undone"))
    assert [step.name for step in to_undo(STEPS, events)] == ["platform", "secret", "bootstrap"]
    events += _events(("platform", "undone"))
    assert [step.name for step in to_undo(STEPS, events)] == ["secret", "bootstrap"]


def test_the_state_of_the_platform_stays_for_as_long_as_the_platform() -> None:
    bootstrap = STEPS[1]
    assert held_by(bootstrap, ["platform", "bootstrap"]) == ["platform"]
    assert held_by(bootstrap, ["bootstrap"]) == []


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["begun", "done", "failed", "undone", "not-undone"])))
)
def test_undoing_is_the_reverse_of_doing_and_forgets_nothing(pairs: list[tuple[str, str]]) -> None:
    pending = [step.name for step in to_undo(STEPS, _events(*pairs))]
    assert pending == sorted(pending, key=NAMES.index, reverse=True)
    for step in STEPS:
        last = next((kind for name, kind in reversed(pairs) if name == step.name and kind in ("begun", "undone")), None)
        assert (step.name in pending) == (last == "begun" and bool(step.undo))
