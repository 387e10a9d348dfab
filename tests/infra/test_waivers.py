"""Files of waivers, and what is wrong with them."""

from __future__ import annotations

import datetime

import pytest

from auroral.errors import UsageError
from auroral.infra.properties import PROPERTIES
from auroral.infra.waivers import Waiver, parse_waivers

GOOD = """
[[waiver]]
property = 13
address = "module.collector.*"
reason = "the service knows no resources for this action"
until = 2027-01-31

[[waiver]]
property = "no-open-ingress"
address = "module.network.aws_security_group.x"
reason = "a lab that nobody else reaches"
"""


def test_by_name_or_number() -> None:
    waivers = parse_waivers(GOOD, PROPERTIES)
    assert [one.property for one in waivers] == ["no-star-resource", "no-open-ingress"]
    assert waivers[0].until == datetime.date(2027, 1, 31)


def test_what_a_waiver_covers() -> None:
    until = datetime.date(2027, 1, 31)
    waiver = Waiver(property="a", address="module.x.*", reason="because", until=until)
    assert waiver.covers("a", "module.x.aws_y.z", until)
    assert not waiver.covers("a", "module.x.aws_y.z", until + datetime.timedelta(days=1))
    assert not waiver.covers("a", "module.xx", until)
    assert not waiver.covers("b", "module.x.aws_y.z", until)
    assert not Waiver(property="a", address="module.x", reason="because").covers("a", "module.x.y", until)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('property = 99\naddress = "a"\nreason = "long enough to say"', "expected a property's name or number"),
        ('property = "no-open-ingres"\naddress = "a"\nreason = "long enough to say"', "no-open-ingress"),
        ('property = 1\naddress = "*"\nreason = "long enough to say"', "address: expected"),
        ('property = 1\nreason = "long enough to say"', "address: expected"),
        ('property = 1\naddress = "a"\nreason = "no"', "reason: expected why"),
        ('property = 1\naddress = "a"', "reason: expected why"),
        ('property = 1\naddress = "a"\nreason = "long enough to say"\nuntil = "2027"', "until 2027: expected a date"),
        ('property = 1\naddress = "a"\nreason = "long enough to say"\nwhy = 1', "why is no field"),
    ],
)
def test_faults(entry: str, words: str) -> None:
    with pytest.raises(UsageError, match="waiver 1") as caught:
        parse_waivers(f"[[waiver]]\n{entry}\n", PROPERTIES, "w.toml")
    assert words in str(caught.value)
    assert "w.toml" in str(caught.value)


@pytest.mark.parametrize("text", ["[waiver]\nx = 1", "waiver = 1", "[[waivers]]\n", "=", "waiver = [1]"])
def test_no_file_of_waivers(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected|not TOML"):
        parse_waivers(text, PROPERTIES)
