"""Which control cluster, and that no credentials go where they do not belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from auroral.bench.settings import ControlSettings
from auroral.bench.spread.place import connect_control, control_connection
from auroral.errors import TargetError, UsageError
from auroral.temporal.spec import ConnectionSpec, TargetSettings

TARGET = ConnectionSpec(
    address="cluster:7233",
    namespace="benchmark",
    tls=True,
    api_key="secret",
    metadata={"a": "b"},
    connect_timeout_s=3.0,
)
ENVIRON = {"TEMPORAL_ADDRESS": "cluster:7233", "TEMPORAL_API_KEY": "secret", "TEMPORAL_TLS": "true"}


def control(settings: ControlSettings, environ: dict[str, str] | None = None) -> ConnectionSpec:
    return control_connection(settings, TargetSettings(), TARGET, environ if environ is not None else ENVIRON)


def test_by_itself_it_is_the_cluster_that_is_loaded() -> None:
    found = control(ControlSettings())
    assert (found.address, found.namespace, found.api_key) == ("cluster:7233", "auroral-control", "secret")


def test_another_address_gets_none_of_the_targets_credentials() -> None:
    found = control(ControlSettings(address="other:7233", namespace="mine"))
    assert found == ConnectionSpec(address="other:7233", namespace="mine", connect_timeout_s=3.0)
    assert control(ControlSettings(address="other:7233", tls=True)).tls


def test_a_profile_of_its_own_is_not_overridden_by_the_targets_variables(tmp_path: Path) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.control]\naddress = "conductor:7233"\nnamespace = "x"\napi_key = "of the conductor"\n')
    environ = {**ENVIRON, "TEMPORAL_CONFIG_FILE": str(file)}
    found = control(ControlSettings(profile="control"), environ)
    assert (found.address, found.namespace, found.api_key, found.tls) == (
        "conductor:7233", "auroral-control", "of the conductor", True,
    )  # fmt: skip
    moved = control(ControlSettings(profile="control", address="moved:7233", tls=False), environ)
    assert (moved.address, moved.tls) == ("moved:7233", False)


def test_a_profile_without_an_address_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.control]\nnamespace = "x"\n')
    with pytest.raises(UsageError, match="no address"):
        control(ControlSettings(profile="control"), {"TEMPORAL_CONFIG_FILE": str(file)})


@pytest.mark.live
async def test_the_control_namespace_is_created_and_used_at_once(temporal_server, unique: str) -> None:
    said: list[str] = []
    spec = ConnectionSpec(address=temporal_server.address, namespace=unique)
    for _ in range(2):
        client = await connect_control(spec, patience_s=5.0, usable_s=20.0, identity="tests", report=said.append)
        assert client.namespace == unique
    assert said == [f"control namespace {unique} created, retention one day"]


async def test_a_control_cluster_that_is_not_there_is_told() -> None:
    spec = ConnectionSpec(address="127.0.0.1:9", namespace="x", connect_timeout_s=1.0)
    with pytest.raises(TargetError, match=r"cannot connect to 127\.0\.0\.1:9"):
        await connect_control(spec, patience_s=0.0, usable_s=1.0, identity="tests", report=print)
