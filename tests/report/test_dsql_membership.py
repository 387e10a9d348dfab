"""Rows of `cluster_membership` as a table."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from auroral.dsql.membership import Member
from auroral.dsql.target import DsqlTarget
from auroral.report.dsql_membership import MembershipDocument, document, encode, summary, table

NOW = datetime(2026, 11, 1, 12)


def host(silent_s: float) -> Member:
    return Member(
        host_id="00000000-0000-0000-0000-000000000001",
        role="history",
        address="10.0.0.1:6934",
        session_start=NOW,
        last_heartbeat=NOW - timedelta(seconds=silent_s),
        record_expiry=NOW,
        silent_s=silent_s,
    )


def test_the_table() -> None:
    assert table([host(7_300)]).splitlines() == [
        "role     address        last heartbeat       silent for    host id",
        "history  10.0.0.1:6934  2026-11-01 09:58:20  2 h 1 m 40 s  00000000-0000-0000-0000-000000000001",
    ]
    assert table([host(90)] * 60).splitlines()[-1] == "and 10 more"


def test_the_summary() -> None:
    assert summary([host(1)] * 3, [host(90)], 60) == (
        "3 rows in cluster_membership: 2 of hosts heard of within 60 s, 1 of hosts that were not"
    )


def test_the_document_is_read_back() -> None:
    target = DsqlTarget(endpoint="abc.dsql.eu-west-1.on.aws", region="eu-west-1")
    one = document(target, [host(90)], [host(90)], read_at=NOW.isoformat(), older_than_s=60, deleted=1)
    assert msgspec.json.decode(encode(one), type=MembershipDocument) == one


def test_the_document_holds_every_row_once() -> None:
    target = DsqlTarget(endpoint="abc.dsql.eu-west-1.on.aws", region="eu-west-1")
    alive = msgspec.structs.replace(host(1), host_id="00000000-0000-0000-0000-000000000002")
    one = document(target, [alive, host(90)], [host(90)], read_at=NOW.isoformat(), older_than_s=60, deleted=None)
    assert (one.rows, one.heard, one.silent) == (2, [alive], [host(90)])
