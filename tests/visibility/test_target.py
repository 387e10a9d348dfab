"""Which OpenSearch and which index, from flags, environment and outputs."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.deployment import Deployment
from auroral.errors import ConfigurationError
from auroral.visibility.target import VisibilityTarget, parse_endpoint, region_of, resolve

DOMAIN = "vpc-orders-abc.eu-west-1.es.amazonaws.com"


def target(
    flags: dict[str, Any] | None = None, environ: dict[str, str] | None = None, **outputs: Any
) -> VisibilityTarget:
    deployment = msgspec.structs.replace(Deployment(), source="outputs.json", **outputs) if outputs else None
    return resolve(flags=flags or {}, environ=environ or {}, deployment=deployment)[0]


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (DOMAIN, "eu-west-1"),
        ("search-x-y.us-gov-west-1.es.amazonaws.com", "us-gov-west-1"),
        ("search-x.cn-north-1.es.amazonaws.com.cn", "cn-north-1"),
        ("vpc-x.aos.ap-southeast-2.on.aws", "ap-southeast-2"),
        ("search.example.com", ""),
        ("eu-west-1.es.amazonaws.com.example.com", ""),
    ],
)
def test_the_region_in_a_host(host: str, region: str) -> None:
    assert region_of(host) == region


@pytest.mark.parametrize(
    ("flags", "url"),
    [
        ({"endpoint": DOMAIN}, f"https://{DOMAIN}:443"),
        ({"endpoint": f"https://{DOMAIN}/"}, f"https://{DOMAIN}:443"),
        ({"endpoint": f"{DOMAIN}:9243"}, f"https://{DOMAIN}:9243"),
        ({"endpoint": DOMAIN, "port": "9243"}, f"https://{DOMAIN}:9243"),
        ({"endpoint": "http://[::1]:9200", "signing": False}, "http://[::1]:9200"),
        ({"endpoint": "localhost", "scheme": "http", "signing": False}, "http://localhost:80"),
    ],
)
def test_the_address(flags: dict[str, Any], url: str) -> None:
    assert target(flags).url == url


def test_a_url_is_stronger_than_the_servers_port_and_scheme() -> None:
    environ = {"TEMPORAL_OPENSEARCH_PORT": "9200", "TEMPORAL_OPENSEARCH_SCHEME": "http"}
    assert target({"endpoint": f"https://{DOMAIN}"}, environ).url == f"https://{DOMAIN}:443"


def test_layers() -> None:
    outputs = {"opensearch_endpoint": f"https://{DOMAIN}", "opensearch_index": "orders", "region": "eu-west-1"}
    assert target(**outputs).index == "orders"
    assert target(environ={"TEMPORAL_OPENSEARCH_INDEX": "other"}, **outputs).index == "other"
    assert target({"index": "flag"}, {"TEMPORAL_OPENSEARCH_INDEX": "other"}, **outputs).index == "flag"
    assert target(environ={"TEMPORAL_OPENSEARCH_HOST": DOMAIN}).index == "temporal_visibility_v1"
    _, origins = resolve(flags={}, environ={}, deployment=Deployment(source="outputs.json", **outputs))
    assert origins["index"].text == "outputs.json: opensearch_index"


def test_the_region_that_counts() -> None:
    assert target({"endpoint": DOMAIN}, {"AWS_REGION": "us-east-1"}).region == "eu-west-1"
    assert (
        target({"endpoint": "s.example.com"}, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "x"}).region
        == "us-east-1"
    )
    assert target({"endpoint": "localhost", "signing": False}).region == ""
    with pytest.raises(ConfigurationError, match="eu-west-1, which the endpoint names"):
        target({"endpoint": DOMAIN, "region": "us-east-1"})


def test_a_user_counts_where_requests_are_not_signed() -> None:
    environ = {"TEMPORAL_OPENSEARCH_USERNAME": "admin", "TEMPORAL_OPENSEARCH_PASSWORD": "secret"}
    assert target({"endpoint": "localhost", "signing": False}, environ).username == "admin"
    assert target({"endpoint": DOMAIN}, environ).username == ""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"endpoint": "http://search.example.com", "signing": False}, "http is for localhost only"),
        ({"endpoint": f"https://{DOMAIN}/path"}, "without a path"),
        ({"endpoint": f"https://me:pw@{DOMAIN}"}, "without a user"),
        ({"endpoint": "ftp://x"}, "https://<host>"),
        ({"endpoint": "x:y"}, "https://<host>"),
        ({"endpoint": "abc.eu-west-1.aoss.amazonaws.com"}, "not a serverless collection"),
        ({"endpoint": DOMAIN, "port": "0"}, "a port from 1"),
        ({"endpoint": DOMAIN, "index": "_all"}, "a name of lower-case"),
        ({"endpoint": DOMAIN, "index": "a,b"}, "a name of lower-case"),
        ({"endpoint": DOMAIN, "index": "*"}, "a name of lower-case"),
        ({}, "expected a domain"),
    ],
)
def test_what_is_refused(flags: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        target(flags)
    assert "pw" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_told(text: str) -> None:
    with contextlib.suppress(ValueError):
        address = parse_endpoint(text)
        assert address.host
        assert not set(address.host) & set(" /@?#%")
