"""Asks the programs of this machine for their versions. Acts."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from auroral.doctor import tools
from auroral.doctor.checks import Check, Group
from auroral.doctor.run import Probe
from auroral.errors import UsageError

TIMEOUT_S = 15.0
DOCKER_DEADLINE_S = 65.0
"""Docker is asked three things, 20 s each at most: it is not left behind at a daemon that hangs."""


def probes(environ: Mapping[str, str], start: Path) -> list[Probe]:
    """What there is to look at; infra/ is found from `start`."""
    plugin, terraform, aws_cli = Program(environ), Program(environ), Program(environ)
    return [
        Probe(Group.TOOLS, "session-manager-plugin", lambda: [_plugin(plugin)], stop=plugin.stop),
        Probe(Group.TOOLS, "docker", lambda: [_docker(environ)], deadline_s=DOCKER_DEADLINE_S),
        Probe(Group.TOOLS, "terraform", lambda: _terraform(terraform, environ, start), stop=terraform.stop),
        Probe(Group.TOOLS, "aws cli", lambda: [_aws_cli(aws_cli)], stop=aws_cli.stop),
    ]


class Program:
    """Asks a program, which whoever waits no more can end."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        # A program runs before `Popen` has returned: whoever stops it then must wait until it can be named.
        self._starting = threading.Lock()

    def ask(self, program: str, *arguments: str, **more: str) -> str | None:
        """What it prints, on stderr where stdout stays empty; None where it is not on PATH.

        Raises `subprocess.TimeoutExpired`.
        """
        path = shutil.which(program, path=self._environ.get("PATH"))
        if path is None:
            return None
        try:
            with self._starting:
                if self._stopped:
                    return None
                self._process = subprocess.Popen(
                    [path, *arguments],
                    env={**self._environ, **more},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                )
        except OSError as error:  # as of another machine's architecture
            return f"it cannot be run: {error.strerror}"
        with self._process as process:
            try:
                out, err = process.communicate(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return out or err

    def stop(self) -> None:
        """End it, where it runs, and start none any more."""
        with self._starting:
            self._stopped = True
            if self._process is not None:
                self._process.kill()


def _plugin(program: Program) -> Check:
    try:
        return tools.plugin(program.ask("session-manager-plugin", "--version"))
    except subprocess.TimeoutExpired:
        return tools.silent("session-manager-plugin", TIMEOUT_S)


def _docker(environ: Mapping[str, str]) -> Check:
    from auroral.images.tools import look, problems

    found = look(environ)
    return tools.docker(found, problems(found, build_for=(tools.BUILD_FOR,)))


def _terraform(program: Program, environ: Mapping[str, str], start: Path) -> list[Check]:
    from auroral.infra.terraform import LEAST_VERSION

    try:
        output = program.ask("terraform", "version", "-json", CHECKPOINT_DISABLE="1")
    except subprocess.TimeoutExpired:
        return [tools.silent("terraform", TIMEOUT_S)]
    version = tools.terraform_version(output or "")
    platform = version.platform if version else ""
    return [tools.terraform(output, LEAST_VERSION), tools.provider(provided(environ, start, platform), platform)]


def _aws_cli(program: Program) -> Check:
    try:
        return tools.aws_cli(program.ask("aws", "--version"))
    except subprocess.TimeoutExpired:
        return tools.silent("aws cli", TIMEOUT_S)


def provided(environ: Mapping[str, str], start: Path, platform: str) -> tools.Provided:
    """What the platform stack pins, and what the mirror has of it for `platform`."""
    from auroral.infra.working_copy import find_infra

    try:
        constraint = tools.pinned((find_infra(None, start) / "stacks/platform/versions.tf").read_text(encoding="utf-8"))
    except (UsageError, OSError):
        constraint = None
    mirror = environ.get(tools.MIRROR) or None
    if mirror is None:
        return tools.Provided(constraint=constraint, mirror=None)
    return tools.Provided(constraint=constraint, mirror=mirror, versions=mirrored(Path(mirror), platform))


def mirrored(mirror: Path, platform: str) -> tuple[str, ...] | None:
    """Versions of the AWS provider in a filesystem mirror, packed or unpacked; None where it has none at all."""
    folder = mirror / tools.PROVIDER
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return None
    packed = re.compile(rf"terraform-provider-aws_(.+)_{re.escape(platform)}\.zip")
    found = [one[1] for one in (packed.fullmatch(entry.name) for entry in entries) if one]
    found += [entry.name for entry in entries if (entry / platform).is_dir()]
    return tuple(found)
