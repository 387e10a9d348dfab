from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from auroral.capacity.instances import instance_type
from auroral.capacity.presets import RING_SERVICES, SUPPORT_SERVICES, parse, presets
from auroral.errors import UsageError

TEXT = resources.files("auroral.capacity").joinpath("presets.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "replicas", "instances", "vcpu"),
    [
        ("dev", (4, 3, 2, 2), (6, "m7g.xlarge"), 2),
        ("100wps", (6, 4, 3, 2), (6, "m7g.2xlarge"), 2),
        ("150wps", (8, 6, 4, 2), (10, "m7g.2xlarge"), 4),
        ("400wps", (16, 16, 9, 3), (10, "m8g.4xlarge"), 4),
    ],
)
def test_the_presets_are_as_published(
    name: str, replicas: tuple[int, ...], instances: tuple[int, str], vcpu: int
) -> None:
    preset = presets().named(name)
    assert tuple(preset.service[service].replicas for service in RING_SERVICES) == replicas
    assert (preset.instances, preset.instance_type) == instances
    assert preset.service["history"].cpu_units == vcpu * 1024
    assert preset.history_shards == 4096
    instance_type(preset.instance_type)


def test_every_preset_says_what_it_rests_on() -> None:
    for preset in presets().preset:
        assert preset.basis in ("measured", "documented")
        assert (preset.completed_per_s is None) == (preset.basis == "documented")
        assert len(preset.source) > 20
    assert set(presets().support) == set(SUPPORT_SERVICES)


def test_the_150_run_held_about_a_thousand_connections() -> None:
    services = presets().named("150wps").service.values()
    assert sum(one.replicas * one.pool_size for one in services) == 1_000


@pytest.mark.parametrize("name", presets().names)
def test_the_manual_says_the_same(name: str) -> None:
    preset = presets().named(name)
    manual = (Path(__file__).parents[2] / "docs" / "capacity.md").read_text(encoding="utf-8")
    sizes = [
        f"{one.replicas} × {one.cpu_units / 1024:g}, {one.memory_mib / 1024:g}"
        for one in (preset.service[service] for service in RING_SERVICES)
    ]
    cells = [f"`{name}`", *sizes, f"{preset.instances} × {preset.instance_type}"]
    assert f"| {' | '.join(cells)} |" in manual


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="dev, 100wps, 150wps, 400wps, got '200wps'"):
        presets().named("200wps")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rate_per_s = 100", "rate_per_s = 40", "in the order of their rates"),
        ("[preset.service.worker]", "[preset.service.ui]", "dev: the services history, matching"),
        ("replicas = 4", "replicas = 'many'", "a file of presets"),
        ("pool_size = 50", "poolsize = 50", "poolsize"),
        ('basis = "measured"', 'basis = "felt"', "felt"),
    ],
)
def test_a_broken_file_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(TEXT.replace(old, new, 1))
