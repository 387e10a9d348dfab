from __future__ import annotations

from pathlib import Path

from auroral.capacity.presets import presets
from auroral.capacity.prices import packaged_prices
from auroral.capacity.profiles import profiles

FOLDER = Path(__file__).parents[2] / "infra" / "profiles"


def test_terraforms_profiles_are_as_generated() -> None:
    made = profiles(presets(), packaged_prices())
    stored = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.tfvars")}
    assert stored == made, "run: auroral capacity plan --profiles infra/profiles"
