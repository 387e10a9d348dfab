"""The operator's commands with the very roles, grants and tables that `auroral-schema` makes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from auroral.local.double.client import Credentials
from tests.dsql.running import Cluster
from tests.support.double import running_double
from tests.support.go import go

ARN = "arn:aws:iam::123456789012:role/operator"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_auroral_schema_grants_what_the_commands_need(tmp_path: Path) -> None:
    executable = tmp_path / "auroral-schema"
    built = go("build", "-o", str(executable), "./cmd/auroral-schema")
    assert built.status == 0, built.output
    with running_double({"connect_burst": 100_000}) as (announcement, control):
        cluster = Cluster(announcement, control)

        def run(*command: str, credentials: Credentials | None = None) -> str:
            environ = {**os.environ, **cluster.environ(credentials)}
            ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
            assert ended.returncode == 0, ended.stdout + ended.stderr
            return ended.stdout + ended.stderr

        run(str(executable), "setup")
        run(str(executable), "roles", "--server-arn", ARN.replace("operator", "server"), "--operator-arn", ARN)
        operator = control.add_principal(ARN, ["DbConnect"])
        live, _ = cluster.add_hosts(1, 90)
        auroral = (sys.executable, "-m", "auroral")
        said = run(*auroral, "cluster", "clean-membership", "--yes", credentials=operator)
        assert "1 row deleted" in said
        assert cluster.hosts() == {live}
        said = run(*auroral, "dsql", "probe", "--rate", "20", "--duration", "500ms", credentials=operator)
        assert "each that was acknowledged" in said
        assert "left out" not in said
        assert cluster.probe_tables() == []
        assert "temporal_operator" in run(*auroral, "dsql", "connections", credentials=operator)
