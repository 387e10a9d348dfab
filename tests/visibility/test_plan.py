"""Differences and the steps that end them: against a model of an index that takes every step."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from auroral.visibility.plan import Found, Plan, Security, installed, make_plan
from auroral.visibility.template import flat_settings, template_for

WANTED = template_for("orders")
NO_SECURITY = Security(available=False, reason="not asked for")
ARNS = ("arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:user/b")


def found(**other: Any) -> Found:
    """An index as it should be, but for what is given."""
    whole = {
        "distribution": "opensearch 2.19.6",
        "concrete": ("orders",),
        "mappings": copy.deepcopy(WANTED.mappings),
        "settings": dict(WANTED.settings),
        "template": copy.deepcopy(WANTED.body),
        "health": "green",
        "security": NO_SECURITY,
    }
    return Found(**(whole | other))


def carry_out(before: Found, plan: Plan) -> Found:
    """What OpenSearch makes of the steps."""
    state = before
    for step in plan.steps:
        body = copy.deepcopy(step.body)
        if step.path.startswith("/_template/"):
            state = msgspec.structs.replace(state, template=body)
        elif step.path == "/orders":
            assert not state.concrete
            made = {"mappings": body["mappings"], "settings": flat_settings(body["settings"])}
            state = msgspec.structs.replace(state, concrete=("orders",), health="green", **made)
        elif step.path == "/orders/_mapping":
            there = copy.deepcopy(state.mappings)
            there.setdefault("properties", {}).update(body.pop("properties", {}))
            state = msgspec.structs.replace(state, mappings=there | body)
        elif step.path == "/orders/_settings":
            state = msgspec.structs.replace(state, settings=state.settings | flat_settings(body))
        elif "/roles/" in step.path:
            security = msgspec.structs.replace(state.security, role=body)
            state = msgspec.structs.replace(state, security=security)
        else:
            security = msgspec.structs.replace(state.security, mapping=body)
            state = msgspec.structs.replace(state, security=security)
    return state


def told(plan: Plan) -> list[str]:
    return [difference.what for difference in plan.differences]


def test_what_is_as_it_should_be_needs_nothing() -> None:
    assert make_plan(WANTED, found(), ()) == Plan()


@given(
    missing=st.sets(st.sampled_from(sorted(WANTED.properties))),
    recorded=st.none() | st.integers(1, WANTED.source.template),
    dynamic=st.sampled_from(["true", "false", "strict"]),
    settings=st.dictionaries(
        st.sampled_from(["auto_expand_replicas", "search.idle.after"]), st.sampled_from(["false", "1s"])
    ),
    template=st.sampled_from(["there", "none", "other"]),
    there=st.booleans(),
    role=st.sampled_from(["none", "other"]),
)
def test_every_difference_in_place_is_ended_by_its_steps(
    *,
    missing: set[str],
    recorded: int | None,
    dynamic: str,
    settings: dict[str, str],
    template: str,
    there: bool,
    role: str,
) -> None:
    mappings = copy.deepcopy(WANTED.mappings)
    mappings["properties"] = {name: field for name, field in mappings["properties"].items() if name not in missing}
    mappings["dynamic"] = dynamic
    mappings["_meta"] = {"theirs": 1} | ({"auroral": {"template": recorded, "temporal": "1.30.0"}} if recorded else {})
    other = {**WANTED.body, "order": 3}
    security = Security(available=True, role=None if role == "none" else {"cluster_permissions": ["*"]})
    before = found(
        mappings=mappings if there else {},
        settings=dict(WANTED.settings) | settings if there else {},
        template={"there": WANTED.body, "none": None, "other": other}[template],
        concrete=("orders",) if there else (),
        security=security,
    )
    plan = make_plan(WANTED, before, ARNS)
    assert plan.refusals == ()
    after = carry_out(before, plan)
    assert make_plan(WANTED, after, ARNS).differences == ()
    assert installed(after.mappings) == WANTED.meta["auroral"] | {"version": WANTED.meta["auroral"]["version"]}
    if there:
        assert after.mappings["_meta"]["theirs"] == 1


def test_what_opensearch_answers_is_understood() -> None:
    """Numbers come back as floats, booleans as texts, and settings of its own beside ours."""
    mappings = copy.deepcopy(WANTED.mappings)
    mappings["properties"]["TemporalDouble01"]["scaling_factor"] = 10000.0
    settings = dict(WANTED.settings) | {"uuid": "x", "creation_date": "1", "number_of_replicas": "2"}
    assert make_plan(WANTED, found(mappings=mappings, settings=settings), ()) == Plan()


def test_what_needs_a_new_index_is_refused() -> None:
    mappings = copy.deepcopy(WANTED.mappings)
    mappings["properties"]["RunId"] = {"type": "keyword", "index": False}
    mappings["properties"]["TemporalDouble01"]["scaling_factor"] = 100.0
    mappings["properties"]["CloseTime"] = {"properties": {}}
    plan = make_plan(WANTED, found(mappings=mappings), ())
    assert told(plan) == [
        "field RunId cannot be searched or sorted by: index or doc_values is off",
        "field CloseTime has type object, not date_nanos",
        "field TemporalDouble01 has scaling_factor 100.0, not 10000",
    ]
    assert plan.refusals == plan.differences


def test_a_newer_index_is_left_as_it_is() -> None:
    mappings = copy.deepcopy(WANTED.mappings)
    mappings["_meta"]["auroral"] = {"version": "9", "temporal": "1.40.0", "template": WANTED.source.template + 1}
    mappings["properties"]["Later"] = {"type": "keyword"}
    plan = make_plan(WANTED, found(mappings=mappings, template={**WANTED.body, "order": 1}), ())
    assert (plan.differences, plan.steps) == ((), ())
    assert "is of a newer template" in plan.notes[0]
    del mappings["properties"]["RunId"]
    (step,) = make_plan(WANTED, found(mappings=mappings), ()).steps
    assert step.body == {"properties": {"RunId": {"type": "keyword"}}}


def test_shards_are_somebodys_choice_unless_asked_for() -> None:
    three = template_for("orders", shards=3)
    there = found(settings=dict(three.settings), template=three.body)
    assert make_plan(WANTED, there, ()).differences == ()
    assert told(make_plan(three, found(), (), shards_asked=True)) == [
        f"template orders_template is not that of Temporal {WANTED.source.version}",
        "setting number_of_shards is 1, not 3",
    ]
    outdated = found(settings=dict(three.settings), template={**three.body, "order": 1})
    (step,) = make_plan(WANTED, outdated, ()).steps
    assert step.body["settings"]["index"]["number_of_shards"] == "3"


def test_an_alias_is_one_index_or_refused() -> None:
    plan = make_plan(WANTED, found(concrete=("orders-2",)), ())
    assert (plan.differences, plan.notes) == ((), ("orders is an alias of orders-2",))
    assert "is an alias of 2 indexes: a, b" in told(make_plan(WANTED, found(concrete=("a", "b")), ()))[0]


def test_roles_are_left_alone_where_nobody_is_to_be_mapped() -> None:
    security = Security(available=True, role={"cluster_permissions": ["*"]})
    assert make_plan(WANTED, found(security=security), ()) == Plan()


def test_a_record_that_cannot_be_read_is_none() -> None:
    for meta in (None, 3, {}, {"auroral": 3}, {"auroral": {"template": "14"}}, {"auroral": {"template": True}}):
        assert installed({"_meta": meta}) is None
