"""Who wrote to a shard under which range id, and when, as the double's own PostgreSQL saw it.

Triggers note at the commit each fenced write with the range id that its snapshot shows, and each take-over with the
range id that it ends. Under a fence that holds, no write of a range commits once a take-over has ended that range: one
of the two waits for the other or is refused. A write that read the range id without a lock would, and stands here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from typing import LiteralString

    from auroral.local.cluster import LocalCluster

# Deletes of executions and tasks are not fenced, nor are the nodes of a history, written ahead of the execution.
FENCED = ("executions", "current_executions", "transfer_tasks", "timer_tasks", "visibility_tasks")

# Deferred triggers run at the COMMIT, in the snapshot of their transaction. What was written before says nothing: a
# take-over that has changed its shard may still wait for a writer who holds the fence, and that one goes first.
_INSTALL = """
CREATE SCHEMA audit;
CREATE TABLE audit.writes (shard_id int, range_id bigint, at timestamptz, name text);
CREATE TABLE audit.takeovers (shard_id int, ended_range_id bigint, new_range_id bigint, at timestamptz);
CREATE FUNCTION audit.note_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO audit.writes
    SELECT NEW.shard_id, range_id, clock_timestamp(), TG_TABLE_NAME FROM public.shards WHERE shard_id = NEW.shard_id;
  RETURN NULL;
END $$;
CREATE FUNCTION audit.note_takeover() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO audit.takeovers VALUES (NEW.shard_id, OLD.range_id, NEW.range_id, clock_timestamp());
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note_takeover AFTER UPDATE ON public.shards DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (OLD.range_id <> NEW.range_id) EXECUTE FUNCTION audit.note_takeover();
"""
_WATCH = """
CREATE CONSTRAINT TRIGGER note_write AFTER INSERT OR UPDATE ON public.{table}
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit.note_write()
"""


@dataclass(frozen=True)
class Write:
    """A fenced write that was committed."""

    shard_id: int
    range_id: int
    """Of its snapshot: what its owner believed."""
    at_s: float
    table: str = ""


@dataclass(frozen=True)
class Takeover:
    """A change of a shard's range id that was committed."""

    shard_id: int
    ended_range_id: int
    new_range_id: int
    at_s: float


def unfenced(writes: Iterable[Write], takeovers: Iterable[Takeover]) -> list[tuple[Write, Takeover]]:
    """The writes that were committed after a take-over had ended their range."""
    ended = {(one.shard_id, one.ended_range_id): one for one in takeovers}
    return [
        (write, takeover)
        for write in writes
        if (takeover := ended.get((write.shard_id, write.range_id))) and write.at_s > takeover.at_s
    ]


def broken_ranges(takeovers: Iterable[Takeover]) -> list[Takeover]:
    """The take-overs that did not raise the range id of their shard to the next one, in the order of their commits."""
    latest: dict[int, int] = {}
    wrong = []
    for one in sorted(takeovers, key=lambda one: (one.at_s, one.new_range_id)):
        before = latest.get(one.shard_id, one.ended_range_id)
        if one.ended_range_id != before or one.new_range_id != before + 1:
            wrong.append(one)
        latest[one.shard_id] = one.new_range_id
    return wrong


class ShardAudit:
    """The audit of one cluster, installed while it runs."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._connection = psycopg.connect(_superuser_of(cluster), autocommit=True)
        self._connection.execute(_INSTALL)
        for table in FENCED:
            self._connection.execute(sql.SQL(_WATCH).format(table=sql.Identifier(table)))

    def writes(self) -> list[Write]:
        """All fenced writes since it was installed."""
        rows = self._rows("SELECT shard_id, range_id, extract(epoch FROM at)::float8, name FROM audit.writes")
        return [Write(*row) for row in rows]

    def takeovers(self) -> list[Takeover]:
        """All changes of range ids since it was installed."""
        rows = self._rows(
            "SELECT shard_id, ended_range_id, new_range_id, extract(epoch FROM at)::float8 FROM audit.takeovers"
        )
        return [Takeover(*row) for row in rows]

    def fenced_transactions(self, older_than_s: float = 0.0) -> int:
        """How many transactions that have read a shard's range id wait for their client and began so long ago."""
        ((count,),) = self._rows(
            "SELECT count(DISTINCT pid) FROM pg_stat_activity JOIN pg_locks USING (pid)"
            " WHERE state = 'idle in transaction' AND relation = 'public.shards'::regclass"
            " AND clock_timestamp() - xact_start >= make_interval(secs => %s)",
            older_than_s,
        )
        return int(count)

    def clean(self) -> tuple[int, int]:
        """Assert that every fence held, and return how many writes and take-overs were seen."""
        writes, takeovers = self.writes(), self.takeovers()
        assert not (late := unfenced(writes, takeovers)), late
        assert not (wrong := broken_ranges(takeovers)), wrong
        return len(writes), len(takeovers)

    def close(self) -> None:
        """Leave PostgreSQL."""
        self._connection.close()

    def _rows(self, query: LiteralString, *arguments: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, arguments).fetchall()


def _superuser_of(cluster: LocalCluster) -> str:
    """Past the double, by the unix socket of the PostgreSQL below it, where the superuser needs no password."""
    double = next(part for part in cluster.store_parts() if part.name == "dsql-double")
    for process in psutil.Process(double.pid).children(recursive=True):
        command = process.cmdline()
        if "-D" in command and (pid_file := Path(command[command.index("-D") + 1]) / "postmaster.pid").exists():
            lines = pid_file.read_text().splitlines()
            return f"host={lines[4]} port={lines[3]} user=postgres dbname=postgres"
    raise AssertionError("no PostgreSQL below the double")
