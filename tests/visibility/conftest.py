"""A real OpenSearch behind a front that checks signatures: one node without and one with the security plugin."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import cli
from tests.support.opensearch.front import Front, Principal, running_front
from tests.support.opensearch.node import MASTER_ARN, Node, running_node

MASTER = Principal(MASTER_ARN, "AKIAMASTER0000000000", "master-secret", "session-token-of-a-role")
SERVER = Principal("arn:aws:iam::123456789012:role/history", "AKIASERVER0000000000", "server-secret")
STRANGER = Principal("arn:aws:iam::123456789012:role/stranger", "AKIASTRANGER00000000", "stranger-secret")

__all__ = ["cli"]

Become = Callable[[Principal], None]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs a node is among the tests of wholes: each of the two takes ten seconds to start."""
    for item in items:
        if {"plain_node", "secured_node"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.whole)


@pytest.fixture(scope="session")
def plain_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that lets everybody do everything."""
    with running_node(tmp_path_factory.mktemp("opensearch")) as node:
        yield node


@pytest.fixture(scope="session")
def secured_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with fine-grained access control."""
    with running_node(tmp_path_factory.mktemp("opensearch-secured"), security=True) as node:
        yield node


@pytest.fixture
def domain(plain_node: Node, tmp_path: Path) -> Iterator[Front]:
    """A domain without fine-grained access control."""
    with running_front(plain_node, tmp_path, [MASTER, SERVER]) as front:
        yield front


@pytest.fixture
def guarded(secured_node: Node, tmp_path: Path) -> Iterator[Front]:
    """A domain with it: MASTER may do everything, the others what they are mapped to."""
    with running_front(secured_node, tmp_path, [MASTER, SERVER, STRANGER], secured=True) as front:
        yield front


@pytest.fixture
def as_principal(monkeypatch: pytest.MonkeyPatch) -> Become:
    """Be somebody, as AWS's libraries see it."""

    def become(principal: Principal) -> None:
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        for name, value in principal.environment.items():
            monkeypatch.setenv(name, value)

    return become


@pytest.fixture
def index() -> str:
    """An index that no other test uses."""
    return f"temporal_visibility_v1_{uuid.uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test may find this machine's credentials, or ask for an instance's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
