"""Dynamic configuration: the image's, with values over it."""

from __future__ import annotations

import pytest
import yaml

from auroral.errors import UsageError
from auroral.local.binaries import find_configuration
from auroral.local.dynamic import LOCAL_VALUES, merged, parse_assignment

SHIPPED = """
history.rps:
  - value: 6000
  - value: 10
    constraints: {namespace: small}
frontend.rps:
  - value: 4000
"""


def test_a_value_takes_the_place_of_all_of_its_key() -> None:
    found = yaml.safe_load(merged(SHIPPED, {"history.rps": 1, "new.key": "5s"}, {"HISTORY.RPS": 2}))
    assert found == {
        "HISTORY.RPS": [{"value": 2}],
        "frontend.rps": [{"value": 4000}],
        "new.key": [{"value": "5s"}],
    }
    assert yaml.safe_load(merged("")) == {}


def test_what_is_no_dynamic_configuration_is_refused() -> None:
    for text in ("- a\n", "history.rps: 5\n"):
        with pytest.raises(UsageError, match="expected dynamic configuration"):
            merged(text)


def test_the_image_s_takes_the_local_values() -> None:
    shipped = find_configuration().dynamic_config.read_text()
    before, after = yaml.safe_load(shipped), yaml.safe_load(merged(shipped, LOCAL_VALUES))
    assert {key: after[key] for key in before if key not in LOCAL_VALUES} == {
        key: values for key, values in before.items() if key not in LOCAL_VALUES
    }
    assert after["frontend.shutdownDrainDuration"] == [{"value": "1s"}]


def test_assignments() -> None:
    assert parse_assignment("history.rps=2000") == ("history.rps", 2000)
    assert parse_assignment("a.b=5s") == ("a.b", "5s")
    assert parse_assignment("a.b=x=y") == ("a.b", "x=y")
    assert parse_assignment("a.b=true") == ("a.b", True)
    for text in ("history.rps", "=5", "a=[1"):
        with pytest.raises(UsageError, match="expected"):
            parse_assignment(text)
