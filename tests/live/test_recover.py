"""`auroral cluster recover` on real processes of Temporal, with stale rows put into their membership by SQL."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from auroral.cli.main import run
from auroral.cli.process import Process
from auroral.dsql.membership import LIST
from auroral.dsql.session import Session
from auroral.dsql.target import OPERATOR_ROLE, DsqlTarget, resolve
from auroral.local.cluster import LocalCluster
from auroral.local.double.client import Control
from auroral.local.plan import ClusterOptions, Database
from tests.support.fake_ecs import outputs
from tests.support.local_ecs import LocalEcs, metadata_endpoint

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

CONTRACT = json.loads((Path(__file__).parents[2] / "infra/tests/platform/contract.json").read_text())
COUNTS = {"frontend": 1, "history": 2, "matching": 1, "worker": 1}
ADMIN, OPERATOR = "arn:aws:iam::123456789012:role/tests-admin", "arn:aws:iam::123456789012:role/operator"

STALE = """
INSERT INTO cluster_membership
  (membership_partition, host_id, rpc_address, rpc_port, role, session_start, last_heartbeat, record_expiry)
SELECT 0, gen_random_uuid(), '10.9.9.' || n, 6934, 1 + n %% 4, t.now - make_interval(hours => 1),
  t.now - make_interval(secs => %s), t.now + make_interval(hours => 48)
FROM generate_series(1, %s::int) n, (SELECT now() AT TIME ZONE 'UTC' AS now) t
"""


@workflow.defn
class Greets:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"hello {name}"


class Membership:
    """The double's sessions, as whoever."""

    def __init__(self, cluster: LocalCluster) -> None:
        assert cluster._store is not None
        self.environ = {
            name: value for name, value in cluster._store.environment.items() if name.startswith(("DSQL_", "AWS_REG"))
        }
        self._control = Control(cluster.control_url)

    def become(self, arn: str, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The credentials of this process are that principal's from now on."""
        made = self._control.add_principal(arn, [action])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", made.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made.secret_access_key)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def target(self, user: str) -> DsqlTarget:
        return resolve(flags={"user": user}, environ=self.environ)[0]

    async def asked(self, user: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        async with await Session.open(self.target(user)) as session:
            return await session.rows(statement, parameters)


def _outputs(directory: Path, endpoint: str) -> Path:
    contract = json.loads(json.dumps(CONTRACT))
    contract["dsql"] |= {"endpoint": endpoint, "private_endpoint": endpoint}
    for key, one in contract["services"].items():
        one["planned_count"] = one["autoscale_max"] = COUNTS.get(key, 0)
    path = directory / "outputs.json"
    path.write_text(outputs(contract))
    return path


@pytest.mark.slow
async def test_a_crash_loop_of_real_processes_is_recovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with metadata_endpoint() as uri:
        options = ClusterOptions(
            database=Database.DSQL_DOUBLE,
            histories=2,
            history_shards=16,
            environment={"TEMPORAL_BROADCAST_ADDRESS": "", "ECS_CONTAINER_METADATA_URI_V4": uri},
        )
        async with LocalCluster(tmp_path / "cluster", options, report=print) as cluster:
            await _recovered(cluster, tmp_path, monkeypatch)


async def _recovered(cluster: LocalCluster, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, account = Membership(cluster), LocalEcs(cluster)
    monkeypatch.setattr("auroral.aws_account.AwsAccount", lambda **_: account)
    database.become(ADMIN, "DbConnectAdmin", monkeypatch)
    await database.asked("admin", f"AWS IAM GRANT {OPERATOR_ROLE} TO '{OPERATOR}'")
    before = {row[0] for row in await database.asked("admin", LIST)}
    assert len(before) == 5
    path = _outputs(directory, database.environ["DSQL_ENDPOINT"])
    async with account.alive():
        await account.crash("history", times=3)
        await database.asked("admin", STALE, 4_000, 5)
        await database.asked("admin", STALE, 2, 2)
        database.become(OPERATOR, "DbConnect", monkeypatch)
        ended = await _recover(path, database.environ)
        print(f"{ended['seconds']:.0f} s\n{ended['err']}\n{ended['out']}")
        assert ended["code"] == 0
        assert account.running() == COUNTS
        assert account.tags == {}
        rows = await database.asked(OPERATOR_ROLE, LIST)
        assert len(rows) == 5
        assert not before & {row[0] for row in rows}, "every host is a new one"
        assert {row[2] for row in rows} == {"127.0.0.1"}
        assert "history: 3 tasks stopped in the last 20 minutes, exit 137" in ended["err"]
        assert "of hosts that no running task has, 2 heard of within 20 s" in ended["err"]
        assert "history: steady with 2, 2 pools warm" in ended["err"], "by their own logs"
        assert ended["out"].endswith("; 5 hosts in the ring, as tasks run\n")
        again = await _recover(path, database.environ)
        assert again["code"] == 2, again["err"]
        assert "tasks of history stop again and again, and nothing says that their ring is why" in again["err"]
        assert await _greeted(cluster) == "hello ring"


async def _recover(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    out, err = io.StringIO(), io.StringIO()
    began_s = time.monotonic()
    command = ["cluster", "recover", "--outputs", str(path), "--where", "here", "--yes"]
    code = await asyncio.to_thread(run, Process(command, environ, out, err))
    return {"code": code, "out": out.getvalue(), "err": err.getvalue(), "seconds": time.monotonic() - began_s}


async def _greeted(cluster: LocalCluster) -> str:
    client = await cluster.client()
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue="recovered", workflows=[Greets], workflow_runner=runner):
        limit = timedelta(seconds=30)
        return await client.execute_workflow(
            Greets.run, "ring", id="recovered", task_queue="recovered", execution_timeout=limit
        )
