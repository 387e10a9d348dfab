"""Run Terraform: find it, show its progress, wait for it, and say what failed. Acts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from auroral.errors import InterruptedRunError, OutputError, TargetError, UsageError
from auroral.infra.events import Progress, failure
from auroral.infra.working_copy import WorkingCopy

LEAST_VERSION = (1, 11)
"""Native locking of the S3 backend (`use_lockfile`) is no experiment from 1.11 on: Terraform's changelog."""
MIRROR = "AURORAL_TERRAFORM_MIRROR"
_REGISTRY = "registry.terraform.io"
_HOW = "https://developer.hashicorp.com/terraform/install"

Show = Callable[[str], None]


class Terraform:
    """Terraform in one working copy."""

    def __init__(self, copy: WorkingCopy, environ: Mapping[str, str], show: Show, *, aws_profile: str | None = None):
        self.copy = copy
        self._show = show
        self._program = find_terraform(environ)
        self._environ = {
            **environ,
            "TF_DATA_DIR": str(copy.data),
            "TF_INPUT": "0",
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        if aws_profile is not None:
            self._environ["AWS_PROFILE"] = aws_profile
        if mirror := environ.get(MIRROR):
            self._environ["TF_CLI_CONFIG_FILE"] = str(_configuration(copy, Path(mirror)))

    def init(self, *, upgrade: bool = False) -> None:
        """Fetch providers and connect the backend."""
        extra = ["-upgrade"] if upgrade else []
        self._run("init", "-json", "-reconfigure", *extra, *self.copy.backend_arguments)
        self._marker.write_text(self._prepared)

    @property
    def initialized(self) -> bool:
        """Whether `init` ran here for this backend."""
        return self._marker.is_file() and self._marker.read_text() == self._prepared

    @property
    def _marker(self) -> Path:
        return self.copy.data / "auroral-initialized"

    @property
    def _prepared(self) -> str:
        return "\n".join([self.copy.stack, *self.copy.backend_arguments])

    def plan(self, *, destroy: bool = False, targets: Sequence[str] = ()) -> Progress:
        """Plan into the directory, as Terraform's file and as JSON. What the plan would do is in the answer."""
        for stale in (self.copy.plan, self.copy.plan_json):
            stale.unlink(missing_ok=True)
        arguments = ["-json", f"-out={self.copy.plan}", *(f"-var-file={one}" for one in self.copy.var_files)]
        arguments += ["-destroy"] if destroy else []
        arguments += [f"-target={one}" for one in targets]
        progress = self._run("plan", *arguments)
        with os.fdopen(os.open(self.copy.plan_json, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(self.show(self.copy.plan))
        return progress

    def apply(self, changes: int) -> None:
        """Carry the saved plan out; `changes` is how many it makes."""
        progress = Progress()
        progress.expect(changes)
        self._run("apply", "-json", str(self.copy.plan), progress=progress)
        for done in (self.copy.plan, self.copy.plan_json):
            done.unlink(missing_ok=True)

    def show(self, plan: Path | None = None) -> str:
        """A plan, or the state, as JSON."""
        return self._answer("show", "-json", *([str(plan)] if plan is not None else []))

    def outputs(self) -> str:
        """The outputs as JSON."""
        return self._answer("output", "-json")

    def unlock(self, lock_id: str) -> None:
        """Remove a lock that nobody holds any more."""
        self._answer("force-unlock", "-force", lock_id)

    def _run(self, command: str, *arguments: str, progress: Progress | None = None) -> Progress:
        """Run a command that prints JSON lines. Raises what `failure` makes of its errors.

        An interrupt is passed on once for each time that it comes, and waited for: Terraform then ends what it has
        begun and writes the state. It runs in a session of its own, so that a terminal's Ctrl-C reaches it through us.
        """
        progress = progress or Progress()
        interrupted = False
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr,
            subprocess.Popen(
                [self._program, command, "-input=false", "-no-color", *arguments],
                cwd=self.copy.root,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            ) as process,
        ):
            assert process.stdout is not None
            while True:
                try:
                    for line in process.stdout:
                        for told in progress.line(line):
                            self._show(told)
                    code = process.wait()
                    break
                except KeyboardInterrupt:
                    again = " again: it may leave what it has begun out of the state" if interrupted else ""
                    interrupted = True
                    self._show(f"interrupted{again}; Terraform is told, and ends what it has begun")
                    process.send_signal(signal.SIGINT)
            stderr.seek(0)
            said = stderr.read()
        if interrupted:
            raise InterruptedRunError(
                f"terraform {command} was interrupted", hint="the same command goes on from the state as it is"
            )
        if code != 0:
            raise failure(progress.errors, command, said)
        return progress

    def _answer(self, command: str, *arguments: str) -> str:
        """Run a short command whose stdout is the answer."""
        ended = subprocess.run(
            [self._program, command, *arguments],
            cwd=self.copy.root,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            raise failure([], command, _plain(ended.stderr))
        return ended.stdout


def find_terraform(environ: Mapping[str, str]) -> str:
    """Terraform's program. Raises `UsageError` where there is none, or one that is too old."""
    least = ".".join(map(str, LEAST_VERSION))
    program = shutil.which("terraform", path=environ.get("PATH"))
    if program is None:
        raise UsageError(f"expected terraform {least} or later on PATH, found none", hint=f"how to install it: {_HOW}")
    ended = subprocess.run(
        [program, "version", "-json"], env={**environ, "CHECKPOINT_DISABLE": "1"}, capture_output=True, check=False
    )
    try:
        text = str(json.loads(ended.stdout)["terraform_version"])
        version = tuple(int(part) for part in text.partition("-")[0].split("."))
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(f"{program} version -json: expected a version, got {ended.stdout[:80]!r}") from error
    if version < LEAST_VERSION:
        raise UsageError(f"expected terraform {least} or later, {program} is {text}", hint=f"how to install it: {_HOW}")
    return program


def _configuration(copy: WorkingCopy, mirror: Path) -> Path:
    """A CLI configuration that takes providers from a mirror alone."""
    if not (mirror / _REGISTRY).is_dir():
        raise UsageError(f"{MIRROR}={mirror}: expected a folder that holds {_REGISTRY}")
    path = copy.directory / "terraform.tfrc"
    try:
        path.write_text(f"provider_installation {{\n  filesystem_mirror {{ path = {json.dumps(str(mirror))} }}\n}}\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _plain(text: str) -> str:
    """An error as Terraform prints it, without its frame and colours."""
    import re

    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    lines = [line.strip("╷│╵ ").strip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line).removeprefix("Error: ")
