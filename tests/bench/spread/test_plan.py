"""What coordinator and agents agree on."""

from __future__ import annotations

import json

import msgspec
import pytest

from auroral.bench.manifest import LANGUAGE_VERSION, ManifestWorkload
from auroral.bench.spread import plan
from auroral.bench.spread.plan import ClaimOrder, SpreadOrder
from auroral.temporal.spec import ConnectionSpec
from tests.bench.spread.scenes import order, seen


def test_orders_are_read_back_from_their_payloads() -> None:
    made = plan.order_of(order(), connect_s=10, schedule_s=60, drain_timeout_s=60, others_s=100)
    text = msgspec.json.encode(plan.plain(made))
    assert plan.read(msgspec.json.decode(text), SpreadOrder) == made
    with pytest.raises(ValueError, match="missing required field"):
        plan.read({}, SpreadOrder)


@pytest.mark.parametrize(("generators", "steps", "fits"), [(64, 20, True), (64, 2_000, False), (2, 2_000, True)])
def test_orders_that_no_message_could_carry_are_refused(generators: int, steps: int, fits: bool) -> None:
    definition = {"steps": [{"activity": {"duration": "100ms..600ms", "result": "10B"}}] * steps}
    workload = ManifestWorkload(name="long", weight=1.0, definition=definition, digest="")
    made = order(workloads=[workload], generator_processes=generators)
    bytes_of_all = generators * len(json.dumps(plan.plain(made), separators=(",", ":")))
    assert (bytes_of_all < 4 * 1024 * 1024) == fits
    assert (plan.oversize(made) == "") == fits
    if not fits:
        assert "each of the 64 generators is told all of the run" in plan.oversize(made)


def test_nothing_secret_travels() -> None:
    fields = {name for kind in (ClaimOrder, SpreadOrder) for name in kind.__struct_fields__}
    secrets = {"api_key", "client_key", "client_cert", "server_ca", "metadata", "connection"}
    assert secrets - {"connection"} <= set(ConnectionSpec.__struct_fields__)
    assert not fields & secrets


def test_limits_leave_room_for_all_of_a_run() -> None:
    made = plan.order_of(order(), connect_s=10, schedule_s=3600, drain_timeout_s=600, others_s=200)
    assert made.claim_s == 70
    assert made.generate_s > 4200
    assert made.whole_s > made.generate_s + plan.CLAIM_ATTEMPTS * made.claim_s + 200
    assert plan.HEARTBEAT_S * 5 < plan.HEARTBEAT_TIMEOUT_S


@pytest.mark.parametrize("generators", [1, 2, 16, 17, 40, 64])
def test_the_heartbeats_of_a_run_fit_into_one_workflow(generators: int) -> None:
    size = plan.heartbeat_bytes(generators)
    assert 64 * 1024 <= size <= 256 * 1024
    assert size * generators <= 4 * 1024 * 1024


@pytest.mark.parametrize("kind", [plan.CLAIM, plan.GENERATE, plan.RELEASE])
def test_activities_are_named_after_their_generator(kind: str) -> None:
    assert plan.parse_activity_id(plan.activity_id(kind, 12)) == (kind, 12)
    assert plan.parse_activity_id("coordinator") is None
    assert plan.parse_activity_id("auroral.claim-x") is None


def refusal(**changes: object) -> str:
    return plan.refusal(order(**changes), auroral_version="9.9", address="cluster:7233", namespace="benchmark")


def test_an_agent_that_matches_takes_part() -> None:
    assert refusal() == ""
    assert refusal(engine="wire") == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"auroral_version": "9.8"}, "it is auroral 9.9, and the run is of 9.8"),
        ({"language_version": 99}, f"it speaks step language {LANGUAGE_VERSION}, not 99"),
        ({"engine": "lean"}, "it runs the engines sdk and wire, not lean"),
        ({"target_address": "other:1"}, "it loads the cluster at cluster:7233, and the run the one at other:1"),
        ({"namespace": "benchmark-2"}, "it loads the namespace benchmark, and the run benchmark-2"),
    ],
)
def test_an_agent_that_does_not_match_says_why(changes: dict[str, object], words: str) -> None:
    assert refusal(**changes) == words


def test_all_differences_are_told_at_once() -> None:
    assert refusal(engine="lean", namespace="benchmark-2").count(";") == 1


def test_the_command_of_an_agent_names_what_differs_from_its_defaults() -> None:
    def command(**changes: str) -> str:
        plain = {
            "address": "a:1", "namespace": "benchmark", "control_address": "a:1", "control_namespace": "auroral-control"
        }  # fmt: skip
        return plan.agent_command(**(plain | changes))

    assert command() == "auroral bench generator --address a:1"
    assert command(namespace="benchmark-2", control_address="b:2", control_namespace="c") == (
        "auroral bench generator --address a:1 --namespace benchmark-2 --control-address b:2 --control-namespace c"
    )


def test_too_few_agents_are_counted_and_named() -> None:
    assert plan.too_few([], 1, 60) == "expected 1 generator to claim a part of the run, but 0 did within 60 s"
    assert plan.too_few([seen(0), seen(2)], 3, 8) == (
        "expected 3 generators to claim a part of the run, but 2 did within 8 s (1@host, 3@host)"
    )


def test_clocks_known_badly_are_noted_and_those_known_worse_are_a_doubt() -> None:
    far = seen(0, control_offset_ms=9e6)
    assert plan.clock_remarks([far]) == ([], []), "an offset that is known does no harm"
    (note,), none = plan.clock_remarks([far, seen(1, control_error_ms=80.0)])
    assert not none
    assert note.startswith("generator-1 on 2@host: its offset to the control cluster's clock is known to ±80 ms only")
    none, (doubt,) = plan.clock_remarks([seen(2, control_error_ms=1500.0)])
    assert not none
    assert "may have run at another time" in doubt


def test_a_text_in_a_payload_is_read_and_anything_else_is_none() -> None:
    assert plan.text_of(b'"a hint"') == "a hint"
    assert plan.text_of(b"") == plan.text_of(b"7") == ""
