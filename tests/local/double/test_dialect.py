"""Each rule of the dialect with statements that pass and statements that do not; pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.local.double.catalogue import Catalogue, Table
from auroral.local.double.dialect import Dialect
from auroral.local.double.refusals import Refusal
from auroral.local.double.statements import Kind, Statement

KEYED = Table("public", "t", ("id", "part"), {"id": "int8", "part": "int4", "v": "text", "b": "bytea", "j": "json"}, 1)


def catalogue(*more: Table) -> Catalogue:
    made = Catalogue()
    made.replace([KEYED, *more])
    return made


def judge(sql: str, *, documented_locks: bool = True) -> Statement:
    (only,) = Dialect(documented_locks=documented_locks).statements(sql.encode())
    return only


def refusal(sql: str) -> Refusal | None:
    one = judge(sql)
    return one.refusal or catalogue().refusal(one)


@pytest.mark.parametrize(
    ("sql", "code", "message"),
    [
        # Locks.
        ("SELECT v FROM t WHERE id = 1 AND part = 2 FOR SHARE", "0A000", "locking clauses other than"),
        ("SELECT v FROM t WHERE id = 1 AND part = 2 FOR NO KEY UPDATE", "0A000", "locking clauses other than"),
        ("SELECT 1 FROM (SELECT v FROM t FOR SHARE) x", "0A000", "locking clauses other than"),
        ("WITH x AS (SELECT v FROM t FOR SHARE) SELECT * FROM x", "0A000", "locking clauses other than"),
        ("SELECT 1 FROM t, t u WHERE t.id = 1 FOR UPDATE", "0A000", "on a single table"),
        ("SELECT 1 FROM t JOIN t u ON t.id = u.id FOR UPDATE", "0A000", "on a single table"),
        ("SELECT 1 FROM (SELECT * FROM t) x FOR UPDATE", "0A000", "on a single table"),
        ("SELECT v FROM t FOR UPDATE", "0A000", "equality predicates on the key"),
        ("SELECT v FROM t WHERE id = 1 FOR UPDATE", "0A000", "equality predicates on the key"),
        ("SELECT v FROM t WHERE id = 1 AND part > 2 FOR UPDATE", "0A000", "equality predicates on the key"),
        ("SELECT v FROM t WHERE id = 1 AND part IN (1, 2) FOR UPDATE", "0A000", "equality predicates on the key"),
        ("SELECT v FROM t WHERE id = 1 AND part = ANY ('{1}') FOR UPDATE", "0A000", "equality predicates on the key"),
        ("SELECT v FROM t WHERE id = 1 OR part = 1 FOR UPDATE", "0A000", "equality predicates on the key"),
        ("SELECT v FROM t WHERE id = part AND part = 1 FOR UPDATE", "0A000", "equality predicates on the key"),
        ("SELECT v FROM t WHERE id = (SELECT 1) AND part = 1 FOR UPDATE", "0A000", "equality predicates on the key"),
        ("SELECT v FROM t WHERE id = 1 FOR KEY SHARE", "0A000", "equality predicates on the key"),
        # Statements.
        ("TRUNCATE t", "0A000", "unsupported statement: Truncate"),
        ("CREATE DATABASE x", "0A000", "unsupported statement: Createdb"),
        ("SAVEPOINT s", "0A000", "unsupported statement: Savepoint"),
        ("ROLLBACK TO s", "0A000", "unsupported statement: RollbackTo"),
        ("RELEASE s", "0A000", "unsupported statement: Release"),
        ("PREPARE TRANSACTION 'x'", "0A000", "unsupported statement"),
        ("COPY t FROM STDIN", "0A000", "unsupported statement: Copy"),
        ("COPY (SELECT 1) TO STDOUT", "0A000", "unsupported statement: Copy"),
        ("DO $$ BEGIN END $$", "0A000", "unsupported statement: Do"),
        ("LISTEN x", "0A000", "unsupported statement: Listen"),
        ("NOTIFY x", "0A000", "unsupported statement: Notify"),
        ("VACUUM t", "0A000", "unsupported statement: Vacuum"),
        ("LOCK TABLE t", "0A000", "unsupported statement: Lock"),
        ("REINDEX TABLE t", "0A000", "unsupported statement: Reindex"),
        ("CLUSTER t", "0A000", "unsupported statement: Cluster"),
        ("CREATE EXTENSION pgcrypto", "0A000", "unsupported statement: CreateExtension"),
        ("CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f()", "0A000", "unsupported statement: CreateTrig"),
        ("CREATE RULE r AS ON INSERT TO t DO NOTHING", "0A000", "unsupported statement: Rule"),
        ("CREATE TYPE x AS ENUM ('a')", "0A000", "unsupported statement: CreateEnum"),
        ("CREATE DOMAIN d AS int", "0A000", "unsupported statement: CreateDomain"),
        ("CREATE MATERIALIZED VIEW x AS SELECT 1", "0A000", "unsupported statement: CreateMatView"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ $$", "0A000", "LANGUAGE plpgsql is not supported"),
        ("CREATE PROCEDURE f() LANGUAGE sql AS $$ $$", "0A000", "PROCEDURE is not supported"),
        ("SET TRANSACTION READ ONLY", "0A000", "unsupported statement: SET TRANSACTION"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "0A000", "unsupported statement"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "0A000", "isolation levels"),
        ("BEGIN ISOLATION LEVEL READ COMMITTED", "0A000", "isolation levels"),
        ("SET default_transaction_isolation TO 'read committed'", "0A000", "isolation levels"),
        ("SET work_mem = '1MB'", "0A000", "setting configuration parameter"),
        # Tables.
        ("CREATE TEMP TABLE x (id int)", "0A000", "temporary/unlogged"),
        ("CREATE UNLOGGED TABLE x (id int)", "0A000", "temporary/unlogged"),
        ("CREATE TEMP TABLE x AS SELECT 1", "0A000", "temporary/unlogged"),
        ("SELECT 1 INTO TEMP x", "0A000", "temporary/unlogged"),
        ("CREATE TABLE x (id serial)", "42704", 'type "serial" does not exist'),
        ("CREATE TABLE x (id BIGSERIAL PRIMARY KEY)", "42704", 'type "bigserial" does not exist'),
        ("CREATE TABLE x (id int, a text[])", "0A000", "datatype text[] not supported"),
        ("CREATE TABLE x (id int, a tsvector)", "0A000", "datatype tsvector not supported"),
        ("CREATE TABLE x (b bytea PRIMARY KEY)", "0A000", "datatype bytea is not supported in a key"),
        ("CREATE TABLE x (id int, b bytea, PRIMARY KEY (id, b))", "0A000", "datatype bytea is not supported in a key"),
        ("CREATE TABLE x (id int, b bytea UNIQUE)", "0A000", "datatype bytea is not supported in a key"),
        ("CREATE TABLE x (id int, b jsonb, UNIQUE (b))", "0A000", "datatype jsonb is not supported in a key"),
        ("CREATE TABLE x (id int, EXCLUDE (id WITH =))", "0A000", "EXCLUDE"),
        ("CREATE TABLE x (id int) PARTITION BY RANGE (id)", "0A000", "partitioning"),
        ("CREATE TABLE x () INHERITS (t)", "0A000", "inheritance"),
        ("CREATE TABLE x (id bigint GENERATED ALWAYS AS IDENTITY)", "0A000", "explicit CACHE"),
        ("CREATE TABLE x (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 20))", "0A000", "CACHE must be 1"),
        ("CREATE TABLE x (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 65535))", "0A000", "CACHE must be 1"),
        ("CREATE TABLE x (id int GENERATED ALWAYS AS IDENTITY (CACHE 1))", "0A000", "only supported on bigint"),
        ("CREATE SEQUENCE s", "0A000", "explicit CACHE"),
        ("CREATE SEQUENCE s CACHE 2", "0A000", "CACHE must be 1"),
        ("ALTER TABLE t ADD COLUMN x int NOT NULL", "0A000", "ADD COLUMN with constraint"),
        ("ALTER TABLE t ADD COLUMN x int DEFAULT 1", "0A000", "ADD COLUMN with constraint"),
        ("ALTER TABLE t ADD COLUMN x int CHECK (x > 0)", "0A000", "ADD COLUMN with constraint"),
        ("ALTER TABLE t ADD COLUMN x serial", "42704", "does not exist"),
        ("ALTER TABLE t ALTER COLUMN v TYPE int", "0A000", "SET DATA TYPE"),
        ("ALTER TABLE t ALTER COLUMN v SET NOT NULL", "0A000", "SET NOT NULL"),
        ("ALTER TABLE t ADD PRIMARY KEY (v)", "0A000", "ADD CONSTRAINT"),
        ("ALTER TABLE t ADD CONSTRAINT c UNIQUE (v)", "0A000", "ADD CONSTRAINT"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0)", "0A000", "ADD CONSTRAINT"),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", "0A000", "VALIDATE CONSTRAINT"),
        # Indexes.
        ("CREATE INDEX i ON t (v)", "0A000", "please use CREATE INDEX ASYNC"),
        ("CREATE INDEX CONCURRENTLY i ON t (v)", "0A000", "CONCURRENTLY not supported"),
        ("CREATE INDEX ASYNC i ON t USING btree (v)", "0A000", "USING not supported"),
        ("CREATE INDEX ASYNC i ON t (v DESC)", "0A000", "sort order not supported"),
        ("CREATE INDEX ASYNC i ON t (v ASC)", "0A000", "sort order not supported"),
        ("CREATE INDEX ASYNC i ON t (v text_pattern_ops)", "0A000", "opclass not supported"),
        ("CREATE INDEX ASYNC i ON t (a,b,c,d,e,f,g,h,i)", "54011", "more than 8 column keys"),
        ("CREATE INDEX ASYNC i ON t (b)", "0A000", "datatype bytea is not supported in a key"),
        ("CREATE UNIQUE INDEX ASYNC i ON t (id, j)", "0A000", "datatype json is not supported in a key"),
        # No SQL at all.
        ("SELEC 1", "42601", "syntax error"),
        ("AWS IAM GRANT x TO 17", "42601", "syntax error"),
    ],
)  # fmt: skip
def test_what_is_refused(sql: str, code: str, message: str) -> None:
    refused = refusal(sql)
    assert refused is not None
    assert (refused.code, message in refused.message) == (code, True), refused


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT v FROM t WHERE id = $1 AND part = $2 FOR UPDATE",
        "SELECT v FROM t WHERE $1 = id AND (part = 2 AND v = 'x') FOR UPDATE",
        "SELECT v FROM t x WHERE x.id = $1 AND x.part = lower('A')::int FOR UPDATE NOWAIT",
        "SELECT v FROM public.t WHERE id = 1 AND part = 2 FOR KEY SHARE",
        "SELECT 1 FOR UPDATE",
        "SELECT 'FOR SHARE'",
        "SELECT v FROM t -- FOR SHARE",
        "BEGIN",
        "START TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET search_path TO public",
        "SET default_transaction_isolation TO 'repeatable read'",
        "RESET work_mem",
        "ANALYZE t",
        "CREATE TABLE x (id bigint GENERATED BY DEFAULT AS IDENTITY (CACHE 1) PRIMARY KEY, b bytea, j jsonb)",
        "CREATE TABLE x (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 65536), n varchar(64) UNIQUE)",
        "CREATE TABLE x (id uuid PRIMARY KEY, parent uuid REFERENCES x (id), CHECK (id <> parent))",
        "CREATE SEQUENCE s CACHE 1",
        "ALTER TABLE t ADD COLUMN x int",
        "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (v) REFERENCES u (v) NOT VALID",
        "ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i",
        "ALTER TABLE ASYNC t VALIDATE CONSTRAINT c",
        "ALTER TABLE t ALTER COLUMN v DROP NOT NULL",
        "CREATE INDEX ASYNC i ON t (v)",
        "CREATE UNIQUE INDEX ASYNC IF NOT EXISTS i ON t (v, (lower(v))) INCLUDE (b) WHERE id > 0",
        "CREATE INDEX ASYNC ON t (v NULLS FIRST)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE r WITH LOGIN",
        "AWS IAM GRANT \"Server\" TO 'arn:aws:iam::123456789012:role/x'",
        "AWS IAM REVOKE server FROM 'arn:aws:iam::123456789012:role/x'",
        "CALL sys.wait_for_job('x')",
        "DELETE FROM t WHERE id = 1",
    ],
)
def test_what_passes(sql: str) -> None:
    assert refusal(sql) is None


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 1", Kind.READ),
        ("WITH x AS (DELETE FROM t RETURNING id) SELECT * FROM x", Kind.WRITE),
        ("EXPLAIN DELETE FROM t", Kind.READ),
        ("EXPLAIN (ANALYZE) DELETE FROM t", Kind.WRITE),
        ("INSERT INTO t VALUES (1)", Kind.WRITE),
        ("MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE", Kind.WRITE),
        ("begin", Kind.BEGIN),
        ("END", Kind.COMMIT),
        ("ABORT", Kind.ROLLBACK),
        ("GRANT SELECT ON t TO x", Kind.DDL),
        ("AWS IAM GRANT x TO 'arn:aws:iam::1:role/x'", Kind.DDL),
        ("CREATE INDEX ASYNC i ON t (v)", Kind.DDL),
        ("SHOW timezone", Kind.OTHER),
    ],
)
def test_what_a_statement_does(sql: str, kind: Kind) -> None:
    assert judge(sql).kind is kind


def test_locks_as_measured_ask_nothing_of_the_condition() -> None:
    for sql in ("SELECT v FROM t FOR UPDATE", "SELECT 1 FROM t, t u FOR KEY SHARE"):
        assert judge(sql, documented_locks=False).refusal is None
        assert not judge(sql, documented_locks=False).locks
    assert judge("SELECT v FROM t FOR SHARE", documented_locks=False).refusal is not None


def test_every_locking_clause_of_a_statement_is_counted() -> None:
    one = judge("SELECT 1 FROM (SELECT v FROM t WHERE id = 1 AND part = 1 FOR KEY SHARE) x, t FOR UPDATE OF x")
    assert sorted(one.lock_kinds) == ["for key share", "for update"]
    assert judge("SELECT 1").lock_kinds == ()


def test_a_table_may_have_24_indexes_and_255_columns() -> None:
    one = judge("CREATE INDEX ASYNC i ON full_up (v)")
    full = Table("public", "full_up", ("id",), {"v": "text"}, 24)
    room = Table("public", "full_up", ("id",), {"v": "text"}, 23)
    refused = catalogue(full).refusal(one)
    assert refused is not None
    assert refused.code == "54000"
    assert catalogue(room).refusal(one) is None
    columns = [f"c{at} int" for at in range(256)]
    assert judge(f"CREATE TABLE x ({', '.join(columns[:255])})").refusal is None
    too_many = judge(f"CREATE TABLE x ({', '.join(columns)})").refusal
    assert too_many is not None
    assert too_many.code == "54011"


def test_a_table_without_a_key_cannot_be_locked() -> None:
    one = judge("SELECT 1 FROM bare WHERE id = 1 FOR UPDATE")
    assert catalogue(Table("public", "bare")).refusal(one) is not None


def test_several_statements_are_judged_one_by_one() -> None:
    judged = Dialect().statements(b"BEGIN; TRUNCATE t; CREATE INDEX ASYNC i ON t (v); COMMIT;")
    assert [one.kind for one in judged] == [Kind.BEGIN, Kind.DDL, Kind.DDL, Kind.COMMIT]
    assert [one.refusal is None for one in judged] == [True, False, True, True]
    assert Dialect().statements(b"  -- nothing\n;") == ()


def test_an_index_becomes_a_call_that_answers_its_job() -> None:
    one = judge('CREATE INDEX ASYNC "it\'s" ON t (v) -- ASYNC')
    assert one.rewritten
    assert one.tag == b"CREATE INDEX"
    assert b"sys.create_index_async('CREATE INDEX " in one.sql
    assert b"it''s" in one.sql


def test_a_text_is_judged_once() -> None:
    dialect = Dialect()
    assert dialect.statements(b"SELECT 1")[0] is dialect.statements(b"SELECT 1")[0]


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    for one in Dialect().statements(text.replace("\0", "").encode(errors="replace")):
        assert one.sql or one.refusal


@given(st.lists(st.sampled_from(["SELECT ';'", "BEGIN", "CREATE INDEX ASYNC i ON t (v)", "DELETE FROM t"]), max_size=8))
def test_a_list_of_statements_is_taken_apart_in_order(texts: list[str]) -> None:
    together = Dialect().statements("; ".join(texts).encode())
    assert [one.kind for one in together] == [judge(text).kind for text in texts]
