"""One double for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.dsql.running import Cluster
from tests.support.double import running_double


@pytest.fixture(scope="session", autouse=True)
def _one_client_for_equal_credentials() -> Iterator[None]:
    """A client of AWS costs 100 ms of CPU to make, and the connector makes one for each token."""
    made: dict[tuple[str, ...], Any] = {}
    make = boto3.Session.client

    def client(session: boto3.Session, service: str, region_name: str | None = None, **more: Any) -> Any:
        found = session.get_credentials()
        if service != "dsql" or found is None or more:
            return make(session, service, region_name=region_name, **more)
        frozen = found.get_frozen_credentials()
        key = (str(region_name), str(frozen.access_key), str(frozen.secret_key), str(frozen.token))
        if key not in made:
            made[key] = make(session, service, region_name=region_name)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3.Session, "client", client)
        yield


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[Cluster]:
    with running_double({"connect_burst": 100_000}) as (announcement, control):
        yield Cluster(announcement, control)


@pytest.fixture
def cluster(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The double without faults, and its credentials where AWS's library looks for them."""
    for name, value in running_cluster.environ().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    yield running_cluster
    running_cluster.clean()
