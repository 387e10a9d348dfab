"""What AWS charges, by region: a dated table in the package, which a file overrides item by item. Pure, but for the one
function that reads the package's table.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import msgspec

from auroral.capacity.instances import instance_type, known_instances
from auroral.config import did_you_mean, escaped, toml_fault
from auroral.errors import ConfigurationError, Problem, UsageError

PACKAGED = "prices-2026-11.toml"
"""The table of this release."""

Confidence = Literal["published", "quoted"]
"""`published`: read on a page of AWS's own. `quoted`: someone else's statement of AWS's price."""

_PARTS = ("date", "sources", "regions")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """Something that AWS charges for."""

    unit: str
    about: str


ITEMS: dict[str, Item] = {
    "ebs.gp3": Item(unit="GB-month", about="instance volumes"),
    "dsql.dpu": Item(unit="million DPU", about="Aurora DSQL activity"),
    "dsql.storage": Item(unit="GB-month", about="Aurora DSQL storage"),
    "opensearch.gp3": Item(unit="GB-month", about="OpenSearch volumes"),
    "amp.samples": Item(unit="10 million samples", about="Prometheus ingestion, the first 2 billion of a month"),
    "amp.samples-over-2b": Item(unit="10 million samples", about="Prometheus ingestion, the next 250 billion"),
    "amp.samples-over-252b": Item(unit="10 million samples", about="Prometheus ingestion, beyond"),
    "amp.storage": Item(unit="GB-month", about="Prometheus storage"),
    "amp.queried": Item(unit="billion samples", about="Prometheus query samples processed"),
    "logs.ingestion": Item(unit="GB", about="CloudWatch Logs ingestion"),
    "logs.storage": Item(unit="GB-month", about="CloudWatch Logs storage"),
    "cloudwatch.metric": Item(unit="metric-month", about="CloudWatch metrics, which Container Insights bills by"),
    "nat.hour": Item(unit="hour", about="NAT gateways"),
    "nat.data": Item(unit="GB", about="NAT gateway data"),
    "endpoint.hour": Item(unit="hour", about="interface endpoints, each in each zone"),
    "endpoint.data": Item(unit="GB", about="interface endpoint data"),
    "transfer.zone": Item(unit="GB", about="data between zones, each direction"),
    "dynamodb.writes": Item(unit="million units", about="DynamoDB on-demand write requests"),
    "dynamodb.reads": Item(unit="million units", about="DynamoDB on-demand read requests"),
    "kms.key": Item(unit="key-month", about="KMS keys"),
    "kms.requests": Item(unit="10,000 requests", about="KMS requests"),
    "secrets.secret": Item(unit="secret-month", about="secrets"),
    "secrets.requests": Item(unit="10,000 requests", about="Secrets Manager requests"),
    "s3.storage": Item(unit="GB-month", about="S3 storage"),
    "ecr.storage": Item(unit="GB-month", about="container images"),
}
"""Every item by name, but for the families below."""

EC2_FAMILY = Item(unit="vCPU-hour", about="EC2 instances of this family")
"""`ec2.<family>`, e.g. `ec2.m7g`: AWS prices a family in proportion to its vCPUs, to rounding."""
EC2_TYPE = Item(unit="hour", about="EC2 instances of this type")
"""`ec2.<type>`, e.g. `ec2.m7g.2xlarge`: goes before its family's."""
OPENSEARCH_TYPE = Item(unit="hour", about="OpenSearch nodes of this type")
"""`opensearch.<type>`, e.g. `opensearch.m6g.large.search`."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """One price, in US dollars for one unit."""

    item: str
    region: str
    usd: float
    unit: str
    source: str
    date: str
    confidence: Confidence


class PriceTable(msgspec.Struct, frozen=True, kw_only=True):
    """Prices by region and item."""

    date: str
    """When the table was put together."""
    origin: str
    """The file, or both where one overrides another."""
    prices: dict[str, dict[str, Price]]

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region that has any price."""
        return tuple(sorted(self.prices))

    def require_region(self, region: str) -> None:
        """Raise `UsageError` for a region without any price."""
        if region not in self.prices:
            raise UsageError(
                f"expected a region with prices ({', '.join(self.regions)}), got {escaped(region)}",
                hint=_override(region, "dsql.dpu"),
            )

    def find(self, region: str, item: str) -> Price | None:
        """The price of an item in a region, or None where it is not in the table. A type falls back on its family."""
        prices = self.prices.get(region, {})
        found = prices.get(item)
        if found is not None or not item.startswith("ec2."):
            return found
        name = item.removeprefix("ec2.")
        family = prices.get(f"ec2.{name.partition('.')[0]}")
        if family is None or name not in known_instances():
            return None
        usd = family.usd * instance_type(name).vcpu
        return msgspec.structs.replace(family, item=item, usd=usd, unit=EC2_TYPE.unit)

    def price(self, region: str, item: str) -> Price:
        """The price of an item in a region. Raises `UsageError` that names what is missing and how to give it."""
        found = self.find(region, item)
        if found is None:
            self.require(region, [item])
            raise AssertionError(item)  # `require` has raised
        return found

    def require(self, region: str, items: Iterable[str]) -> None:
        """Raise one `UsageError` for all the items that have no price in a region, or are none at all."""
        self.require_region(region)
        wanted = list(dict.fromkeys(items))
        unknown = [item for item in wanted if known_item(item) is None]
        if unknown:
            raise UsageError(f"no such item: {', '.join(map(escaped, unknown))}", hint=_known())
        missing = [item for item in wanted if self.find(region, item) is None]
        if missing:
            raise UsageError(
                f"{self.origin} has no price in {region} for {', '.join(missing)}", hint=_override(region, missing[0])
            )


