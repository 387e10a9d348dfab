"""AWS's own linter reads what `auroral-schema` would run on Aurora DSQL."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from auroral.local.binaries import SCHEMA, obtain_binaries
from tests.support.go import go

ARN = "arn:aws:iam::123456789012:role/temporal"
PRINTED = {
    "setup": ["setup", "--dry-run"],
    "update-from-1.16": ["update", "--dry-run", "--from", "1.16"],
    "update-from-1.18": ["update", "--dry-run", "--from", "1.18"],
    "roles": ["roles", "--dry-run", "--server-arn", ARN, "--operator-arn", ARN],
}


@pytest.fixture(scope="module")
def auroral_schema() -> Path:
    return asyncio.run(obtain_binaries([SCHEMA], report=print))[SCHEMA]


def lint(sql: str, folder: Path) -> tuple[int, str]:
    """The linter's exit status (0: nothing to say, not even a warning) and its words."""
    beside = Path(sys.executable).with_name("dsql-lint")
    linter = str(beside) if beside.is_file() else shutil.which("dsql-lint")
    assert linter, "expected dsql-lint, of the development requirements, beside this Python or on PATH"
    script = folder / "statements.sql"
    script.write_text(sql, encoding="utf-8")
    done = subprocess.run([linter, str(script)], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", PRINTED)
def test_what_the_command_would_run_has_no_issue(name: str, auroral_schema: Path, tmp_path: Path) -> None:
    printed = subprocess.run([auroral_schema, *PRINTED[name]], capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout.count(";") > 5
    status, words = lint(printed.stdout, tmp_path)
    assert (status, "issue(s) found" in words) == (0, False), words


def test_the_linter_finds_what_the_rules_repair(tmp_path: Path) -> None:
    module = go("list", "-m", "-f", "{{.Dir}}", "go.temporal.io/server")
    assert module.status == 0, module.output
    folder = Path(module.output.strip().splitlines()[-1])
    original = (folder / "schema/postgresql/v12/temporal/schema.sql").read_text(encoding="utf-8")
    status, words = lint(original, tmp_path)
    assert status == 1, words
    assert "ASYNC" in words
