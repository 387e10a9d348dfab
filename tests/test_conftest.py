"""A test that leaves a process behind fails the session, and the process does not stay."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tests.conftest import _NEXT, _TOGETHER, _group

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


@pytest.mark.whole
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


@pytest.mark.slow
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


def test_what_is_kept_together_is_there_and_the_rest_goes_by_file() -> None:
    assert [name for name in (*_TOGETHER, *_NEXT) if not (ROOT / "tests" / name).exists()] == []
    for path, group in {
        "live/test_run.py": "clusters",
        "local/test_cluster.py": "clusters",
        "infra/test_profiles.py": "terraform",
        "server/test_go.py": "go",
    }.items():
        assert _group(ROOT / "tests" / path) == group
    for path in (ROOT / "tests/local/test_plan.py", ROOT / "tests/infra/test_checkov.py", ROOT / "elsewhere/test_x.py"):
        assert _group(path) == str(path)


@pytest.mark.slow
def test_a_file_is_run_by_one_worker(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"test_{name}.py").write_text(
            textwrap.dedent(
                """
                import os, pathlib, pytest
                @pytest.mark.parametrize("number", range(6))
                def test_who(number):
                    here = pathlib.Path(__file__)
                    with here.with_suffix(".who").open("a") as file:
                        print(os.environ["PYTEST_XDIST_WORKER"], file=file)
                """
            )
        )
    ran = _session(
        tmp_path, "", "-n", "2", "--dist", "loadgroup", str(tmp_path / "test_a.py"), str(tmp_path / "test_b.py")
    )
    assert "12 passed" in ran.stdout, ran.stdout
    ran_by = [(tmp_path / f"test_{name}.who").read_text().split() for name in "ab"]
    assert [len(one) for one in ran_by] == [6, 6]
    assert {len(set(one)) for one in ran_by} == {1}
    assert ran_by[0] != ran_by[1]