def known_item(name: str) -> Item | None:
    """What an item is, or None for an unknown one."""
    service, _, rest = name.partition(".")
    if name in ITEMS:
        return ITEMS[name]
    if service == "opensearch" and rest.endswith(".search"):
        return OPENSEARCH_TYPE
    if service == "ec2" and rest:
        return EC2_TYPE if "." in rest else EC2_FAMILY
    return None


def load_prices(text: str, *, origin: str, base: PriceTable | None = None) -> PriceTable:
    """Read a table's TOML; with `base`, its items go before the base's. `origin` names the file.

    Raises `ConfigurationError` with every problem.
    """
    try:
        document = tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        problem = Problem("prices", "text", origin, f"valid TOML: {toml_fault(error)}")
        raise ConfigurationError([problem]) from error
    reader = _Reader(origin, document, needs_sources=base is None)
    table = reader.table()
    if reader.problems:
        raise ConfigurationError(reader.problems, hint=_known())
    if base is None:
        return table
    merged = {region: dict(prices) for region, prices in base.prices.items()}
    for region, prices in table.prices.items():
        for item, price in prices.items():
            _put(merged.setdefault(region, {}), item, price)
    return PriceTable(date=base.date, origin=f"{origin} over {base.origin}", prices=merged)


@cache
def packaged_prices() -> PriceTable:
    """The table of this release."""
    text = files("auroral.capacity").joinpath(PACKAGED).read_text(encoding="utf-8")
    return load_prices(text, origin=PACKAGED)


def _put(prices: dict[str, Price], item: str, price: Price) -> None:
    if item.startswith("ec2.") and item.count(".") == 1:
        # A family that someone gives anew holds for its sizes, also for those that the base prices one by one.
        for other in [name for name in prices if name.startswith(f"{item}.")]:
            del prices[other]
    prices[item] = price


class _Reader:
    """Reads one document; collects what is wrong with it."""

    def __init__(self, origin: str, document: Mapping[str, Any], *, needs_sources: bool) -> None:
        self.problems: list[Problem] = []
        self._origin, self._document, self._needs_sources = origin, document, needs_sources

    def table(self) -> PriceTable:
        for part in self._document:
            if part not in _PARTS:
                self._problem(part, self._document[part], f"one of {', '.join(_PARTS)}{did_you_mean(part, _PARTS)}")
        date = self._document.get("date", "")
        if not isinstance(date, str) or (self._needs_sources and not date):
            self._problem("date", date, 'the day the prices were found, e.g. "2026-11-25"')
        sources = self._mapping("sources", self._document.get("sources", {}))
        prices: dict[str, dict[str, Price]] = {}
        for region, items in self._mapping("regions", self._document.get("regions", {})).items():
            prices[region] = {}
            for item, entry in self._mapping(f"regions.{region}", items).items():
                price = self._price(region, item, entry, sources, str(date))
                if price is not None:
                    prices[region][item] = price
        if not any(prices.values()) and not self.problems:
            self._problem("regions", {}, 'at least one price, e.g. [regions.eu-west-1] "dsql.dpu" = 9.5')
        return PriceTable(date=str(date), origin=self._origin, prices=prices)

    def _price(self, region: str, name: str, entry: Any, sources: Mapping[str, Any], date: str) -> Price | None:
        where = f"regions.{region}.{name}"
        item = known_item(name)
        if item is None:
            self._problem(where, entry, f"the name of an item{did_you_mean(name, tuple(ITEMS))}")
            return None
        fields = entry if isinstance(entry, dict) else {"usd": entry}
        for key in fields:
            if key not in ("usd", "unit", "source", "confidence"):
                self._problem(f"{where}.{key}", fields[key], "one of usd, unit, source, confidence")
        usd = fields.get("usd")
        if isinstance(usd, bool) or not isinstance(usd, int | float) or not math.isfinite(usd) or usd < 0:
            self._problem(f"{where}.usd", usd, f"US dollars for one {item.unit}, 0 or more")
            return None
        if fields.get("unit", item.unit) != item.unit:
            self._problem(f"{where}.unit", fields["unit"], f"the price for one {item.unit}")
        confidence = fields.get("confidence", "quoted")
        if confidence not in get_args(Confidence):
            self._problem(f"{where}.confidence", confidence, " or ".join(get_args(Confidence)))
        source = fields.get("source")
        stated = sources.get(source) if isinstance(source, str) else None
        if isinstance(stated, dict):
            source, date = str(stated.get("name", source)), str(stated.get("date", date))
        elif self._needs_sources:
            self._problem(f"{where}.source", source, f"one of the sources: {', '.join(sources)}")
        return Price(
            item=name,
            region=region,
            usd=float(usd),
            unit=item.unit,
            source=source if isinstance(source, str) and source else self._origin,
            date=date,
            confidence=confidence if confidence in get_args(Confidence) else "quoted",
        )

    def _mapping(self, name: str, value: Any) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._problem(name, value, "a table")
        return {}

    def _problem(self, name: str, value: Any, expected: str) -> None:
        text = escaped(str(value))
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        self.problems.append(Problem(escaped(name), shown, self._origin, expected))


def _override(region: str, item: str) -> str:
    unit = (known_item(item) or EC2_TYPE).unit
    return f'give it in a file, --prices FILE: [regions.{escaped(region)}] "{item}" = US dollars for one {unit}'


def _known() -> str:
    return f"items: ec2.FAMILY, ec2.TYPE, opensearch.TYPE, {', '.join(ITEMS)}"
