from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.durations import Duration, Exponential, LogNormal, Normal, Uniform
from auroral.bench.steps import (
    STEP_TYPES,
    Activity,
    Child,
    ContinueAsNew,
    Field,
    Query,
    Signal,
    Step,
    Timer,
    Update,
    Workload,
)
from auroral.bench.workload import builtin
from auroral.bench.workload_file import load, parse
from auroral.config import printable
from auroral.errors import ConfigurationError
from tests.support.workloads import workloads

DOCS = Path(__file__).parents[2] / "docs/workloads.md"


def steps_of(text: str) -> tuple[Step, ...]:
    return parse(text, format="yaml", origin="w.yaml").steps


def names(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(text, format="yaml", origin="w.yaml")
    assert all(problem.origin == "w.yaml" for problem in caught.value.problems)
    return [problem.name for problem in caught.value.problems]


def message(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse(text, format="yaml", origin="w.yaml")
    return str(caught.value)


def test_toml_and_yaml_say_the_same() -> None:
    toml = """
        name = "both"
        [[steps]]
        activity = { count = 4, mode = "parallel", duration = "100ms..600ms", payload = "4KiB", failure_rate = "1%" }
        [[steps]]
        timer = "5s"
        [[steps]]
        [steps.child]
        count = 2
        [[steps.child.steps]]
        activity = { local = true, max_attempts = 3, retry_interval = "50ms" }
        [[steps]]
        continue_as_new = 2
    """
    text = """
        name: both
        steps:
          - activity: {count: 4, mode: parallel, duration: 100ms..600ms, payload: 4KiB, failure_rate: 0.01}
          - timer: {duration: 5}
          - child:
              count: 2
              steps:
                - activity: {local: true, max_attempts: 3, retry_interval: 0.05}
          - continue_as_new: {times: 2}
    """
    expected = Workload(
        name="both",
        steps=(
            Activity(
                count=4,
                mode="parallel",
                duration_s=Uniform(min_s=0.1, max_s=0.6),
                payload_bytes=4096,
                failure_rate=0.01,
            ),
            Timer(duration_s=5.0),
            Child(count=2, steps=(Activity(local=True, max_attempts=3, retry_interval_s=0.05),)),
            ContinueAsNew(times=2),
        ),
    )
    assert parse(toml, format="toml", origin="x.toml") == expected
    assert parse(text, format="yaml", origin="x.yaml") == expected


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("250ms", 0.25),
        ("2", 2.0),
        ("1m..2m", Uniform(min_s=60, max_s=120)),
        ("{uniform: {min: 1s, max: 2s}}", Uniform(min_s=1, max_s=2)),
        ("{exponential: 200ms}", Exponential(mean_s=0.2)),
        ("{exponential: {mean: 1s, max: 5s}}", Exponential(mean_s=1, max_s=5)),
        ("{lognormal: {median: 1s, p99: 3s}}", LogNormal(median_s=1, p99_s=3)),
        ("{normal: {mean: 1s, stddev: 0}}", Normal(mean_s=1, stddev_s=0)),
    ],
)
def test_durations(text: str, duration: Duration) -> None:
    assert steps_of(f"steps: [timer: {text}, activity: {{duration: {text}}}]") == (
        Timer(duration_s=duration),
        Activity(duration_s=duration),
    )


def test_bare_values_and_bare_kinds() -> None:
    assert steps_of("steps: [activity: 3, activity, child:, signal: 2, update: 2, query: 2, timer]") == (
        Activity(count=3),
        Activity(),
        Child(),
        Signal(count=2),
        Update(count=2),
        Query(count=2),
        Timer(),
    )


def test_the_name_is_the_files_unless_given() -> None:
    assert parse("steps = []", format="toml", origin="dir/order.toml") == Workload(name="order")


@pytest.mark.parametrize("text", ["", "name = 'order'"])
def test_a_file_without_steps_is_none(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"steps = missing .*expected a list of steps"):
        parse(text, format="toml", origin="order.toml")


