"""A real Temporal server on the index that `auroral visibility apply` made, as its role and no more.

Its requests are signed by Temporal's own signer, checked by the front, and allowed by the security plugin.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

from auroral.errors import ExitCode
from auroral.local.cluster import LocalCluster
from auroral.local.plan import ClusterOptions, Database
from tests.cli.conftest import Cli
from tests.support.opensearch.front import Front
from tests.visibility.conftest import MASTER, SERVER, Become

WAIT_S = 60.0


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(600)  # of which a first build of the server may take most
async def test_a_server_works_with_the_index_and_its_role(
    cli: Cli, guarded: Front, index: str, as_principal: Become, tmp_path: Path
) -> None:
    as_principal(MASTER)
    port = guarded.url.rsplit(":", 1)[1]
    where = ("--endpoint", guarded.url, "--region", guarded.region, "--ca-file", guarded.ca_file, "--index", index)
    made = await asyncio.to_thread(cli, "visibility", "apply", *where, "--server-arn", SERVER.arn)
    assert made.code == ExitCode.OK, made.err
    environment = {
        "TEMPORAL_VISIBILITY": "opensearch",
        "TEMPORAL_OPENSEARCH_HOST": "localhost",
        "TEMPORAL_OPENSEARCH_PORT": port,
        "TEMPORAL_OPENSEARCH_INDEX": index,
        "AWS_REGION": guarded.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SSL_CERT_FILE": guarded.ca_file,
        **SERVER.environment,
    }
    guarded.requests.clear()
    options = ClusterOptions(database=Database.POSTGRES, environment=environment)
    async with LocalCluster(tmp_path / "cluster", options) as cluster:
        client = await Client.connect(cluster.address, namespace=options.namespace)
        attribute = SearchAttributeKey.for_keyword("OrderTier")
        assert guarded.refused == []
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                search_attributes={"OrderTier": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD},
                namespace=options.namespace,
            )
        )
        for number in range(3):
            await _started(
                client, f"w{number}", TypedSearchAttributes([SearchAttributePair(attribute, f"tier-{number}")])
            )
        await _counted(client, "WorkflowType = 'Nobody' AND ExecutionStatus = 'Running'", 3)
        await _counted(client, "OrderTier = 'tier-1'", 1)
        await client.get_workflow_handle("w0").terminate()
        await _counted(client, "WorkflowType = 'Nobody' AND ExecutionStatus = 'Terminated'", 1)
        listed = [one.id async for one in client.list_workflows("ExecutionStatus = 'Running'")]
        assert {"w1", "w2"} <= set(listed)
    assert guarded.refused == []
    assert {line.split(" ")[0] for line in guarded.requests} <= {"GET", "POST", "PUT"}
    assert f"PUT /{index}/_mapping" in guarded.requests
    status = await asyncio.to_thread(cli, "visibility", "status", *where, "--server-arn", SERVER.arn)
    assert status.code == ExitCode.OK, status.out
    assert "and 1 search attributes of its own" in status.out


async def _started(client: Client, workflow_id: str, attributes: TypedSearchAttributes) -> None:
    """Start a workflow that nobody runs; a frontend knows a new search attribute only after a while."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        try:
            await client.start_workflow("Nobody", id=workflow_id, task_queue="nobody", search_attributes=attributes)
        except RPCError as error:
            if "OrderTier" not in str(error):
                raise
            await asyncio.sleep(0.5)
        else:
            return
    pytest.fail("the frontend does not know the search attribute")


async def _counted(client: Client, query: str, expected: int) -> None:
    """Wait until visibility counts so many."""
    deadline_s = time.monotonic() + WAIT_S
    while (counted := (await client.count_workflows(query)).count) != expected:
        assert time.monotonic() < deadline_s, f"{query}: {counted}"
        await asyncio.sleep(0.2)
