"""Real processes: doubles of docker and the plugin on PATH, Terraform itself, and mirrors on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from auroral.doctor import look_tools
from auroral.doctor.checks import Check, State
from auroral.doctor.run import look_at_all
from tests.doctor import programs
from tests.support.terraform import MIRROR, find_mirror

ROOT = Path(__file__).parents[2]


def _look(environ: Mapping[str, str], start: Path = ROOT) -> dict[str, Check]:
    return {one.name: one for one in look_at_all(look_tools.probes(environ, start))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where doubles are put; PATH of the tests names it alone."""
    made = tmp_path / "bin"
    made.mkdir()
    return made


def test_a_machine_with_everything(folder: Path) -> None:
    terraform = shutil.which("terraform")
    assert terraform is not None
    programs.complete(folder)
    (folder / "terraform").symlink_to(terraform)
    found = _look({**programs.path_of(folder), "HOME": str(folder)})
    assert {one.state for one in found.values()} == {State.OK}, found
    version = subprocess.run([terraform, "version"], capture_output=True, text=True, check=True).stdout
    assert f"v{found['terraform'].found}" in version
    assert ">= 5.100.0, < 6.0.0 is pinned" in found["terraform's AWS provider"].found
    assert found["session-manager-plugin"].found == "1.2.896.0"


def test_a_machine_with_nothing(folder: Path, tmp_path: Path) -> None:
    found = _look({"PATH": str(folder)}, tmp_path)
    assert found["terraform"].state is State.MISSING
    assert found["session-manager-plugin"].state is State.MISSING
    assert found["docker buildx for linux/arm64"].state is State.MISSING
    assert found["aws cli"].state is State.OK
    assert all(one.remedy for one in found.values() if one.state is State.MISSING)


def test_a_builder_for_this_machine_alone_is_not_enough(folder: Path) -> None:
    programs.docker(folder, platforms="linux/amd64")
    check = _look(programs.path_of(folder))["docker buildx for linux/arm64"]
    assert (check.state, "linux/amd64" in check.found) == (State.MISSING, True)


def test_programs_that_fail_or_cannot_be_run_are_told(folder: Path) -> None:
    programs.program(folder, "terraform", "echo broken >&2; exit 3")
    plugin = folder / "session-manager-plugin"
    plugin.write_bytes(b"\x7fELF of another machine")
    plugin.chmod(0o755)
    found = _look(programs.path_of(folder))
    assert "broken" in found["terraform"].found
    assert "cannot be run" in found["session-manager-plugin"].found


def test_a_program_that_hangs_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_tools, "TIMEOUT_S", 0.2)
    for name in ("terraform", "session-manager-plugin", "aws"):
        programs.program(folder, name, "exec sleep 30")
    found = _look(programs.path_of(folder))
    for name in ("terraform", "session-manager-plugin", "aws cli"):
        assert (found[name].state, "0.2 s" in found[name].found) == (State.UNKNOWN, True)


def test_an_old_terraform_is_missing(folder: Path) -> None:
    programs.program(folder, "terraform", """echo '{"terraform_version": "1.9.8", "platform": "linux_arm64"}'""")
    check = _look(programs.path_of(folder))["terraform"]
    assert (check.state, "1.9.8; 1.11" in check.found) == (State.MISSING, True)


def test_the_mirror_of_the_tests_will_do(folder: Path) -> None:
    """Where the registry serves them instead, there is no mirror to look into, and none is named."""
    mirror = find_mirror()
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    environ |= {} if mirror is None else {MIRROR: str(mirror)}
    check = _look(environ)["terraform's AWS provider"]
    assert (check.state, str(mirror) in check.found) == (State.OK, mirror is not None)


def _mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror/registry.terraform.io/hashicorp/aws"
    folder.mkdir(parents=True)
    return folder


def test_packed_and_unpacked_mirrors_are_read_for_this_platform_alone(tmp_path: Path) -> None:
    folder = _mirror(tmp_path)
    (folder / "terraform-provider-aws_5.100.0_linux_arm64.zip").touch()
    (folder / "terraform-provider-aws_5.101.0_darwin_arm64.zip").touch()
    (folder / "5.102.0/linux_arm64").mkdir(parents=True)
    (folder / "5.103.0/linux_amd64").mkdir(parents=True)
    (folder / "index.json").touch()
    assert look_tools.mirrored(tmp_path / "mirror", "linux_arm64") == ("5.100.0", "5.102.0")
    assert look_tools.mirrored(tmp_path / "mirror", "windows_amd64") == ()
    assert look_tools.mirrored(tmp_path / "nowhere", "linux_arm64") is None


def test_without_infra_no_version_is_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from auroral.errors import UsageError
    from auroral.infra import working_copy

    def nowhere(given: str | None, start: Path) -> Path:
        raise UsageError(f"none for {given} in {start}")

    monkeypatch.setattr(working_copy, "find_infra", nowhere)
    assert look_tools.provided({}, tmp_path, "linux_arm64").constraint is None
