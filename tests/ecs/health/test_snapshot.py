"""Names as they fit a column."""

from __future__ import annotations

import pytest

from auroral.ecs.health.snapshot import Refusals, revision_of, short_image


@pytest.mark.parametrize(
    ("image", "short"),
    [
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/server@sha256:" + "0123456789abcdef" * 4,
            "server@0123456789ab",
        ),
        ("localhost:5000/dev/server:1.2@sha256:" + "f" * 64, "server:1.2@ffffffffffff"),
        ("temporalio/ui:2.34", "ui:2.34"),
        ("grafana", "grafana"),
        ("", ""),
    ],
)
def test_an_image_in_a_column(image: str, short: str) -> None:
    assert short_image(image) == short


def test_a_revision() -> None:
    assert revision_of("arn:aws:ecs:us-east-1:1:task-definition/dev-history:7") == "7"
    assert revision_of("") == ""


def test_refusals_of_all_reasons() -> None:
    assert Refusals(by_reason={"rate": 2, "auth": 3}, source="logs").total == 5
