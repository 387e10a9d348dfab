"""A test that leaves a process behind fails the session, and the process does not stay."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent


def _session(folder: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    path = folder / "test_leaving.py"
    path.write_text(textwrap.dedent(body))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
        *options,
    ]
    # A session of its own, whoever runs this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(
        [*command, str(path)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_process_left_behind_fails_the_session(tmp_path: Path) -> None:
    ran = _session(
        tmp_path,
        """
        import pathlib, subprocess
        def test_leaves():
            left = subprocess.Popen(["sleep", "600"], start_new_session=True)
            pathlib.Path(__file__).with_name("pid").write_text(str(left.pid))
        """,
    )
    assert ran.returncode == 1, ran.stdout
    pid = int((tmp_path / "pid").read_text())
    assert f"left behind by the tests:\n  {pid} sleep 600" in ran.stdout
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_clean_session_passes(tmp_path: Path) -> None:
    ran = _session(tmp_path, "def test_clean(): pass\n")
    assert ran.returncode == 0, ran.stdout


def test_a_process_left_behind_by_a_worker_fails_the_session(tmp_path: Path) -> None:
    ran = _session(
        tmp_path,
        """
        import subprocess
        def test_leaves():
            subprocess.Popen(["sleep", "600"], start_new_session=True)
        """,
        "-n",
        "1",
    )
    assert ran.returncode == 1, ran.stdout
    assert "left behind by the tests:" in ran.stdout
    assert "sleep 600" in ran.stdout