def test_a_byte_order_mark_is_no_fault() -> None:
    for format_, text in (("toml", "steps = []"), ("yaml", "steps: []")):
        assert parse(f"\ufeff{text}", format=format_, origin="x").steps == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps = " + "[" * 5000 + "]" * 5000, "valid TOML: it is nested too deeply"),
        ("steps = " + "9" * 5000, "valid TOML: it has a number of too many digits"),
        ("steps = [{activity = '" + "9" * 5000 + "'}]", "a whole number, 1 to 10,000"),
        ("steps = [{timer = 1e400}, {timer = 'nan'}]", "a duration such as"),
    ],
)
def test_toml_beyond_all_measure(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        parse(text, format="toml", origin="x.toml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps: " + "[" * 5000 + "]" * 5000, "valid YAML: it is nested too deeply"),
        ("steps: [{activity: " + "9" * 5000 + "}]", "valid YAML: Exceeds the limit"),
        ("steps:\n\t- timer", "cannot start any token (at line 2, column 1)"),
        ("steps: [2001-99-99]", "valid YAML: month must be in 1..12"),
        ('name: "\\ud800"\nsteps: []', "1 to 100 characters, none of them control characters"),
        ('name: "a\\e[31m"\nsteps: []', "1 to 100 characters, none of them control characters"),
        ('"st\\e[2Jeps": 3', r"st\x1b[2Jeps = 3"),
    ],
)
def test_yaml_beyond_all_measure(text: str, told: str) -> None:
    shown = message(text)
    assert told in shown
    assert printable(shown.replace("\n", ""))


def test_aliases_that_say_more_steps_than_memory_holds() -> None:
    lines = ["a0: &a0 [timer, timer, timer, timer]"]
    for level in range(1, 6):
        children = ", ".join(f"{{child: {{steps: *a{level - 1}}}}}" for _ in range(30))
        lines.append(f"a{level}: &a{level} [{children}]")
    assert "expected at most 1,000 steps" in message("\n".join([*lines, "steps: *a5"]))


def test_every_problem_at_once_with_its_place() -> None:
    text = """
        nam: x
        steps:
          - activity: {count: 0, mod: parallel, duration: {lognormal: 5s}, failure_rate: 2, payload: 3 bananas}
          - timers: 5s
          - timer: {expnential: 5}
          - child: {count: yes, steps: [signal: 1, timer: -1]}
          - activity: {count: 1.5, mode: paralel, local: 1, result: -1, retry_interval: soon}
          - 5
          - timer: 5s..1s
          - timer: {normal: {mean: 1s, std: 4}}
          - timer: [1]
          - {timer: 1s, activity: 2}
          - continue_as_new: 1
          - timer: 1..2..3
    """
    assert names(text) == [
        "nam",
        "steps[0].activity.mod",
        "steps[0].activity.duration.lognormal",
        "steps[0].activity.payload",
        "steps[1]",
        "steps[2].timer.expnential",
        "steps[3].child.count",
        "steps[3].child.steps[1].timer.duration",
        "steps[4].activity.count",
        "steps[4].activity.mode",
        "steps[4].activity.result",
        "steps[4].activity.local",
        "steps[4].activity.retry_interval",
        "steps[5]",
        "steps[7].timer.duration.normal.std",
        "steps[7].timer.duration.normal.stddev",
        "steps[8].timer.duration",
        "steps[9]",
        "steps[11].timer.duration",
        "steps[0].activity.count",
        "steps[0].activity.failure_rate",
        "steps[3].child.steps[0].signal",
        "steps[6].timer.duration",
        "steps[10].continue_as_new",
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("step: []", "steps"),
        ("steps: [activty: 1]", "activity"),
        ("steps: [activity: {payload_bytes: 1}]", "payload"),
        ("steps: [activity: {mode: sequential}]", "sequence"),
        ("steps: [timer: {uniforn: 1}]", "uniform"),
        ("steps: [timer: {duration: {lognorm: 1}}]", "lognormal"),
        ("steps: [continue-as-new: 1]", "continue_as_new"),
    ],
)
def test_what_was_meant(text: str, meant: str) -> None:
    assert f"did you mean {meant}?" in message(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps: [timer: soon]", "a duration such as 500ms"),
        ("steps: [activity: {payload: 3 bananas}]", "a size such as 512, 4KiB or 1MB"),
        ("steps: [activity: {failure_rate: often}]", "a ratio such as 0.01 or 1%"),
        ("steps: [activity: {count: 10001}]", "1 to 10,000"),
        ("steps: [timer: 1..x]", "a range of two durations"),
        ("steps: 5", "a list of steps"),
        ("name: 5", "a text"),
        ("[]", "a table with name, steps"),
        ("{", "valid YAML"),
        ("name: a\nname: b", "'name' is given twice"),
    ],
)
def test_what_was_expected(text: str, expected: str) -> None:
    assert expected in message(text)


