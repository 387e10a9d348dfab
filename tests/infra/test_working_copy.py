"""The deployment's directory: copies, variables, backends."""

from __future__ import annotations

from pathlib import Path

import pytest

from auroral.errors import UsageError
from auroral.infra.working_copy import WorkingCopy, find_infra, prepare


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    for path, text in {
        "modules/one/main.tf": 'output "x" { value = 1 }\n',
        "stacks/platform/main.tf": 'module "one" { source = "../../modules/one" }\n',
        "stacks/platform/versions.tf": 'terraform {\n  backend "s3" {\n    use_lockfile = true\n  }\n}\n',
        "stacks/bootstrap/main.tf": "",
        "profiles/dev.tfvars": "",
    }.items():
        (tmp_path / "infra" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "infra" / path).write_text(text)
    return tmp_path / "infra"


def ready(infra: Path, directory: Path, stack: str = "platform", **more: object) -> WorkingCopy:
    directory.mkdir(exist_ok=True)
    return prepare(infra, stack, directory, **more)  # type: ignore[arg-type]


def test_layers_of_variables(infra: Path, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    (directory / "b.tfvars.json").write_text("{}")
    (directory / "a.tfvars").write_text("")
    named = tmp_path / "named.tfvars"
    named.write_text("")
    copy = ready(infra, directory, profile="dev", var_files=[str(named)], local_state=True)
    assert [path.name for path in copy.var_files] == ["dev.tfvars", "named.tfvars", "a.tfvars", "b.tfvars.json"]


def test_the_sources_stay_as_they_are_and_the_lock_is_kept(infra: Path, tmp_path: Path) -> None:
    before = sorted(infra.rglob("*"))
    copy = ready(infra, tmp_path / "d", local_state=True)
    (copy.root / ".terraform.lock.hcl").write_text("lock")
    (copy.root / "stale.tf").write_text("")
    again = ready(infra, tmp_path / "d")
    assert (again.root / ".terraform.lock.hcl").read_text() == "lock"
    assert not (again.root / "stale.tf").exists()
    assert sorted(infra.rglob("*")) == before


def test_a_backend_takes_its_configuration_from_the_directory(infra: Path, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    (directory / "backend.hcl").write_text("")
    copy = ready(infra, directory, backend_config=["key=dev/terraform.tfstate"])
    assert copy.backend_arguments == (
        f"-backend-config={directory / 'backend.hcl'}",
        "-backend-config=key=dev/terraform.tfstate",
    )


def test_a_backend_that_nothing_tells_of(infra: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"nothing says where the state of the stack platform is: expected .*backend\.hcl"
    ) as told:
        ready(infra, tmp_path / "d")
    assert "--local-state" in told.value.hint


@pytest.mark.parametrize(("stack", "local"), [("bootstrap", False), ("platform", True)])
def test_a_state_in_the_directory(infra: Path, tmp_path: Path, stack: str, local: bool) -> None:
    copy = ready(infra, tmp_path / "d", stack, local_state=local)
    text = (copy.root / "auroral_backend_override.tf").read_text()
    assert f'path = "{tmp_path / "d" / "terraform.tfstate"}"' in text
    assert (ready(infra, tmp_path / "d", stack).root / "auroral_backend_override.tf").exists()  # it is remembered


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"profile": "huge"}, "expected one of dev"),
        ({"var_files": ["nowhere.tfvars"]}, "there is none"),
        ({"stack": "platfrom"}, "expected one of bootstrap, platform"),
        ({"stack": "bootstrap", "backend_config": ["a=b"]}, "bootstrap has none"),
        ({"local_state": True, "backend_config": ["a=b"]}, "told to keep its state here"),
    ],
)
def test_wrong_usage(infra: Path, tmp_path: Path, more: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ready(infra, tmp_path / "d", **more)  # type: ignore[arg-type]


def test_a_profile_of_aws_in_the_wrong_flag(infra: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as told:
        ready(infra, tmp_path / "d", profile="me-sso")
    assert "--aws-profile" in told.value.hint


def test_infra_is_found_above(infra: Path, tmp_path: Path) -> None:
    inner = infra / "stacks/platform"
    assert find_infra(None, inner) == infra
    assert find_infra(str(infra), tmp_path) == infra
    with pytest.raises(UsageError, match="expected a folder that holds stacks"):
        find_infra(str(tmp_path), tmp_path)
