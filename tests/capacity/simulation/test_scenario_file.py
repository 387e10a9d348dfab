"""Scenario files: what is read, and every problem at once."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.simulation.scenario import Event, Limits, ServiceShape
from auroral.capacity.simulation.scenario_file import parse
from auroral.errors import ConfigurationError

MINIMAL = 'about = "A test."\nduration = "10m"\n[[event]]\nat = "1m"\ndo = "cut"\n'

WHOLE = """
about = "Everything that can be said."
duration = "1h"
begin = "stopped"

[[service]]
name = "history"
replicas = 6
pool-size = 50
rate = "8/s"
burst = 40
reservoir = 2
max-replicas = 8
min-healthy-percent = 75
max-percent = 125
requests = "400/s"

[policy]
limiter = "distributed"
stagger = "2s"
lifetime = "11m"
jitter = "20%"
clock-skew = "1s"

[database]
connect-rate = 50
connect-median = "20ms"
connect-p99 = "200ms"

[counter]
limit = 50
median = "2ms"
p99 = "9ms"

[tasks]
start = "10s"
drain = "5s"

[assert]
refused = 3
converged-within = "2m"
longest-wait = "250ms"
short = "1s"

[[event]]
at = "0s"
do = "start"
over = "10s"

[[event]]
at = "10m"
do = "deploy"
services = ["history"]
within = "9m"

[[event]]
at = "20m"
do = "counter-fails"
for = "1m"

[[event]]
at = "30m"
do = "scale"
to = 7
"""


def problems(text: str) -> list[str]:
    """The problems of a text, as they are printed."""
    with pytest.raises(ConfigurationError) as caught:
        parse(text, name="test", origin="test.toml")
    return [str(problem) for problem in caught.value.problems]


def test_defaults() -> None:
    scenario = parse(MINIMAL, name="test", origin="test.toml")
    assert (scenario.name, scenario.about, scenario.duration_s, scenario.begin) == ("test", "A test.", 600, "warm")
    assert scenario.events == (Event(at_s=60.0, do="cut"),)
    assert scenario.limits == Limits()
    assert scenario.services == ()


def test_everything() -> None:
    scenario = parse(WHOLE, name="whole", origin="whole.toml")
    assert scenario.services == (
        ServiceShape(
            service="history",
            replicas=6,
            pool_size=50,
            rate_per_s=8,
            burst=40,
            reservoir=2,
            max_replicas=8,
            min_healthy_percent=75,
            max_percent=125,
            requests_per_s=400,
        ),
    )
    assert (scenario.policy.limiter, scenario.policy.jitter, scenario.policy.lifetime_s) == ("distributed", 0.2, 660)
    assert (scenario.database.connect_rate_per_s, scenario.database.connect_p99_s) == (50, 0.2)
    assert (scenario.counter.limit_per_s, scenario.tasks.drain_s) == (50, 5)
    assert scenario.limits == Limits(refused=3, converged_within_s=120, longest_wait_s=0.25, short_s=1)
    start, deploy, fails, scale = scenario.events
    assert (start.over_s, deploy.services, deploy.within_s) == (10, ("history",), 540)
    assert (fails.how, fails.ends_s, scale.to) == ("out", 1260, 7)


def test_every_problem_at_once() -> None:
    found = problems(
        'about = 3\nduration = "a fortnight"\nfoo = 1\n'
        '[assert]\nrefusd = 1\nshort = "-1s"\n'
        '[policy]\njitter = "120%"\nlimiter = true\n'
        '[[service]]\nname = "hist"\nrate = "8 per s"\nreplicas = 2.5\n'
        '[[event]]\nat = "1m"\ndo = "deply"\n'
        '[[event]]\nat = "1m"\ndo = "refuse-connects"\nhow = "sulk"\nservices = ["history"]\n'
    )
    text = "\n".join(found)
    for expected in (
        "about = 3 (from test.toml): expected a sentence",
        "duration = a fortnight (from test.toml): expected a duration such as",
        "foo = 1 (from test.toml): expected one of about, duration",
        "assert.refusd = 1 (from test.toml): expected one of refused,",
        "did you mean refused?",
        "assert.short = -1s",
        "policy.jitter = 120% (from test.toml): expected a ratio such as 0.1 or 10%, at most 0.99",
        "policy.limiter = true (from test.toml): expected one of local, distributed, none",
        "service[1].name = hist (from test.toml): expected one of history, matching, frontend, worker; did you mean",
        "service[1].rate = 8 per s (from test.toml): expected a rate such as 8, 8/s or 480/min, 0.01 to 10,000 per",
        "service[1].replicas = 2.5 (from test.toml): expected a whole number, 1 to 500",
        "service[1].pool-size = missing (from test.toml): expected a whole number, 1 to 10,000",
        "event[1].do = deply (from test.toml): expected one of start, deploy",
        "did you mean deploy?",
        "event[2].how = sulk (from test.toml): expected refuse or hang",
        "event[2].for = missing (from test.toml): expected a duration",
        "event[2].services = ",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("about = ", "valid TOML"),
        (
            MINIMAL + '[[event]]\nat = "30s"\ndo = "cut"\n',
            "event[2].at = 30 s (from test.toml): expected events in order",
        ),
        (MINIMAL.replace("1m", "10m"), "begin and end before the scenario does, at 600 s"),
        (
            MINIMAL + '[[event]]\nat = "9m"\ndo = "refuse-connects"\nfor = "1m"\n',
            "begin and end before the scenario does",
        ),
        (MINIMAL.replace('"10m"', '"10m"\nbegin = "stopped"', 1), "an event that starts tasks, or begin = warm"),
        ('about = "a"\nduration = "1m"\n', "at least one [[event]]"),
        (MINIMAL + "event = 3\n", "event"),
        ('about = "a"\nduration = "1m"\nevent = 3\n', "tables, each under [[event]]"),
        (MINIMAL + '[policy]\nhold-median = "1s"\n', "policy.hold-p99 = 0.1 s (from test.toml): expected at least"),
        (MINIMAL + '[database]\nsession-lifetime = "10m"\n', "at most DSQL's session of 600 s"),
        (WHOLE.replace('services = ["history"]', 'services = ["matching"]'), "expected services of this scenario"),
    ],
)
def test_what_does_not_fit_together(text: str, expected: str) -> None:
    assert expected in "\n".join(problems(text))


def test_a_deployment_that_cannot_move() -> None:
    found = problems(WHOLE.replace("min-healthy-percent = 75", "min-healthy-percent = 95").replace("= 125", "= 110"))
    assert found == [
        "event[2].services = history (from test.toml): expected percentages that let a task be replaced: "
        "95 % of 6 keeps 6, 110 % allows 6"
    ]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse(text, name="any", origin="any.toml")


@given(st.sampled_from(["1", "true", "[]", "[1]", "{}", '"x"', "1.5", "nan", "inf", "1979-05-27"]), st.data())
def test_any_value_at_any_key_is_read_or_refused(value: str, data: st.DataObject) -> None:
    lines = WHOLE.splitlines()
    places = [index for index, line in enumerate(lines) if " = " in line]
    at = data.draw(st.sampled_from(places))
    lines[at] = f"{lines[at].split(' = ')[0]} = {value}"
    with contextlib.suppress(ConfigurationError):
        parse("\n".join(lines), name="any", origin="any.toml")