def test_text_that_is_no_toml() -> None:
    with pytest.raises(ConfigurationError, match=r"valid TOML: Invalid value"):
        parse("steps = [", format="toml", origin="x.toml")


def test_a_yaml_list_that_contains_itself_ends() -> None:
    assert "at most 5 levels" in message("steps: &a [child: {steps: *a}]")


def test_yaml_makes_no_objects() -> None:
    assert "valid YAML" in message("name: !!python/object/apply:os.getcwd []")


def test_load_takes_builtins_and_files() -> None:
    files = {Path("w.toml"): "steps = [{timer = '1s'}]", Path("W.YML"): "steps: [timer: 2s]"}
    assert load("simple", read_text=files.__getitem__) == builtin("simple")
    assert load("child", child_count=9, read_text=files.__getitem__) == builtin("child", child_count=9)
    assert load("w.toml", read_text=files.__getitem__).steps == (Timer(duration_s=1.0),)
    assert load("W.YML", read_text=files.__getitem__).steps == (Timer(duration_s=2.0),)


def test_load_names_the_builtins_for_a_name_it_does_not_know(tmp_path: Path) -> None:
    for source in ("simpl", "w.json", "there-is-none.toml", str(tmp_path / "folder.toml")):
        (tmp_path / "folder.toml").mkdir(exist_ok=True)
        with pytest.raises(
            ConfigurationError, match="simple, multi-activity, timer, child, state-transitions"
        ) as caught:
            load(source, read_text=Path.read_text)
        assert source in str(caught.value)
    with pytest.raises(ConfigurationError, match="did you mean simple"):
        load("simpl", read_text=Path.read_text)


def examples() -> list[tuple[str, str]]:
    return re.findall(r"```(toml|yaml)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_the_documents_examples_are_workloads() -> None:
    found = examples()
    assert [language for language, _ in found] == ["toml", "yaml"]
    for language, text in found:
        workload = parse(text, format=language, origin="docs/workloads.md")  # type: ignore[arg-type]
        assert workload.name != "workloads"
        assert len(workload.steps) >= 5


@pytest.mark.parametrize("kind", STEP_TYPES)
def test_the_document_names_every_field(kind: str) -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert f"`{kind}`" in text
    for field in STEP_TYPES[kind].fields:
        assert f"| `{field.key}` |" in text, f"{kind}.{field.key}"


def test_the_documents_durations_are_durations() -> None:
    table = DOCS.read_text(encoding="utf-8").partition("### Durations")[2].partition("Sizes are")[0]
    written = re.findall(r"`([^`]*)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    assert len(written) == 9
    for one in written:
        value = one if one.startswith("{") else f'"{one}"'
        parse(f"steps = [{{timer = {{duration = {value}}}}}]", format="toml", origin="x.toml")


def as_file(step: Step) -> dict[str, Any]:
    """A step as a file has it, without defaults' help."""
    kind = next(name for name, step_type in STEP_TYPES.items() if isinstance(step, step_type))
    return {kind: {field.key: _field_as_file(getattr(step, field.attribute), field) for field in step.fields}}


def _field_as_file(value: Any, field: Field) -> Any:
    if field.kind == "steps":
        return [as_file(step) for step in value]
    if field.kind != "duration" or isinstance(value, int | float):
        return value
    names = {
        "min_s": "min",
        "max_s": "max",
        "mean_s": "mean",
        "median_s": "median",
        "p99_s": "p99",
        "stddev_s": "stddev",
    }
    given = {key: getattr(value, name) for name, key in names.items() if getattr(value, name, None) is not None}
    return {type(value).__name__.lower(): given}


@given(workloads(), st.booleans())
def test_whatever_the_language_can_say_a_file_can(workload: Workload, flow: bool) -> None:
    document = {"name": workload.name, "steps": [as_file(step) for step in workload.steps]}
    text = yaml.safe_dump(document, default_flow_style=flow)
    assert parse(text, format="yaml", origin="x.yaml") == workload
