"""Who holds a cluster's connections, as text, and what it says of what cannot be seen."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from auroral.dsql.connections import CloudWatchCount, tally
from auroral.dsql.target import DsqlTarget
from auroral.report.dsql_connections import ConnectionsDocument, document, encode, text

TARGET = DsqlTarget(endpoint="abc.dsql.eu-west-1.on.aws", region="eu-west-1")
COUNT = CloudWatchCount(connections=500, at=datetime(2026, 11, 1, 12, tzinfo=UTC))
ROWS = [("temporal_server", "auroral", "10.0.0.1", "idle", 400, 0), ("temporal_operator", "", "", "", 1, 1)]


def found(rows: list[tuple[str, str, str, str, int, int]], count: CloudWatchCount | None = None) -> ConnectionsDocument:
    return document(TARGET, tally(rows, count), at="2026-11-01T12:00:00+00:00")


def test_the_text() -> None:
    assert (
        text(found(ROWS, COUNT), asked_cloudwatch=True)
        == """\
connections  role               application  address   state
        400  temporal_server    auroral      10.0.0.1  idle
          1  temporal_operator  –            –         –

401 seen in pg_stat_activity by temporal_operator, this command's own included
500 counted by CloudWatch at 2026-11-01T12:00:00+00:00
5 % of 10,000, the cluster's limit unless AWS raised it

–: temporal_operator may not see it of other roles.
"""
    )


def test_a_session_that_sees_itself_alone_says_so() -> None:
    alone = [("temporal_operator", "auroral", "", "active", 1, 1)]
    said = " ".join(text(found(alone), asked_cloudwatch=False).split())
    assert "does not mean that there are no others; --cloudwatch asks AWS" in said
    asked = " ".join(text(found(alone), asked_cloudwatch=True).split())
    assert "--cloudwatch" not in asked
    assert "CloudWatch has no count of the last 15 minutes" in asked


def test_the_document_is_read_back() -> None:
    one = found(ROWS, COUNT)
    assert msgspec.json.decode(encode(one), type=ConnectionsDocument) == one
    assert msgspec.json.decode(encode(one))["total"] == 500
