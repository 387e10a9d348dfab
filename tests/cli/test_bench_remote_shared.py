"""What the commands of remote benchmarks ask in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from auroral.aws_account import AwsAccount, AwsError
from auroral.cli.bench_remote_shared import generator_of
from auroral.deployment import load_outputs
from tests.support.contract_file import CONTRACT
from tests.support.moto_server import moto_server


def test_a_definition_that_the_outputs_name_and_nobody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(CONTRACT.read_text())
    contract = load_outputs(str(path)).contract
    assert contract is not None
    with moto_server(tmp_path / "log") as moto:
        for name, value in moto.environ.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(AwsError, match="Unable to describe task definition") as told:
            generator_of(AwsAccount(region="us-east-1"), contract)
    assert contract.tasks.generator.task_definition_arn in told.value.hint
    assert "auroral infra output" in told.value.hint
