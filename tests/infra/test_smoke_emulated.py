"""The smoke test's own commands at moto's server: bootstrap made, filled as images and state fill it, and all gone."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from auroral.cli.smoke import write_files
from auroral.errors import ExitCode
from auroral.infra.smoke import Settings
from auroral.infra.smoke_execute import Processes
from auroral.infra.smoke_journal import create
from auroral.infra.smoke_run import run
from tests.support.moto_server import ACCOUNT, REGION, moto_server
from tests.support.terraform import INFRA, MIRROR, find_mirror

_DIGEST = f"@sha256:{'0' * 64}"


class AsFarAsItGoes:
    """Runs `auroral infra`; does what `images push` and `secrets` will do; the platform cannot be built here."""

    def __init__(self, processes: Processes, directory: Path) -> None:
        self.ran: list[tuple[str, ...]] = []
        self._processes = processes
        self._platform = directory / "platform"

    def run(
        self,
        command: Sequence[str],
        *,
        log: Path,
        output: Path | None,
        timeout_s: float | None,
        interrupted: Callable[[], bool],
    ) -> int | None:
        self.ran.append(tuple(command))
        if command[:2] == ("images", "push"):
            return self._images()
        if command[0] == "secrets":
            arn = boto3.client("secretsmanager").create_secret(Name="smoke-ab/grafana", SecretString="{}")["ARN"]
            (self._platform / "secret.tfvars").write_text(f'grafana_secret_arn = "{arn}"\n')
            return 0
        if command[0] == "infra" and command[:4] != ("infra", "apply", "--stack", "platform"):
            return self._processes.run(command, log=log, output=output, timeout_s=timeout_s, interrupted=interrupted)
        return 0 if command[0] == "doctor" else 1

    def _images(self) -> int:
        manifest = {"schemaVersion": 2, "config": {"digest": "sha256:a"}, "layers": []}
        boto3.client("ecr").put_image(
            repositoryName="smoke-ab/server",
            imageManifest=json.dumps(manifest),
            imageManifestMediaType="application/vnd.docker.distribution.manifest.v2+json",
            imageTag="1",
        )
        names = ("server", "benchmark", "ui", "grafana", "collector")
        registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/smoke-ab"
        images = "\n".join(f'  {name} = "{registry}/{name}{_DIGEST}"' for name in names)
        (self._platform / "images.tfvars").write_text(f"images = {{\n{images}\n}}\n")
        return 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_bootstrap_made_is_gone_though_it_was_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_server(tmp_path / "moto.log") as moto:
        for name, value in {**moto.environ, "AWS_MAX_ATTEMPTS": "2"}.items():
            monkeypatch.setenv(name, value)
        if mirror := find_mirror():
            monkeypatch.setenv(MIRROR, str(mirror))
        # moto lists no account setting that was set for every principal, and the provider then misses it.
        shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("tests", "account_settings.tf"))
        # moto heeds a bucket policy's refusals and not their conditions: over plain HTTP or not, all are refused.
        access = tmp_path / "infra/stacks/bootstrap/state_access.tf"
        access.write_text(access.read_text().partition('resource "aws_s3_bucket_policy"')[0])
        monkeypatch.chdir(tmp_path)
        settings = Settings(
            project="smoke-ab",
            region=REGION,
            account_id=ACCOUNT,
            directory=str(tmp_path / "run"),
            service_linked_roles=("ecs.amazonaws.com",),
        )
        screen = io.StringIO()
        said: list[str] = []
        with create(settings, lambda: "") as journal:
            write_files(settings)
            executor = AsFarAsItGoes(Processes(screen, keep_open=journal.descriptor), tmp_path / "run")
            outcome = run(journal, executor, said.append, pause=lambda _: None)
        told = "\n".join([*said, screen.getvalue()])
        assert (outcome.code, outcome.failed, outcome.left) == (ExitCode.FAILED, "platform", ()), told
        assert _names(moto.client("s3").list_buckets()["Buckets"], "Name") == [], told
        assert _names(moto.client("ecr").describe_repositories()["repositories"], "repositoryName") == []
        assert "images deleted" in screen.getvalue()
        assert "nothing is left of smoke-ab" in screen.getvalue()


def _names(items: list[dict[str, Any]], key: str) -> list[str]:
    return [item[key] for item in items]
