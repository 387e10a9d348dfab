"""A probe's document and text, letter by letter."""

from __future__ import annotations

from collections import Counter

import msgspec

from auroral.bench.histogram import Histogram
from auroral.dsql.errors import Conflict, LostConnectionError
from auroral.dsql.probe_plan import Contention, Measure, ProbeOptions, ProbeOutcome
from auroral.dsql.target import DsqlTarget
from auroral.report.dsql_probe import ProbeDocument, document, encode, text

TARGET = DsqlTarget(endpoint="abc.dsql.eu-west-1.on.aws", region="eu-west-1")


def found(outcome: ProbeOutcome, **values_ms: list[float]) -> ProbeDocument:
    histograms = {}
    for name, values in values_ms.items():
        histograms[Measure(name)] = histogram = Histogram()
        for value in values:
            histogram.record_us(round(value * 1e3))
    return document(
        TARGET, ProbeOptions(), outcome, histograms, run_id="r1", started_at="2026-11-01T12:00:00+00:00", version="1"
    )


WHOLE = found(
    ProbeOutcome(
        opened=6,
        too_fast=2,
        lost=1,
        round_trips=3,
        commits=2,
        commit_conflicts=Counter({Conflict.SCHEMA: 1}),
        contention=Contention(
            attempts=1_200, committed=900, conflicts=Counter({Conflict.DATA: 298}), unknown=1, lost=1, elapsed_s=10.0
        ),
        counted=903,
    ),
    tcp=[1.0, 1.2],
    tls=[2.0, 2.2],
    token=[80.0],
    session=[9.0],
    round_trip=[1.0, 1.5, 2.0],
    commit=[6.0, 7.0],
    contended_commit=[8.0],
)


def test_the_text() -> None:
    assert (
        text(WHOLE)
        == """\
Probe r1 of abc.dsql.eu-west-1.on.aws

cluster        eu-west-1, database postgres, as temporal_operator
asked for      5 connections at 5/s, 4 writers on 10 rows, 10 s each

                      count      p50      p90      p99    p99.9      max
TCP, name resolved        2     1 ms   1.2 ms   1.2 ms   1.2 ms   1.2 ms
TLS, verified             2     2 ms   2.2 ms   2.2 ms   2.2 ms   2.2 ms
token signed here         1  80.1 ms  80.1 ms  80.1 ms  80.1 ms  80.1 ms
session opened            1  9.01 ms  9.01 ms  9.01 ms  9.01 ms  9.01 ms
round trip, SELECT 1      3   1.5 ms     2 ms     2 ms     2 ms     2 ms
commit of one row         2     6 ms     7 ms     7 ms     7 ms     7 ms
commit, contended         1     8 ms     8 ms     8 ms     8 ms     8 ms

Token check and session: about 6.01 ms, the median of the sessions less those of TCP and TLS.

connections    6 opened; refused 2 too fast (53400), 0 too many (53300); 1 lost
commits        2 without contention of ours, 1 met a conflict (OC001 1)
contention     1,200 transactions, 24.87 % met a conflict (OC000 298); 90/s committed; 1 unknown, 1
               lost
check          the table counts 903 commits: each that was acknowledged, none that was refused
"""
    )


def test_what_went_wrong_is_said() -> None:
    outcome = ProbeOutcome(
        opened=1,
        left_out=["commit time and conflicts: role x lacks a grant"],
        left_behind="auroral_probe.probe_r1",
        interrupted=True,
        error=LostConnectionError("the connection ended", hint="again"),
    )
    said = text(found(outcome))
    assert "nothing was measured" in said
    assert "left out       commit time and conflicts: role x lacks a grant" in said
    assert "DROP TABLE auroral_probe.probe_r1" in said
    assert "interrupted    what was measured by then is above" in said
    assert "ended early    the connection ended" in said
    wrong = text(found(ProbeOutcome(opened=1, commits=5, counted=4)))
    assert "THE TABLE COUNTS 4 COMMITS" in wrong


def test_the_document_is_read_back() -> None:
    assert msgspec.json.decode(encode(WHOLE), type=ProbeDocument) == WHOLE
    plain = msgspec.json.decode(encode(WHOLE))
    assert (plain["schema_version"], plain["kind"], plain["consistent"]) == (1, "auroral-dsql-probe", True)
    assert plain["contention"]["conflicts"] == {"OC000": 298, "OC001": 0, "40001": 0}
    assert plain["times"]["round_trip"]["p50_ms"] == 1.5
