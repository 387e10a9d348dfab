"""Prices: the packaged table, overriding it, and what is said where one is missing."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.instances import known_instances
from auroral.capacity.prices import ITEMS, PACKAGED, PriceTable, known_item, load_prices, packaged_prices
from auroral.errors import ConfigurationError, UsageError

TABLE = """
date = "2026-11-25"
[sources]
page = { name = "a page", date = "2026-11-01" }
[regions.eu-west-1]
"dsql.dpu" = { usd = 9.5, source = "page", confidence = "published" }
"ec2.m7g" = { usd = 0.05, source = "page" }
"""


def table() -> PriceTable:
    return load_prices(TABLE, origin="table.toml")


def problems(text: str, base: PriceTable | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_prices(text, origin="my.toml", base=base)
    return str(caught.value)


@pytest.mark.parametrize(
    ("region", "item", "usd"),
    [
        pytest.param("eu-west-1", "ec2.m8g.4xlarge", 0.80032, id="the public sheet's 0.80 an hour"),
        pytest.param("eu-west-1", "ec2.m7g.2xlarge", 0.3638, id="the 150 preset's"),
        pytest.param("us-east-1", "ec2.m7g.2xlarge", 0.3264, id="the same in Virginia"),
        pytest.param("eu-central-1", "ec2.m8g.4xlarge", 0.86032, id="Frankfurt"),
        pytest.param("eu-west-1", "dsql.dpu", 9.5, id="0.0000095 a DPU"),
        pytest.param("us-east-1", "dsql.dpu", 8.0, id="DSQL in Virginia"),
        pytest.param("eu-west-1", "opensearch.m6g.large.search", 0.143, id="the sheet's search node"),
        pytest.param("eu-west-1", "nat.hour", 0.048, id="the sheet's NAT gateway"),
        pytest.param("eu-west-1", "logs.ingestion", 0.57, id="the sheet's logs"),
    ],
)
def test_the_packaged_table_has_the_known_prices(region: str, item: str, usd: float) -> None:
    assert packaged_prices().price(region, item).usd == pytest.approx(usd)


def test_every_packaged_price_has_a_source_a_date_and_a_unit() -> None:
    packaged = packaged_prices()
    assert {"eu-west-1", "us-east-1", "us-east-2", "eu-central-1"} <= set(packaged.regions)
    for prices in packaged.prices.values():
        for price in prices.values():
            known = known_item(price.item)
            assert known is not None
            assert price.unit == known.unit
            assert price.source
            assert datetime.date.fromisoformat(price.date) <= datetime.date(2026, 11, 30)
            assert price.usd > 0
    assert packaged.origin == PACKAGED


def test_the_measured_regions_lack_little() -> None:
    """What no price was found for is absent, and known to be."""
    for region, absent in {
        "eu-west-1": {"opensearch.gp3"},
        "us-east-1": {"secrets.secret", "secrets.requests"},
    }.items():
        assert {item for item in ITEMS if packaged_prices().find(region, item) is None} == absent


def test_a_size_costs_its_vcpus() -> None:
    price = table().price("eu-west-1", "ec2.m7g.4xlarge")
    assert (price.usd, price.unit, price.source) == (pytest.approx(0.8), "hour", "a page")
    assert table().find("eu-west-1", "ec2.m7g.3xlarge") is None
    assert table().find("eu-west-1", "ec2.m8g.4xlarge") is None


def test_a_price_keeps_its_source_and_date() -> None:
    price = table().price("eu-west-1", "dsql.dpu")
    assert (price.source, price.date, price.confidence) == ("a page", "2026-11-01", "published")


def test_a_missing_price_is_named_with_the_way_to_give_it() -> None:
    with pytest.raises(UsageError, match=r"table\.toml has no price in eu-west-1 for nat\.hour") as caught:
        table().price("eu-west-1", "nat.hour")
    assert '[regions.eu-west-1] "nat.hour" = US dollars for one hour' in caught.value.hint


def test_several_missing_prices_are_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"nat\.hour, kms\.key"):
        table().require("eu-west-1", ["nat.hour", "dsql.dpu", "kms.key", "nat.hour"])
    table().require("eu-west-1", ["dsql.dpu"])


def test_an_unknown_region_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"regions? with prices \(eu-west-1\), got mars"):
        table().price("mars", "dsql.dpu")


def test_an_unknown_item_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no such item: dsql\.dpx") as caught:
        table().price("eu-west-1", "dsql.dpx")
    assert "dsql.dpu" in caught.value.hint


def test_a_file_overrides_single_items_with_bare_numbers() -> None:
    mine = load_prices('[regions.eu-west-1]\n"dsql.dpu" = 7\n"nat.hour" = 0.04\n', origin="my.toml", base=table())
    dpu = mine.price("eu-west-1", "dsql.dpu")
    assert (dpu.usd, dpu.source) == (7.0, "my.toml")
    assert mine.price("eu-west-1", "nat.hour").usd == 0.04
    assert mine.price("eu-west-1", "ec2.m7g.2xlarge").usd == pytest.approx(0.4)
    assert mine.origin == "my.toml over table.toml"
    assert table().price("eu-west-1", "dsql.dpu").usd == 9.5


def test_a_file_can_bring_a_region_and_a_type() -> None:
    text = '[regions.mars]\n"dsql.dpu" = 1\n[regions.eu-west-1]\n"ec2.m7g.2xlarge" = 0.3\n"ec2.x9.huge" = 9\n'
    mine = load_prices(text, origin="my.toml", base=table())
    assert mine.price("mars", "dsql.dpu").usd == 1
    assert mine.price("eu-west-1", "ec2.m7g.2xlarge").usd == 0.3
    assert mine.price("eu-west-1", "ec2.m7g.xlarge").usd == pytest.approx(0.2)
    assert mine.price("eu-west-1", "ec2.x9.huge").usd == 9


def test_a_family_given_anew_holds_for_its_sizes() -> None:
    base = load_prices('[regions.eu-west-1]\n"ec2.m7g.2xlarge" = 0.3\n', origin="a.toml", base=table())
    mine = load_prices('[regions.eu-west-1]\n"ec2.m7g" = 0.01\n', origin="b.toml", base=base)
    assert mine.price("eu-west-1", "ec2.m7g.2xlarge").usd == pytest.approx(0.08)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert load_prices(f"\ufeff{TABLE}", origin="table.toml") == table()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param('"dsql.dpx" = 1', "did you mean dsql.dpu?", id="an unknown item"),
        pytest.param('"nonsense" = 1', "the name of an item", id="an item without a near one"),
        pytest.param('"dsql.dpu" = -1', "US dollars for one million DPU, 0 or more", id="negative"),
        pytest.param('"dsql.dpu" = nan', "US dollars for one million DPU", id="not a number"),
        pytest.param('"dsql.dpu" = true', "US dollars for one million DPU", id="a flag"),
        pytest.param('"dsql.dpu" = "9.5"', "US dollars for one million DPU", id="a text"),
        pytest.param('"dsql.dpu" = { }', "dsql.dpu.usd = None", id="an empty table"),
        pytest.param('"dsql.dpu" = { usd = 1, unit = "DPU" }', "the price for one million DPU", id="another unit"),
        pytest.param('"dsql.dpu" = { usd = 1, eur = 2 }', "one of usd, unit, source, confidence", id="another field"),
        pytest.param('"dsql.dpu" = { usd = 1, confidence = "sure" }', "published or quoted", id="another confidence"),
    ],
)
def test_what_is_wrong_with_an_item_is_said(line: str, said: str) -> None:
    text = problems(f"[regions.eu-west-1]\n{line}\n", base=table())
    assert said in text
    assert "my.toml" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[regions", "valid TOML", id="no TOML"),
        pytest.param("[region.eu-west-1]\n", "did you mean regions?", id="an unknown part"),
        pytest.param("regions = 1", "a table", id="regions that are none"),
        pytest.param("[regions]\neu-west-1 = 1", "a table", id="a region that is none"),
        pytest.param("", "at least one price", id="nothing"),
        pytest.param("[regions.eu-west-1]\n", "at least one price", id="no item"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, said: str) -> None:
    assert said in problems(text, base=table())


def test_every_problem_is_said_at_once() -> None:
    text = problems('[regions.eu-west-1]\n"dsql.dpx" = 1\n"dsql.dpu" = "x"\n', base=table())
    assert "2 problems" in text


def test_a_whole_table_must_name_its_sources() -> None:
    text = problems('date = "2026-11-25"\n[regions.eu-west-1]\n"dsql.dpu" = 1\n"nat.hour" = {usd = 1, source = "x"}\n')
    assert text.count("one of the sources") == 2
    assert "the day the prices were found" in problems('[regions.eu-west-1]\n"dsql.dpu" = 1\n')


@given(usd=st.floats(0, 1e6, allow_nan=False), item=st.sampled_from(sorted(ITEMS)))
def test_what_a_file_says_is_the_price(usd: float, item: str) -> None:
    mine = load_prices(f'[regions.eu-west-1]\n"{item}" = {usd!r}\n', origin="my.toml", base=packaged_prices())
    assert mine.price("eu-west-1", item).usd == usd


def test_every_known_instance_type_has_a_price_where_a_cluster_was_measured() -> None:
    for name in known_instances():
        assert packaged_prices().price("eu-west-1", f"ec2.{name}").usd > 0
