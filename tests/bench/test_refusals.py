"""What a refusal means, and that every setting it names exists."""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from temporalio.api.enums.v1 import ResourceExhaustedCause

from auroral.bench.refusals import advice_on, is_of_wait

if TYPE_CHECKING:
    from auroral.temporal.local import LocalServer

ROOT = Path(__file__).parents[2]
RPS = "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE"
CONCURRENT = "RESOURCE_EXHAUSTED/CONCURRENT_LIMIT/NAMESPACE"


@pytest.mark.parametrize(
    ("cause", "key"),
    [
        (RPS, "frontend.namespaceRPS"),
        ("RESOURCE_EXHAUSTED/RPS_LIMIT/SYSTEM", "frontend.rps"),
        (CONCURRENT, "frontend.namespaceCount"),
        ("RESOURCE_EXHAUSTED/PERSISTENCE_LIMIT/SYSTEM", "persistenceMaxQPS"),
        ("RESOURCE_EXHAUSTED/SYSTEM_OVERLOADED/NAMESPACE", "matching.outstandingTaskAppendsThreshold"),
        ("RESOURCE_EXHAUSTED/APS_LIMIT/NAMESPACE", "actions per second"),
        ("RESOURCE_EXHAUSTED/BUSY_WORKFLOW/NAMESPACE", "more workflows"),
        ("RESOURCE_EXHAUSTED", "service_errors_resource_exhausted"),
        ("RESOURCE_EXHAUSTED/SOMETHING_NEW/NAMESPACE", "service_errors_resource_exhausted"),
        ("DEADLINE_EXCEEDED", "--start-timeout"),
        ("UNAVAILABLE", "not reachable"),
        ("DATA_LOSS", "logs"),
    ],
)
def test_the_advice_names_the_setting(cause: str, key: str) -> None:
    assert key in advice_on(cause)


@pytest.mark.parametrize(
    ("cause", "of_wait"),
    [
        (CONCURRENT, True),
        ("sweep: UNAVAILABLE: gone", True),
        (RPS, False),
        ("UNAVAILABLE", False),
        ("", False),
    ],
)
def test_only_long_polls_and_sweeps_are_waits(cause: str, of_wait: bool) -> None:
    assert is_of_wait(cause) is of_wait


# Not of a benchmark: deployments of workers are no part of it.
UNADVISED = {"UNSPECIFIED", "WORKER_DEPLOYMENT_LIMITS"}


def test_every_cause_that_temporal_knows_has_advice_of_its_own() -> None:
    unknown = advice_on("RESOURCE_EXHAUSTED")
    causes = ResourceExhaustedCause.keys()
    for name in causes:
        cause = name.removeprefix("RESOURCE_EXHAUSTED_CAUSE_")
        general = advice_on(f"RESOURCE_EXHAUSTED/{cause}/SYSTEM") == unknown
        assert general is (cause in UNADVISED), cause


@pytest.mark.live
def test_every_dynamic_config_key_that_is_named_exists_in_the_server(temporal_server: LocalServer) -> None:
    texts = [
        ROOT / "docs" / "limits.md",
        *(ROOT / "src/auroral/bench" / f"{name}.py" for name in ("refusals", "queue_rules", "detect")),
    ]
    keys = {
        key.removesuffix(".")
        for path in texts
        for key in re.findall(r"\b(?:frontend|history|matching)\.[A-Za-z.]*[A-Za-z]", path.read_text("utf-8"))
    }
    assert {"frontend.namespaceRPS", "frontend.namespaceCount", "matching.persistenceMaxQPS"} <= keys
    with (
        Path(psutil.Process(temporal_server.pid).exe()).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as binary,
    ):
        missing = [key for key in sorted(keys) if binary.find(key.encode()) < 0]
    assert missing == []
