"""The emulated AWS is used again and again: nothing of one use is there in the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import moto_server as support
from tests.support.moto_server import Moto, moto_server


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Servers that wait, of this test alone."""
    waiting: list[Any] = []
    monkeypatch.setattr(support, "_idle", waiting)
    yield waiting
    support.end_idle()


def backup_selection(moto: Moto) -> tuple[str, str]:
    """One of the things that only the filled gaps remember."""
    backup = moto.client("backup")
    rule = {"RuleName": "r", "TargetBackupVaultName": "v"}
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "p", "Rules": [rule]})["BackupPlanId"]
    selection = {"SelectionName": "s", "IamRoleArn": "arn:aws:iam::123456789012:role/r"}
    made = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    told = backup.get_backup_selection(BackupPlanId=plan, SelectionId=made["SelectionId"])
    assert told["BackupSelection"]["SelectionName"] == "s"
    return plan, made["SelectionId"]


@pytest.mark.whole
def test_the_next_use_finds_the_same_server_empty(idle: list[Any], tmp_path: Path) -> None:
    with moto_server(tmp_path / "first.log") as moto:
        first = moto.url
        moto.client("s3").create_bucket(Bucket="kept")
        plan, selection = backup_selection(moto)
    assert len(idle) == 1
    assert (tmp_path / "first.log").exists()
    with moto_server(tmp_path / "second.log") as moto:
        assert moto.url == first
        assert moto.client("s3").list_buckets()["Buckets"] == []
        told = moto.client("backup").get_backup_selection(BackupPlanId=plan, SelectionId=selection)
        assert "BackupSelection" not in told


@pytest.mark.whole
def test_two_at_once_are_two_and_one_that_died_is_replaced(idle: list[Any], tmp_path: Path) -> None:
    with moto_server(tmp_path / "a") as one, moto_server(tmp_path / "b") as other:
        assert one.url != other.url
    killed, kept = idle[-1], idle[0]
    killed.process.kill()
    with moto_server(tmp_path / "c") as moto:
        assert moto.url == kept.url
    kept.process.kill()
    kept.process.wait()
    with moto_server(tmp_path / "d") as moto:
        assert moto.client("s3").list_buckets()["Buckets"] == []
    pid = idle[0].process.pid
    support.end_idle()
    assert not psutil.pid_exists(pid)
