"""Which hosts are reached, by which proxy, and what a failure or a clock that is off means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from auroral.doctor import network
from auroral.doctor.checks import State
from auroral.doctor.network import Endpoint, Reached


def test_the_endpoints_are_the_regions() -> None:
    hosts = [one.host for one in network.endpoints("eu-west-1", {}, registry=False)]
    assert hosts[0] == "sts.eu-west-1.amazonaws.com"
    assert {"api.ecr.eu-west-1.amazonaws.com", "ssmmessages.eu-west-1.amazonaws.com"} < set(hosts)
    china = network.endpoints("cn-north-1", {}, registry=False)
    assert china[0].host == "sts.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"])
def test_the_endpoints_are_those_that_botocore_calls(region: str) -> None:
    import boto3

    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=region)
    hosts = {one.name: one.host for one in network.endpoints(region, {}, registry=False)}
    for name in ("sts", "ecs", "ecr", "logs"):
        config = boto3.session.Config(ignore_configured_endpoint_urls=True)
        assert session.client(name, config=config).meta.endpoint_url == f"https://{hosts[name]}"


def test_the_registry_is_asked_for_where_there_is_no_mirror_and_is_not_needed() -> None:
    found = network.endpoints("eu-west-1", {}, registry=True)
    assert (found[-1].host, found[-1].needed) == ("registry.terraform.io", False)


def test_another_endpoint_takes_the_place_of_all() -> None:
    found = network.endpoints("eu-west-1", {"AWS_ENDPOINT_URL": "http://localhost:4566"}, registry=False)
    assert [(one.host, one.port, one.tls) for one in found] == [("localhost", 4566, False)]
    (found_tls,) = network.endpoints("eu-west-1", {"AWS_ENDPOINT_URL": "https://gate"}, registry=False)
    assert (found_tls.port, found_tls.tls) == (443, True)
    with pytest.raises(ValueError, match="expected a URL"):
        network.endpoints("eu-west-1", {"AWS_ENDPOINT_URL": "localhost"}, registry=False)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, ("proxy", 3128)),
        ({"https_proxy": "proxy:3128", "HTTPS_PROXY": "http://other:1"}, ("proxy", 3128)),
        ({"HTTPS_PROXY": "http://user:secret@proxy"}, ("proxy", 80)),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".amazonaws.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "*"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "localhost, other.com"}, ("proxy", 3128)),
    ],
)
def test_a_proxy_is_read_as_others_do(environ: dict[str, str], proxy: tuple[str, int] | None) -> None:
    assert network.proxy_of(environ, "sts.eu-west-1.amazonaws.com") == proxy


def test_what_is_needed_is_missing_and_what_is_not_is_warned_of() -> None:
    failed = Reached(failed="name", words="not known")
    assert network.reachable(Endpoint(name="a", host="h"), failed).state is State.MISSING
    assert network.reachable(Endpoint(name="a", host="h", needed=False), failed).state is State.WARN
    assert network.reachable(Endpoint(name="a", host="h"), Reached(took_s=0.012)).found == "TLS verified in 12 ms"
    assert network.reachable(Endpoint(name="a", host="h", port=8, tls=False), Reached()).name == "a at h:8"


def test_every_failure_has_words_and_a_remedy() -> None:
    endpoint = Endpoint(name="a", host="h")
    found = [network.reachable(endpoint, Reached(failed=one, words="why")) for one in network._WORDS]
    assert all("why" in one.found and one.remedy for one in found)
    assert set(network._WORDS) == set(network._REMEDIES)


def test_opensearch_is_expected_to_be_out_of_reach_and_dsql_is_not() -> None:
    away = network.opensearch("h", Reached(failed="timeout", words="nothing within 3 s"))
    assert (away.state, "--where cluster" in away.found) == (State.OK, True)
    assert network.opensearch("h", Reached(took_s=0.1)).state is State.OK
    assert network.dsql("h", failure="refused").state is State.WARN
    assert network.dsql("h", failure=None, took_s=0.05).state is State.OK


@pytest.mark.parametrize(
    ("seconds", "state", "told"),
    [
        (0.4, State.OK, "to a second"),
        (30, State.OK, "30 s fast"),
        (-90, State.WARN, "90 s slow"),
        (300, State.WARN, "300 s fast"),
        (301, State.MISSING, "5 minutes"),
        (-3600, State.MISSING, "3,600 s slow"),
    ],
)
def test_a_clock_may_be_off_by_five_minutes(seconds: float, state: State, told: str) -> None:
    check = network.clock("Thu, 26 Nov 2026 12:00:00 GMT", timedelta(seconds=seconds))
    assert (check.state, told in check.found) == (state, True)


def test_a_clock_that_is_not_told_is_not_known() -> None:
    assert network.skew_of(None, 0.0) is None
    assert network.skew_of("yesterday", 0.0) is None
    assert network.clock(None, None).state is State.UNKNOWN
    assert "yesterday" in network.clock("yesterday", None).found
    assert network.skew_of("Thu, 01 Jan 1970 00:01:40 GMT", 160.0) == timedelta(seconds=60)
