"""A proof as text and as JSON."""

from __future__ import annotations

import json

import msgspec

from auroral.ecs.fleet import Fleet
from auroral.ecs.verify.checks import Check, Checked, Proof, State, Verdict, not_tried
from auroral.report.cluster_verify import VerifyDocument, document, encode, text

FLEET = Fleet(cluster="dev", region="eu-west-1", project="dev", services={}, source="outputs.json")
AT = "2026-11-26T09:00:00+00:00"
CHECKS = (
    Checked(check=Check.SERVICES, state=State.PASSED, text="steady: history 4", notes=("a note",), took_s=0.4),
    Checked(check=Check.UI, state=State.FAILED, text="no page " * 20, remedy="auroral cluster roll ui", took_s=75.0),
    not_tried(Check.BENCHMARK, "needs schema"),
)


def made(checks: tuple[Checked, ...] = CHECKS, verdict: Verdict = Verdict.FAILED) -> VerifyDocument:
    proof = Proof(checks=checks, verdict=verdict, took_s=76.2)
    return document(FLEET, proof, at=AT, flags=("--outputs", "o.json"), where="here")


def test_as_text() -> None:
    lines = text(made()).splitlines()
    assert lines[0] == "dev in eu-west-1, 2026-11-26T09:00:00+00:00"
    assert lines[2:4] == ["  passed     services: steady: history 4", "             note: a note"]
    assert "             → auroral cluster roll ui --outputs o.json" in lines
    assert any("(75 s)" in line or "(1 m 15 s)" in line for line in lines)
    assert "  not tried  benchmark: needs schema" in lines
    assert lines[-1].startswith("FAILED: 1 of 3 checks passed in ")
    assert lines[-1].endswith("; failed: ui; not tried: benchmark")
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("  left out   schema, exec, grafana, ") for line in lines)


def test_all_passed() -> None:
    found = text(made(CHECKS[:1], Verdict.PASSED))
    assert found.splitlines()[-1].startswith("PASSED: 1 of 1 checks in ")


def test_a_long_remedy_stays_on_one_line() -> None:
    remedy = f"auroral cluster logs {'x' * 150}"
    one = msgspec.structs.replace(CHECKS[1], remedy=remedy)
    assert f"             → {remedy} --outputs o.json" in text(made((one,))).splitlines()


def test_as_json() -> None:
    found = json.loads(encode(made()))
    assert found["schema"] == "auroral.cluster-verify/1"
    assert (found["verdict"], found["took_s"], found["source"]) == ("failed", 76.2, "outputs.json")
    assert [one["state"] for one in found["checks"]] == ["passed", "failed", "not tried"]
    assert found["checks"][1]["remedy"] == "auroral cluster roll ui --outputs o.json"
    assert found["checks"][1]["claim"] == "the UI loads through a forwarded port, and reaches the frontend"
    assert "schema" in found["left_out"]
    assert msgspec.json.decode(encode(made()).encode(), type=VerifyDocument) == made()
