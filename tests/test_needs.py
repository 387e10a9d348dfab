"""What the tests need is there, installed, or named with the line to type; nothing is skipped in silence."""

from __future__ import annotations

import ast
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.needs import (
    find_browser,
    how_to_install,
    need_browser,
    need_checkov,
    need_opensearch,
    need_prometheus,
    need_proxies,
    need_session_plugin,
    need_terraform,
)
from tests.support import session_plugin_build
from tests.support.opensearch import obtain
from tests.support.terraform import find_mirror
from tests.tools import checkov

_PACKAGES = {
    "chromium": {"chromium"},
    "prometheus": {"prometheus", "promtool"},
    "nginx-light": {"nginx", "haproxy"},
}


class System:
    """A machine with these programs; `apt-get install` may bring others."""

    def __init__(self, *programs: str, packages: bool = True, online: bool = True) -> None:
        self.programs = set(programs)
        self.packages = packages
        self.online = online
        self.ran: list[str] = []
        self.said: list[str] = []

    def which(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def run(self, command: Sequence[str]) -> int:
        self.ran.append(" ".join(command[:2]))
        if not self.online:
            return 100
        if "install" in command and self.packages:
            self.programs.update(next(programs for package, programs in _PACKAGES.items() if package in command))
        return 0

    def need(self, *, root: bool) -> bool:
        return need_browser(which=self.which, root=root, run=self.run, say=self.said.append)


def test_a_browser_that_is_there_is_taken() -> None:
    system = System("google-chrome", "apt-get")
    assert find_browser(system.which) == "/usr/bin/google-chrome"
    assert system.need(root=True)
    assert system.ran == []


def test_it_is_installed_where_that_is_allowed() -> None:
    system = System("apt-get")
    assert system.need(root=True)
    assert system.ran == ["apt-get update", "apt-get install"]


@pytest.mark.parametrize(
    ("system", "root", "line"),
    [
        (System("apt-get"), False, "sudo apt-get update && sudo apt-get install --yes chromium"),
        (System("apt-get", online=False), True, "apt-get update && apt-get install --yes chromium"),
        (System("dnf"), False, "sudo dnf install --assumeyes chromium"),
        (System("brew"), False, "brew install --cask chromium"),
        (System(), True, "this system's package manager"),
    ],
)
def test_else_the_line_to_type_is_told(system: System, root: bool, line: str) -> None:
    assert not system.need(root=root)
    assert line in system.said[-1]
    assert line in how_to_install(system.which, root=root)


class JavaSystem(System):
    """A machine on which Maven brings what it is asked for."""

    def run(self, command: Sequence[str]) -> int:
        self.ran.append(" ".join(command[:2]))
        if not self.online:
            return 1
        if command[0] == "apt-get" and "install" in command:
            self.programs |= {"java", "javac", "mvn"}
        if command[0] == "mvn":
            folder = Path(next(part for part in command if part.startswith("-DoutputDirectory=")).split("=")[1])
            folder.mkdir()
            with zipfile.ZipFile(folder / "opensearch-security-2.19.1.0.zip", "w") as plugin:
                for name in ("opensearch-security-2.19.1.0.jar", "netty-common-4.1.118.Final.jar", "config/roles.yml"):
                    plugin.writestr(name, name)
            (folder / "netty-common-4.1.135.Final.jar").touch()
        return 0

    def need_jars(self, cache: Path, *, root: bool = False) -> bool:
        return need_opensearch(which=self.which, root=root, run=self.run, say=self.said.append, cache=cache)


def test_jars_are_fetched_once_and_kept(tmp_path: Path) -> None:
    system = JavaSystem("java", "javac", "mvn")
    assert system.need_jars(tmp_path)
    assert [line.split()[0] for line in system.ran] == ["mvn", "javac"]
    security = sorted(path.name for path in (obtain.folder(tmp_path) / "security").iterdir())
    assert security == ["config", "opensearch-security-2.19.1.0.jar"]  # the node has a Netty of its own
    assert system.need_jars(tmp_path)
    assert len(system.ran) == 2


def test_java_is_installed_where_that_is_allowed(tmp_path: Path) -> None:
    system = JavaSystem("apt-get")
    assert system.need_jars(tmp_path, root=True)
    assert system.ran[:2] == ["apt-get update", "apt-get install"]


def test_else_the_line_for_java_is_told(tmp_path: Path) -> None:
    system = JavaSystem("apt-get", "java")
    assert not system.need_jars(tmp_path)
    assert "need javac, mvn on PATH" in system.said[-1]
    assert "sudo apt-get update && sudo apt-get install --yes default-jdk-headless maven" in system.said[-1]


def test_jars_that_cannot_be_fetched_leave_nothing(tmp_path: Path) -> None:
    system = JavaSystem("java", "javac", "mvn", online=False)
    assert not system.need_jars(tmp_path)
    assert "could not be fetched" in system.said[-1]
    assert list(tmp_path.iterdir()) == []


class Python:
    """A machine on which environments are made, and filled where there is a network."""

    def __init__(self, *, online: bool = True) -> None:
        self.online = online
        self.ran: list[Sequence[str]] = []
        self.said: list[str] = []

    def run(self, command: Sequence[str]) -> int:
        self.ran.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir()
            return 0
        return 0 if self.online else 1

    def need(self, cache: Path) -> bool:
        return need_checkov(run=self.run, say=self.said.append, cache=cache)


def test_checkov_is_installed_once_by_hash_and_in_its_own_environment(tmp_path: Path) -> None:
    machine = Python()
    assert machine.need(tmp_path)
    venv, pip = machine.ran
    assert venv[1:3] == ["-m", "venv"]
    assert pip[0] == str(checkov.folder(tmp_path) / "bin/python")
    assert list(pip[-3:]) == ["--require-hashes", "-r", str(checkov.REQUIREMENTS)]
    assert machine.need(tmp_path)
    assert len(machine.ran) == 2


def test_checkov_that_cannot_be_installed_leaves_nothing_half_made(tmp_path: Path) -> None:
    machine = Python(online=False)
    assert not machine.need(tmp_path)
    assert "could not be installed" in machine.said[-1]
    assert not checkov.folder(tmp_path).exists()


def test_an_interrupted_installation_is_made_anew(tmp_path: Path) -> None:
    checkov.folder(tmp_path).mkdir()
    machine = Python()
    machine.run = lambda command: 0  # type: ignore[method-assign]
    assert not checkov.is_there(tmp_path)
    assert machine.need(tmp_path)
    assert checkov.is_there(tmp_path)


def test_checkov_is_pinned_with_all_that_it_brings() -> None:
    pins = checkov.REQUIREMENTS.read_text()
    packages = [line for line in pins.splitlines() if "==" in line]
    assert sum(line.startswith("checkov==") for line in packages) == 1
    assert pins.count(" --hash=sha256:") >= len(packages) > 50


@pytest.mark.parametrize(
    ("version", "fine", "words"),
    [
        ("1.11.4", True, "comes from its registry"),
        ("1.12.0-beta1", True, "comes from its registry"),
        ("1.9.8", False, "/usr/bin/terraform is 1.9.8"),
        (None, False, "need terraform 1.11 or later on PATH"),
    ],
)
def test_terraform_is_named_where_it_is_missing_or_old(version: str | None, fine: bool, words: str) -> None:
    machine = System(*(["terraform"] if version else []))
    told = need_terraform(
        which=machine.which, version=lambda program: version or "", mirror=lambda: None, say=machine.said.append
    )
    assert told is fine
    assert words in machine.said[-1]


def test_a_mirror_that_holds_nothing_is_named(tmp_path: Path) -> None:
    machine = System("terraform")
    environ = {"AURORAL_TERRAFORM_MIRROR": str(tmp_path)}
    told = need_terraform(
        which=machine.which,
        version=lambda program: "1.11.4",
        mirror=lambda: find_mirror(environ),
        say=machine.said.append,
    )
    assert not told
    assert "expected a folder that holds registry.terraform.io" in machine.said[-1]


def test_a_mirror_is_found_in_the_usual_places(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home"), "XDG_DATA_DIRS": str(tmp_path / "share")}
    assert find_mirror(environ, tmp_path) is None
    for place in ("opt/plugins", "share/terraform/plugins", "home/.terraform.d/plugins"):  # each before the one above
        (tmp_path / place / "registry.terraform.io").mkdir(parents=True)
        assert find_mirror(environ, tmp_path) == tmp_path / place


def test_no_test_is_skipped() -> None:
    forbidden = {"skip", "skipif", "xfail", "importorskip"}
    for path in Path(__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in forbidden, f"{path}:{node.lineno}"


def test_the_session_plugin_is_built_once(tmp_path: Path) -> None:
    said: list[str] = []
    built: list[Path] = []

    def build() -> None:
        folder = session_plugin_build.plugin_folder(tmp_path)
        folder.mkdir(parents=True)
        (folder / session_plugin_build.PROGRAM).touch()
        built.append(folder)

    def need() -> bool:
        return need_session_plugin(
            say=said.append, build=build, is_there=lambda: session_plugin_build.is_there(tmp_path)
        )

    assert need()
    assert need()
    assert len(built) == 1
    assert len(said) == 1


def test_a_session_plugin_that_cannot_be_built_is_told() -> None:
    said: list[str] = []

    def build() -> None:
        raise subprocess.CalledProcessError(1, ["go", "build"])

    assert not need_session_plugin(say=said.append, build=build, is_there=lambda: False)
    assert "non-zero exit status 1" in said[-1]
    assert "Again: python -m tests.needs" in said[-1]


def test_prometheus_is_installed_where_that_is_allowed() -> None:
    for programs, root, ran in (
        (("prometheus", "promtool"), False, []),
        (("prometheus", "apt-get"), True, ["apt-get update", "apt-get install"]),
    ):
        system = System(*programs)
        assert need_prometheus(which=system.which, root=root, run=system.run, say=system.said.append)
        assert system.ran == ran


def test_proxies_are_installed_where_that_is_allowed_and_told_elsewhere() -> None:
    system = System("nginx", "apt-get")
    assert need_proxies(which=system.which, root=True, run=system.run, say=system.said.append)
    assert system.ran == ["apt-get update", "apt-get install"]
    system = System("nginx", "apt-get")
    assert not need_proxies(which=system.which, root=False, run=system.run, say=system.said.append)
    assert system.ran == []
    assert "sudo apt-get update && sudo apt-get install --yes nginx-light haproxy" in system.said[-1]


def test_the_line_for_prometheus_is_told_elsewhere() -> None:
    for programs, root, line in (
        (("apt-get",), False, "    sudo apt-get update && sudo apt-get install --yes prometheus"),
        (("apt-get",), True, "    apt-get update && apt-get install --yes prometheus"),
        ((), True, "https://prometheus.io/download/"),
    ):
        system = System(*programs, online=False)
        assert not need_prometheus(which=system.which, root=root, run=system.run, say=system.said.append)
        assert line in system.said[-1]
