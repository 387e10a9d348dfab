from __future__ import annotations

import msgspec
import pytest

from auroral.capacity.figures import BASES, Figure, assumed, derived


def test_a_figure_says_what_it_rests_on() -> None:
    assert derived(3, "tasks", "1 + 2") == Figure(value=3, unit="tasks", basis="derived", source="1 + 2")
    assert assumed(0.5, "s", "a guess").basis == "assumed"


def test_no_other_basis_can_be_read() -> None:
    assert len(BASES) == 6
    with pytest.raises(msgspec.ValidationError, match="basis"):
        msgspec.json.decode(b'{"value":1,"unit":"","basis":"felt","source":""}', type=Figure)
