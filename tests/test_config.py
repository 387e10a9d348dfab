"""Layers: which one wins, what each may hold, and how every fault is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.config import (
    DEFAULT,
    FileLayer,
    Layer,
    Resolved,
    Setting,
    did_you_mean,
    parse_file,
    parse_flag,
    printable,
    resolve,
)
from auroral.errors import ConfigurationError, UsageError


def small(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 9:
        raise ValueError("a digit from 1 to 9")
    return int(text)


def setting(name: str, **changes: object) -> Setting:
    facts: dict[str, object] = {
        "name": name,
        "field": name,
        "parse": small,
        "expected": "a digit from 1 to 9",
        "help": "A number.",
        "group": "Numbers",
        "environment": (f"BENCHMARK_{name.upper().replace('-', '_')}",),
        "default": 1,
    }
    return Setting(**{**facts, **changes})  # type: ignore[arg-type]


RATE = setting("rate")
SWITCH = setting("switch", parse=parse_flag, expected="true or false", default=False, flag=True)
ITEMS = setting("items", multiple=True, default=())
KIND = setting("kind", parse=str, environment=("BENCHMARK_TYPE", "BENCHMARK_KIND"), default="a")
ALL = (RATE, SWITCH, ITEMS, KIND)


def resolved(
    flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, bench: object = None
) -> Resolved:
    file = FileLayer("b.toml", {"bench": bench}) if bench is not None else None
    return resolve(ALL, flags=flags or {}, environ=environ or {}, file=file, other_variables=("BENCHMARK_CONFIG",))


@given(st.sets(st.sampled_from([Layer.FLAG, Layer.ENVIRONMENT, Layer.FILE])))
def test_the_highest_layer_wins(layers: set[Layer]) -> None:
    found = resolved(
        {"rate": "2"} if Layer.FLAG in layers else {},
        {"BENCHMARK_RATE": "3"} if Layer.ENVIRONMENT in layers else {},
        {"rate": 4} if Layer.FILE in layers else {},
    )
    highest = min(layers, default=Layer.DEFAULT)
    assert found.values["rate"] == {Layer.FLAG: 2, Layer.ENVIRONMENT: 3, Layer.FILE: 4, Layer.DEFAULT: 1}[highest]
    assert found.origins["rate"].layer is highest
    assert found.given("rate") == bool(layers)
    assert not found.problems


def test_origins_say_where_to_look() -> None:
    assert resolved({"rate": "2"}).origins["rate"].text == "--rate"
    assert resolved({"switch": False}).origins["switch"].text == "--no-switch"
    assert resolved(environ={"BENCHMARK_RATE": "2"}).origins["rate"].text == "BENCHMARK_RATE"
    assert resolved(bench={"rate": 2}).origins["rate"].text == "b.toml: [bench] rate"
    assert resolved().origins["rate"] is DEFAULT


def test_a_bad_value_is_told_with_value_range_and_origin() -> None:
    found = resolved({"rate": "0"})
    assert [str(problem) for problem in found.problems] == ["rate = 0 (from --rate): expected a digit from 1 to 9"]
    assert found.values["rate"] == 1


def test_a_bad_value_that_a_higher_layer_hides_is_no_problem() -> None:
    assert not resolved({"rate": "5"}, {"BENCHMARK_RATE": "wrong"}, {"rate": "wrong too"}).problems


def test_all_problems_come_at_once() -> None:
    found = resolved({"rate": "0"}, {"BENCHMARK_SWITCH": "maybe"}, {"items": [1, 10, "x"], "speed": 1})
    assert [(problem.name, problem.value) for problem in found.problems] == [
        ("speed", "1"),
        ("rate", "0"),
        ("switch", "maybe"),
        ("items", "10"),
        ("items", "x"),
    ]
    with pytest.raises(ConfigurationError) as caught:
        found.raise_problems()
    assert caught.value.problems == tuple(found.problems)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["true", "YES", "on", "1"])
def test_switches_in_the_environment(text: str) -> None:
    assert resolved(environ={"BENCHMARK_SWITCH": text}).values["switch"] is True
    assert resolved({"switch": False}, {"BENCHMARK_SWITCH": text}).values["switch"] is False


def test_toml_takes_native_values_and_texts() -> None:
    assert resolved(bench={"rate": "4", "switch": "off", "items": "1,2"}).values["items"] == (1, 2)
    found = resolved(bench={"rate": 4, "switch": True, "items": [1, "2"]})
    assert (found.values["rate"], found.values["switch"], found.values["items"]) == (4, True, (1, 2))
    assert resolved(bench={"items": 3}).values["items"] == (3,)


@pytest.mark.parametrize("value", [True, [1], {"a": 1}, 4.5, float("nan")])
def test_toml_values_of_the_wrong_type_are_problems(value: object) -> None:
    [problem] = resolved(bench={"rate": value}).problems
    assert problem.expected == "a digit from 1 to 9"
    assert problem.origin == "b.toml: [bench] rate"


def test_several_items_from_every_layer() -> None:
    assert resolved({"items": ("1", "2,3")}).values["items"] == (1, 2, 3)
    assert resolved(environ={"BENCHMARK_ITEMS": "4, 5"}).values["items"] == (4, 5)
    assert resolved(environ={"BENCHMARK_ITEMS": "4"}).values["items"] == (4,)
    assert resolved({"items": ()}, {"BENCHMARK_ITEMS": "4"}).values["items"] == (4,)


def test_no_item_where_one_is_needed_is_a_problem() -> None:
    needed = setting("items", multiple=True, default=(1,))
    found = resolve((needed,), flags={}, environ={}, file=FileLayer("b.toml", {"bench": {"items": []}}))
    assert [problem.value for problem in found.problems] == ["[]"]
    assert found.values["items"] == (1,)


def test_an_empty_variable_is_not_given() -> None:
    found = resolved(environ={"BENCHMARK_RATE": "", "BENCHMARK_KIND": " "}, bench={"rate": 7})
    assert found.values["rate"] == 7
    assert not found.given("kind")


def test_two_variables_of_one_setting_must_agree() -> None:
    assert resolved(environ={"BENCHMARK_KIND": "b"}).origins["kind"].text == "BENCHMARK_KIND"
    assert not resolved(environ={"BENCHMARK_KIND": "b", "BENCHMARK_TYPE": "b"}).problems
    [problem] = resolved(environ={"BENCHMARK_KIND": "b", "BENCHMARK_TYPE": "c"}).problems
    assert problem.origin == "BENCHMARK_TYPE and BENCHMARK_KIND"


def test_unknown_variables_are_warnings_with_a_suggestion() -> None:
    found = resolved(environ={"BENCHMARK_RAET": "5", "BENCHMARK_CONFIG": "x", "BENCHMARKS": "1", "PATH": "/"})
    assert found.warnings == ["BENCHMARK_RAET is no setting of auroral and is ignored; did you mean BENCHMARK_RATE?"]
    assert not found.problems


def test_unknown_keys_are_problems_with_a_suggestion() -> None:
    [problem] = resolved(bench={"raet": 5}).problems
    assert problem.origin == "b.toml: [bench] raet"
    assert "did you mean rate?" in problem.expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"rate": 5}, "this key below a line [bench]"),
        ({"bnech": {"rate": 5}}, "only the table [bench]; did you mean bench?"),
        ({"bench": 5}, "a table [bench]"),
    ],
)
def test_what_is_outside_the_table_is_a_problem(content: dict[str, object], expected: str) -> None:
    found = resolve(ALL, flags={}, environ={}, file=FileLayer("b.toml", content))
    assert [problem.expected for problem in found.problems] == [expected]
    assert found.values["rate"] == 1


def test_a_file_that_is_not_toml_names_the_place() -> None:
    assert parse_file("b.toml", "[bench]\nrate = 5\n").content == {"bench": {"rate": 5}}
    with pytest.raises(UsageError, match=r"b\.toml is not valid TOML: .*line 2"):
        parse_file("b.toml", "[bench]\nrate = \n")


def test_texts_of_values() -> None:
    assert SWITCH.text(True) == "true"
    assert ITEMS.text((1, 2)) == "1,2"
    assert ITEMS.text(()) == "none"
    assert setting("rate", default=None, default_text="half of the cores").text(None) == "half of the cores"


def test_suggestions_need_a_resemblance() -> None:
    assert did_you_mean("duratoin", ["duration", "count"]) == "; did you mean duration?"
    assert did_you_mean("zebra", ["duration", "count"]) == ""


def test_a_password_in_a_url_is_not_told() -> None:
    [problem] = resolved({"rate": "http://me:secret@host/x"}).problems
    assert problem.value == "http://***@host/x"


def test_long_values_are_cut() -> None:
    [problem] = resolved({"rate": "9" * 500}).problems
    assert len(problem.value) < 130


@pytest.mark.parametrize("text", ["x = " + "[" * 5000 + "]" * 5000, "x = " + "9" * 5000])
def test_toml_that_exhausts_its_reader_is_told(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"b\.toml is not valid TOML: it (is nested too deeply|has a number of too many)"
    ):
        parse_file("b.toml", text)


@pytest.mark.parametrize("text", ["a\0b", "a\x1b[31mb", "a\udcffb"])
def test_texts_that_no_file_or_terminal_can_hold(text: str) -> None:
    [problem] = resolved({"kind": text}).problems
    assert problem.expected == "a digit from 1 to 9, without control characters and in UTF-8"
    assert printable(problem.value)
    [problem] = resolved(bench={text: 1}).problems
    assert printable(str(problem))


def test_a_flag_that_is_empty_is_told_and_not_left_out() -> None:
    [problem] = resolved({"items": ["1", ""]}).problems
    assert (problem.value, problem.origin) == ("''", "--items")
    assert resolved({"items": ["1,2,", "3"]}).values["items"] == (1, 2, 3)
