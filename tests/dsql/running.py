"""A double of DSQL that tests enter by our own modules: roles, mappings and tables as `auroral-schema` makes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from auroral.dsql.session import Session
from auroral.dsql.target import ADMIN, OPERATOR_ROLE, DsqlTarget
from auroral.local.double.client import Control, Credentials
from auroral.local.double.server import Announcement
from tests.support.double import environment_of

GOLDEN = Path(__file__).parents[2] / "server" / "internal" / "schema" / "testdata" / "temporal-1.19.sql"
OPERATOR_ARN = "arn:aws:iam::123456789012:role/operator"


@dataclass(frozen=True)
class Cluster:
    """The double, and as whom to enter it."""

    announcement: Announcement
    control: Control

    @property
    def target(self) -> DsqlTarget:
        """As admin."""
        one = self.announcement
        return DsqlTarget(
            endpoint=one.endpoint,
            region=one.region,
            user=ADMIN,
            port=one.port,
            host_address=one.host,
            tls_ca_file=one.ca_file,
        )

    def but(self, **changed: Any) -> DsqlTarget:
        """The same with something else."""
        return msgspec.structs.replace(self.target, **changed)

    def environ(self, credentials: Credentials | None = None) -> dict[str, str]:
        """What a command needs to enter: as the principal that may be anyone, or as another."""
        environ = environment_of(self.announcement)
        if credentials is not None:
            environ["AWS_ACCESS_KEY_ID"] = credentials.access_key_id
            environ["AWS_SECRET_ACCESS_KEY"] = credentials.secret_access_key
        return environ

    def query(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Ask PostgreSQL itself, behind the double's back."""
        with psycopg.connect(self.announcement.postgres_url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    async def as_admin(self, *statements: str) -> None:
        """Run statements by the way in that DSQL has."""
        async with await Session.open(self.target) as session:
            for statement in statements:
                await session.execute(statement)

    async def make_operator(self, *, may_probe: bool = True, may_clean: bool = True) -> Credentials:
        """The role as `auroral-schema roles` makes it, or with less; return the credentials that it is mapped to."""
        statements = [f"CREATE ROLE {OPERATOR_ROLE} WITH LOGIN", f"AWS IAM GRANT {OPERATOR_ROLE} TO '{OPERATOR_ARN}'"]
        if may_probe:
            statements += [
                "CREATE SCHEMA IF NOT EXISTS auroral_probe",
                f"GRANT USAGE, CREATE ON SCHEMA auroral_probe TO {OPERATOR_ROLE}",
            ]
        if may_clean:
            statements += [
                f"GRANT USAGE ON SCHEMA public TO {OPERATOR_ROLE}",
                f"GRANT SELECT, DELETE ON cluster_membership TO {OPERATOR_ROLE}",
            ]
        await self.as_admin(*statements)
        return self.control.add_principal(OPERATOR_ARN, ["DbConnect"])

    async def make_membership(self) -> None:
        """The table and its indexes, word for word as `auroral-schema setup` makes them."""
        golden = GOLDEN.read_text()
        table = re.search(r"CREATE TABLE cluster_membership \(.*?\n\);", golden, re.DOTALL)
        assert table is not None
        indexes = re.findall(r"CREATE (?:UNIQUE )?INDEX ASYNC cm_idx\w+ ON cluster_membership .*?;", golden)
        assert len(indexes) == 5
        await self.as_admin(table[0], *indexes)

    def add_hosts(self, *silent_s: float) -> list[str]:
        """A row for each host, last heard of so many seconds ago; return their ids."""
        return [
            self.query(
                "INSERT INTO public.cluster_membership SELECT 0, gen_random_uuid(), '10.0.0.' || %(n)s::text, 6933, "
                "1 + %(n)s::int %% 4, t.now, t.now - make_interval(secs => %(silent_s)s), t.now + interval '48h' "
                "FROM (SELECT now() AT TIME ZONE 'UTC' AS now) t RETURNING host_id::text",
                {"n": number, "silent_s": seconds},
            )[0][0]
            for number, seconds in enumerate(silent_s)
        ]

    def hosts(self) -> set[str]:
        """Ids of the hosts that have a row."""
        return {row[0] for row in self.query("SELECT host_id::text FROM public.cluster_membership")}

    def probe_tables(self) -> list[str]:
        """Tables that probes have left."""
        return [row[0] for row in self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'auroral_probe'")]

    def clean(self) -> None:
        """As it was: no role, no table, no fault."""
        self.control.refuse(0)
        self.control.stall(0)
        self.control.cut_next_commits(0)
        # A bucket that was emptied fills at its rate: at DSQL's own the next test would meet what this one left.
        self.control.change(
            connect_burst=100_000,
            connect_rate_per_s=100_000,
            max_connections=10_000,
            conflict_rate=0.0,
            conflict_seed=0,
        )
        self.control.cut()
        self.query(
            "DROP SCHEMA IF EXISTS auroral_probe CASCADE; DROP TABLE IF EXISTS public.cluster_membership; "
            f"DELETE FROM sys._mappings WHERE arn = '{OPERATOR_ARN}'"
        )
        if self.query("SELECT 1 FROM pg_roles WHERE rolname = %s", (OPERATOR_ROLE,)):
            self.query(f"DROP OWNED BY {OPERATOR_ROLE}; DROP ROLE {OPERATOR_ROLE}")
        self.control.reset_statistics()
