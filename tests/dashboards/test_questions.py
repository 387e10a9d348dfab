"""What is asked of Prometheus: out of dashboards and rule files, with variables filled in."""

from __future__ import annotations

from typing import Any

import pytest

from auroral.dashboards.queries import names_in
from auroral.dashboards.questions import (
    ANY,
    Asked,
    Others,
    Question,
    Selector,
    filled,
    of_dashboard,
    of_rules,
    selectors,
)
from auroral.dashboards.rule_files import FILES

PROMETHEUS = {"type": "grafana-amazonprometheus-datasource", "uid": "m"}


def dashboard(**parts: Any) -> dict[str, Any]:
    return {"panels": [], **parts}


def questions(**parts: Any) -> list[Question]:
    return of_dashboard("x.json", dashboard(**parts), window="60s", span="3600s")[0]


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ("up", ["up"]),
        ('sum by (a, le) (rate(foo_bucket{x="a}b"}[5m])) / on(cluster) group_left (b) bar > 3', ["foo_bucket", "bar"]),
        ("up == 0 and on (x) count(a:b:c{}) by (instance) offset 5m or vector(0)", ["up", "a:b:c"]),
        ("topk(5, 1e3 * x) unless y @ 1234 + Inf", ["x", "y"]),
        ("sum(x) by(service,instance) - sum without (le) (y[5m:1m])", ["x", "y"]),
        ('label_replace(x, "service", "frontend", "", "")', ["x"]),
        ("x > bool 0 and ignoring(z) y", ["x", "y"]),
        ("vector(100)", []),
        ("x or x", ["x"]),
    ],
)
def test_what_a_query_selects(expr: str, names: list[str]) -> None:
    assert [one.metric for one in selectors(expr)] == names


def test_selectors_keep_their_matchers() -> None:
    (found,) = selectors('rate(x{a="1,2", b!~"}\\"" ,c=~".*"}[1m])')
    assert found == Selector("x", ('a="1,2"', 'b!~"}\\""', 'c=~".*"'))
    assert found.labels == ("a", "b", "c")
    assert found.text == 'x{a="1,2",b!~"}\\"",c=~".*"}'


def test_they_are_those_of_our_own_rules() -> None:
    """Two readings of the same queries: what builds them knows the names, too."""
    for file in FILES:
        for rule in file.rules:
            names = {one.metric for one in selectors(rule.expr)}
            bases = {name.removesuffix("_bucket").removesuffix("_count") for name in names}
            assert bases == {name.removesuffix("_count") for name in names_in(rule.expr)}, rule.expr


def test_variables_are_filled_in() -> None:
    values = {"b": ANY, "cl": ANY, "__rate_interval": "1m", "bc": "7"}
    written = 'x{a="$b",c=~"${cl:regex}",d!="[[b]]",e=~"$bc"}[$__rate_interval] ${bc}'
    assert filled(written, values) == 'x{a=~".*",c=~".*",d!=".*",e=~"7"}[1m] 7'


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("label_values(up, cluster)", 'count(up{cluster!=""})'),
        ('label_values(restarts{cluster=~"$cluster"}, service)', 'count(restarts{cluster=~".*",service!=""})'),
        ("label_values(x{}, y)", 'count(x{y!=""})'),
        ({"query": 'label_values(a{b="c",}, d)'}, 'count(a{b="c",d!=""})'),
        ("query_result(topk(3, up))", "topk(3, up)"),
    ],
)
def test_what_a_variable_asks(query: Any, asked: str) -> None:
    variables = [
        {"name": "cluster", "type": "query", "query": "label_values(job)", "datasource": PROMETHEUS},
        {"name": "v", "type": "query", "query": query, "datasource": PROMETHEUS},
    ]
    assert questions(templating={"list": variables}) == [Question("x.json", "v", Asked.VARIABLE, asked)]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ({"type": "custom", "query": "5,10", "current": {}}, "5"),
        ({"type": "custom", "query": "5,10", "current": {"value": "10"}}, "10"),
        ({"type": "custom", "query": "5,10", "current": {"value": ["$__all"]}}, ANY),
        ({"type": "constant", "query": "x", "current": None}, "x"),
        ({"type": "textbox", "query": ""}, ANY),
    ],
)
def test_values_of_variables_that_ask_nothing(variable: dict[str, Any], value: str) -> None:
    panel = {"title": "p", "targets": [{"expr": "topk($n, x)"}]}
    (found,) = questions(templating={"list": [{"name": "n", **variable}]}, panels=[panel])
    assert found.expr == f"topk({value}, x)"


def test_panels_in_rows_and_other_sources() -> None:
    cloudwatch = {"type": "cloudwatch", "uid": "c"}
    panels = [
        {"title": "row", "type": "row", "panels": [{"title": "inner", "targets": [{"expr": "a", "hide": True}]}]},
        {"title": "mixed", "datasource": {"type": "datasource", "uid": "-- Mixed --"}, "targets": [
            {"expr": "b[$__interval]", "datasource": PROMETHEUS}, {"datasource": cloudwatch}, {"refId": "C"}]},
        {"id": 7, "datasource": {"type": "prometheus"}, "targets": [{"expr": "c[$__range]"}]},
        {"title": "cloud", "datasource": cloudwatch, "targets": [{}, {}]},
        {"title": "text"},
    ]  # fmt: skip
    variables = [{"name": "dsql", "type": "query", "query": {}, "datasource": cloudwatch}]
    document = dashboard(panels=panels, templating={"list": variables})
    asked, others = of_dashboard("x.json", document, window="60s", span="600s")
    assert [(one.name, one.expr) for one in asked] == [("inner", "a"), ("mixed", "b[60s]"), ("panel 7", "c[600s]")]
    assert others == [Others("x.json", "cloudwatch", 4)]


def test_rules() -> None:
    rules = [{"record": "r", "expr": "sum(x)"}, {"alert": "A", "expr": "r > 1"}]
    assert of_rules("r.yaml", {"groups": [{"name": "g", "rules": rules}, {"name": "empty"}]}) == [
        Question("r.yaml", "r", Asked.RECORD, "sum(x)"),
        Question("r.yaml", "A", Asked.ALERT, "r > 1"),
    ]
