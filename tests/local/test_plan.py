"""The layout of a local cluster, and what its processes are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.errors import UsageError
from auroral.local.binaries import find_configuration
from auroral.local.plan import (
    ClusterOptions,
    Database,
    Role,
    ServerProcess,
    ports_needed,
    processes,
    server_environment,
)

DYNAMIC = Path("/c/dynamicconfig.yaml")


def plan(options: ClusterOptions) -> list[ServerProcess]:
    return processes(options, iter(range(20_000, 20_000 + ports_needed(options))))


def environment(
    one: ServerProcess, cluster: list[ServerProcess], options: ClusterOptions, **more: str
) -> dict[str, str]:
    return server_environment(
        one, cluster, options, store={"DBNAME": "temporal"}, dynamic_config_path=DYNAMIC, inherited=more
    )


def test_a_process_for_each_service() -> None:
    assert [(one.name, one.role) for one in plan(ClusterOptions())] == [
        ("history", Role.HISTORY),
        ("matching", Role.MATCHING),
        ("frontend", Role.FRONTEND),
        ("worker", Role.WORKER),
    ]
    assert [one.name for one in plan(ClusterOptions(histories=2))][:2] == ["history-1", "history-2"]


@given(st.integers(1, 12), st.none() | st.integers(1, 9_999))
def test_no_two_processes_share_a_port(histories: int, frontend_port: int | None) -> None:
    cluster = plan(ClusterOptions(histories=histories, frontend_port=frontend_port))
    ports = [port for one in cluster for port in (one.grpc_port, one.membership_port, one.metrics_port, one.http_port)]
    assert len(set(ports)) == len(ports) == ports_needed(ClusterOptions(histories=histories))
    if frontend_port is not None:
        assert next(one for one in cluster if one.role is Role.FRONTEND).grpc_port == frontend_port


def test_a_process_is_told_its_own_ports_and_the_others() -> None:
    options = ClusterOptions(histories=2, history_shards=6, pool_size=9)
    cluster = plan(options)
    second = environment(cluster[1], cluster, options)
    assert second["HISTORY_GRPC_PORT"] == str(cluster[1].grpc_port)
    assert second["HISTORY_MEMBERSHIP_PORT"] == str(cluster[1].membership_port)
    assert second["FRONTEND_GRPC_PORT"] == str(cluster[3].grpc_port)
    assert second["TEMPORAL_SERVICES"] == "history"
    assert second["PROMETHEUS_ENDPOINT"] == f"127.0.0.1:{cluster[1].metrics_port}"
    assert second["NUM_HISTORY_SHARDS"] == "6"
    assert second["TEMPORAL_SQL_MAX_CONNS"] == second["TEMPORAL_SQL_MAX_IDLE_CONNS"] == "9"
    assert second["DBNAME"] == "temporal"


def test_the_shell_s_variables_for_temporal_and_aws_stay_outside() -> None:
    options = ClusterOptions(environment={"DSQL_RESERVOIR": "2"})
    cluster = plan(options)
    found = environment(
        cluster[0],
        cluster,
        options,
        PATH="/bin",
        AWS_PROFILE="production",
        DSQL_ENDPOINT="live.dsql.eu-west-1.on.aws",
        TEMPORAL_ADDRESS="cloud:7233",
        AURORAL_TEST_SESSION="x",
    )
    assert found["PATH"] == "/bin"
    assert found["AURORAL_TEST_SESSION"] == "x"
    assert found["DSQL_RESERVOIR"] == "2"
    assert not {"AWS_PROFILE", "DSQL_ENDPOINT", "TEMPORAL_ADDRESS"} & set(found)


def test_the_image_s_configuration_reads_every_variable_we_set() -> None:
    """Else a renamed variable would leave a process on the image's own ports."""
    options = ClusterOptions()
    cluster = plan(options)
    template = find_configuration().template.read_text()
    read = set(re.findall(r'env "([A-Z0-9_]+)"', template))
    ours = set(environment(cluster[0], cluster, options)) - {"TEMPORAL_SERVICES"}  # the program's own
    assert ours <= read | {"DBNAME"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (ClusterOptions(histories=0), "at least one history process, got 0"),
        (ClusterOptions(history_shards=0), "1 to 16,384 history shards, got 0"),
        (
            ClusterOptions(histories=2, history_shards=15),
            "at least 8 history shards for each of 2 history processes, got 15",
        ),
        (ClusterOptions(pool_size=1), "2 to 500 connections, got 1"),
        (ClusterOptions(conflicts=1.0, database=Database.DSQL_DOUBLE), "from 0 to below 1, got 1"),
        (ClusterOptions(conflicts=0.1), "only the double of DSQL makes conflicts"),
    ],
)
def test_what_no_cluster_can_be_is_told(options: ClusterOptions, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        options.check()
    ClusterOptions(conflicts=0.1, database=Database.DSQL_DOUBLE).check()
