"""Which cluster: flags over environment over a deployment's outputs, each with its origin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.config import Layer
from auroral.deployment import Deployment
from auroral.dsql.target import SETTINGS, DsqlTarget, region_of, resolve
from auroral.errors import ConfigurationError

ENDPOINT = "abc123.dsql.eu-west-1.on.aws"


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        (ENDPOINT, "eu-west-1"),
        ("abc123.dsql-fnh4.us-east-1.on.aws", "us-east-1"),
        ("abc123.dsql.us-gov-west-1.on.aws", "us-gov-west-1"),
        ("abc123.dsql.us-east-1.on.aws.evil.example", ""),
        ("dsql.internal", ""),
        ("", ""),
    ],
)
def test_the_region_in_an_endpoint(endpoint: str, region: str) -> None:
    assert region_of(endpoint) == region


def test_defaults() -> None:
    target, origins = resolve(flags={"endpoint": ENDPOINT}, environ={})
    assert target == DsqlTarget(endpoint=ENDPOINT, region="eu-west-1", user="temporal_operator", port=5432)
    assert (origins["endpoint"].text, origins["region"].text) == ("--endpoint", "--endpoint")
    assert origins["user"].layer is Layer.DEFAULT
    assert target.cluster_id == "abc123"


def test_the_environment_has_the_servers_names() -> None:
    environ = {
        "DSQL_ENDPOINT": ENDPOINT.upper(), "DSQL_PORT": "5433", "DSQL_HOST_ADDRESS": "10.0.0.1", "DSQL_DATABASE": "d",
        "DSQL_USER": "temporal_server", "DSQL_TLS_CA_FILE": "/ca", "AWS_PROFILE": "p", "AWS_REGION": "us-east-2",
        "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    target, origins = resolve(flags={"user": "admin"}, environ=environ)
    assert target == DsqlTarget(
        endpoint=ENDPOINT, region="eu-west-1", user="admin", database="d", port=5433, host_address="10.0.0.1",
        profile="p", tls_ca_file="/ca",
    )  # fmt: skip
    assert origins["host-address"].text == "DSQL_HOST_ADDRESS"
    assert {name for setting in SETTINGS for name in setting.environment} == set(environ)


def test_an_address_may_be_a_name() -> None:
    """As the server's DSQL_HOST_ADDRESS: a VPC endpoint has one."""
    name = "vpce-1.dsql-fnh4.us-east-1.vpce.amazonaws.com"
    for text, dialled in ((f"{name.upper()}.", name), ("FD00::01", "fd00::1")):
        target, _ = resolve(flags={"endpoint": ENDPOINT}, environ={"DSQL_HOST_ADDRESS": text})
        assert target.host_address == dialled


def test_the_region_where_the_endpoint_names_none() -> None:
    flags = {"endpoint": "dsql.internal"}
    target, origins = resolve(flags=flags, environ={"AWS_REGION": "us-east-2", "AWS_DEFAULT_REGION": "us-east-1"})
    assert (target.region, origins["region"].text) == ("us-east-2", "AWS_REGION")
    assert resolve(flags=flags, environ={"AWS_DEFAULT_REGION": "us-east-1"})[0].region == "us-east-1"
    with pytest.raises(ConfigurationError, match=r"--region or AWS_REGION, as dsql\.internal names none"):
        resolve(flags=flags, environ={})


def test_a_flag_that_contradicts_the_endpoint() -> None:
    with pytest.raises(ConfigurationError, match="expected eu-west-1, which the endpoint names"):
        resolve(flags={"endpoint": ENDPOINT, "region": "us-east-1"}, environ={})
    assert resolve(flags={"endpoint": ENDPOINT, "region": "eu-west-1"}, environ={})[0].region == "eu-west-1"
    # ECS sets the task's own region, which may be another one, and no broken variable matters where it does not count.
    assert resolve(flags={"endpoint": ENDPOINT}, environ={"AWS_REGION": "nowhere"})[0].region == "eu-west-1"


DEPLOYMENT = Deployment(
    dsql_endpoint="vpce.internal", dsql_host_address="10.1.1.1", region="eu-central-1", source="outputs.json"
)


def test_a_deployments_outputs() -> None:
    target, origins = resolve(flags={}, environ={}, deployment=DEPLOYMENT)
    assert (target.endpoint, target.region, target.host_address) == ("vpce.internal", "eu-central-1", "10.1.1.1")
    assert origins["endpoint"].text == "outputs.json: dsql_endpoint"
    assert origins["host-address"].text == "outputs.json: dsql_host_address"
    assert origins["region"].text == "outputs.json: region"


def test_another_cluster_takes_nothing_of_the_deployments() -> None:
    for flags, environ in (({"endpoint": ENDPOINT}, {}), ({}, {"DSQL_ENDPOINT": ENDPOINT})):
        target, _ = resolve(flags=flags, environ=environ, deployment=DEPLOYMENT)
        assert (target.endpoint, target.region, target.host_address) == (ENDPOINT, "eu-west-1", None)


def test_without_a_cluster() -> None:
    with pytest.raises(ConfigurationError, match="--endpoint, DSQL_ENDPOINT, or --outputs"):
        resolve(flags={}, environ={})
    with pytest.raises(ConfigurationError, match=r"from x\.json, without the output dsql_endpoint"):
        resolve(flags={}, environ={}, deployment=Deployment(source="x.json"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "https://abc.dsql.eu-west-1.on.aws"),
        ("endpoint", "abc:5432"),
        ("endpoint", "a b"),
        ("port", "0"),
        ("port", "65536"),
        ("port", "٣"),
        ("port", "1e3"),
        ("host-address", "https://host.internal"),
        ("host-address", "host:5432"),
        ("host-address", "10.0.0.300"),
        ("user", "r" * 64),
        ("database", "a\nb"),
    ],
)
def test_bad_values_are_told(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(flags={"endpoint": ENDPOINT, name: value}, environ={})
    assert [problem.name for problem in caught.value.problems] == [name]
    assert caught.value.problems[0].origin == f"--{name}"


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(flags={"port": "x", "host-address": "y z"}, environ={"DSQL_USER": "u" * 99})
    assert {problem.name for problem in caught.value.problems} == {"port", "host-address", "user", "endpoint"}


@given(st.dictionaries(st.sampled_from([setting.name for setting in SETTINGS]), st.text(max_size=80)))
def test_whatever_is_given_there_is_a_target_or_a_problem(flags: dict[str, str]) -> None:
    try:
        target, origins = resolve(flags=flags, environ={})
    except ConfigurationError:
        return
    assert target.endpoint
    assert target.region
    assert set(origins) == {setting.name for setting in SETTINGS}
