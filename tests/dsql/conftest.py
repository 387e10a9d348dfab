"""One double for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dsql.running import Cluster
from tests.support.double import running_double


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
