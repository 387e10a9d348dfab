"""CloudWatch's count, asked of moto's server over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer

from auroral.dsql.connections import usage_dimensions
from auroral.dsql.target import DsqlTarget
from auroral.dsql.usage import cloudwatch_count
from auroral.errors import TargetError

NOW = datetime.now(UTC).replace(microsecond=0)
TARGET = DsqlTarget(endpoint="abc.dsql.eu-west-1.on.aws", region="eu-west-1")


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
    }.items():
        monkeypatch.setenv(name, value)
    yield f"http://{host}:{port}"
    server.stop()


def publish(cluster_id: str, value: float, at: datetime) -> None:
    """As AWS's service does: its namespace is closed to everybody else, so past moto's door."""
    cloudwatch_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].metric_data.append(
        MetricDatum("AWS/Usage", "ResourceCount", value, usage_dimensions(cluster_id), at.replace(tzinfo=None))
    )


@pytest.mark.usefixtures("moto")
def test_the_newest_count_of_this_cluster() -> None:
    assert cloudwatch_count(TARGET, NOW) is None
    publish("abc", 400.0, NOW - timedelta(minutes=8))
    publish("abc", 310.0, NOW - timedelta(minutes=3))
    publish("other", 9_999.0, NOW - timedelta(minutes=1))
    publish("abc", 5.0, NOW - timedelta(minutes=40))
    found = cloudwatch_count(TARGET, NOW)
    assert found is not None
    assert found.connections == 310.0
    assert NOW - timedelta(minutes=4) < found.at <= NOW - timedelta(minutes=3)


def test_a_cloudwatch_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    with pytest.raises(TargetError, match="does not tell the connections of abc") as caught:
        cloudwatch_count(TARGET, NOW)
    assert "cloudwatch:GetMetricStatistics" in caught.value.hint
