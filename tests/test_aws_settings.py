"""Ports and regions as every target on AWS takes them."""

from __future__ import annotations

import pytest

from auroral.aws_settings import REGION_VARIABLES, choose_region, parse_port, parse_region, region_of, with_one_region
from auroral.config import Layer, Origin, Resolved
from auroral.errors import Problem

ENDPOINT = Origin(Layer.FLAG, "--endpoint")


def resolved(region: str | None, layer: Layer) -> Resolved:
    origin = Origin(layer, "--region" if layer is Layer.FLAG else "AWS_REGION")
    return Resolved({"region": region}, {"region": origin, "endpoint": ENDPOINT}, [], [])


@pytest.mark.parametrize("text", ["0", "65536", "-1", "", "5432x", "٣", "9" * 5000])
def test_no_port(text: str) -> None:
    with pytest.raises(ValueError, match="a port from 1 to 65535"):
        parse_port(text)


def test_ports_and_regions() -> None:
    assert (parse_port("1"), parse_port("65535")) == (1, 65535)
    assert parse_region("us-gov-west-1") == "us-gov-west-1"
    for text in ("mars", "eu-west", "EU-WEST-1", ""):
        with pytest.raises(ValueError, match="a region such as eu-west-1"):
            parse_region(text)


def test_the_stronger_of_two_names_counts() -> None:
    strong, weak = REGION_VARIABLES
    assert with_one_region({strong: "eu-west-1", weak: "us-east-1"}) == {strong: "eu-west-1"}
    assert with_one_region({strong: " ", weak: "us-east-1"}) == {strong: " ", weak: "us-east-1"}


def test_the_endpoint_names_the_region() -> None:
    given, problems = resolved("us-east-1", Layer.ENVIRONMENT), [Problem("region", "mars", "AWS_REGION", "a region")]
    choose_region(given, "eu-west-1", problems, without="")
    assert (given.values["region"], given.origins["region"], problems) == ("eu-west-1", ENDPOINT, [])


def test_a_flag_that_contradicts_the_endpoint() -> None:
    problems: list[Problem] = []
    choose_region(resolved("us-east-1", Layer.FLAG), "eu-west-1", problems, without="")
    assert [(one.value, one.expected) for one in problems] == [("us-east-1", "eu-west-1, which the endpoint names")]


def test_an_endpoint_without_a_region() -> None:
    problems: list[Problem] = []
    choose_region(resolved("us-east-1", Layer.ENVIRONMENT), "", problems, without="--region")
    assert problems == []
    choose_region(resolved(None, Layer.DEFAULT), "", problems, without="--region")
    assert [one.expected for one in problems] == ["--region"]
    choose_region(resolved(None, Layer.DEFAULT), "", problems, without="--region")
    assert len(problems) == 1  # a region that could not be read is told once


def test_the_region_of_the_environment() -> None:
    assert region_of({"AWS_REGION": " eu-west-1 ", "AWS_DEFAULT_REGION": "us-east-1"}) == "eu-west-1"
    assert region_of({"AWS_REGION": " ", "AWS_DEFAULT_REGION": "us-east-1"}) == "us-east-1"
    assert region_of({}) is None
