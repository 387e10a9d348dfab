"""Sessions through the double: real psycopg, real TLS, real PostgreSQL behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from tests.local.double.running import Connection, Running

Open = Callable[..., Connection]


def run(connection: Connection, text: str, *values: Any, **options: Any) -> list[tuple[Any, ...]]:
    cursor = connection.execute(text.encode(), values or None, **options)
    return cursor.fetchall() if cursor.description else []


def ids(connection: Connection, table: str) -> list[int]:
    return [row[0] for row in run(connection, f"SELECT id FROM {table} ORDER BY id")]


class TestRows:
    def test_3000_rows_outside_a_block_commit_and_3001_do_not(self, connection: Connection, table: str) -> None:
        insert = f"INSERT INTO {table} SELECT g FROM generate_series(1, 3001) g"
        with pytest.raises(errors.ProgramLimitExceeded, match="transaction row limit exceeded"):
            run(connection, insert)
        with pytest.raises(errors.ProgramLimitExceeded):
            run(connection, f"INSERT INTO {table} SELECT g FROM generate_series(%s, 3001) g", 1)
        assert ids(connection, table) == []
        run(connection, insert.replace("3001", "3000"))
        assert len(ids(connection, table)) == 3000
        with pytest.raises(errors.ProgramLimitExceeded):
            run(connection, f"INSERT INTO {table} VALUES (3001); DELETE FROM {table}")
        assert len(ids(connection, table)) == 3000

    def test_rows_of_a_block_add_up(self, connection: Connection, table: str) -> None:
        run(connection, "BEGIN")
        run(connection, f"INSERT INTO {table} SELECT g FROM generate_series(1, 2000) g")
        run(connection, f"UPDATE {table} SET v = 'x' WHERE id <= %s", 1000, prepare=True)
        with pytest.raises(errors.ProgramLimitExceeded):
            run(connection, f"DELETE FROM {table} WHERE id = %s", 1, prepare=True)
        with pytest.raises(errors.InFailedSqlTransaction):
            run(connection, "SELECT 1")
        assert connection.execute(b"COMMIT").statusmessage == "ROLLBACK"
        assert ids(connection, table) == []
        assert run(connection, "SELECT 1") == [(1,)]

    def test_returned_rows_of_a_refused_write_come_with_an_error(self, connection: Connection, table: str) -> None:
        with pytest.raises(errors.ProgramLimitExceeded):
            run(connection, f"INSERT INTO {table} SELECT g FROM generate_series(1, 3001) g RETURNING id")
        assert run(connection, f"INSERT INTO {table} VALUES (%s) RETURNING id", 7) == [(7,)]

    def test_values_and_keys_have_their_sizes(self, connection: Connection, table: str) -> None:
        with pytest.raises(errors.ProgramLimitExceeded, match="maximum column size"):
            run(connection, f"INSERT INTO {table} (id, b) VALUES (%s, %b)", 1, b"x" * (1024 * 1024 + 1))
        with pytest.raises(errors.ProgramLimitExceeded, match="maximum row size"):
            run(connection, f"INSERT INTO {table} (id, v, b) VALUES (%b, %b, %b)", 1, "x" * 1048576, b"x" * 1048576)
        run(connection, f"INSERT INTO {table} (id, b) VALUES (%s, %b)", 1, b"x" * 1024 * 1024)
        name = f"{table}_k"
        run(connection, f"CREATE TABLE {name} (k text, part text, v text, PRIMARY KEY (k, part))")
        try:
            with pytest.raises(errors.ProgramLimitExceeded, match="key size too large"):
                run(connection, f"INSERT INTO {name} VALUES (%s, %s, %s)", "x" * 1000, "y" * 25, "")
            run(connection, f"INSERT INTO {name} VALUES (%s, %s, %s)", "x" * 1000, "y" * 24, "v" * 2000)
        finally:
            run(connection, f"DROP TABLE {name}")

    def test_ten_mebibytes_are_the_most_of_a_block(self, connection: Connection, table: str) -> None:
        run(connection, "BEGIN")
        for at in range(10):
            run(connection, f"INSERT INTO {table} (id, b) VALUES (%s, %b)", at, b"x" * 1_000_000)
        with pytest.raises(errors.ProgramLimitExceeded, match="transaction size limit 10mb exceeded"):
            run(connection, f"INSERT INTO {table} (id, b) VALUES (%s, %b)", 11, b"x" * 1_000_000)
        run(connection, "ROLLBACK")
        assert ids(connection, table) == []


class TestConflicts:
    def test_a_refused_commit_is_rolled_back(self, double: Running, connection: Connection, table: str) -> None:
        double.control.change(conflict_rate=1.0)
        for begin, end in (("BEGIN", "COMMIT"), (b"BEGIN", b"COMMIT")):
            connection.execute(begin)
            run(connection, f"INSERT INTO {table} VALUES (%s)", 1)
            with pytest.raises(errors.SerializationFailure, match=r"please retry: \(OC000\)"):
                connection.execute(end)
            assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
        for text, values in ((f"INSERT INTO {table} VALUES (2)", ()), (f"INSERT INTO {table} VALUES (%s)", (2,))):
            with pytest.raises(errors.SerializationFailure):
                run(connection, text, *values)
            assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
        assert ids(connection, table) == []
        assert double.control.statistics().conflicts == 4

    def test_reads_and_empty_writes_meet_none(self, double: Running, connection: Connection, table: str) -> None:
        double.control.change(conflict_rate=1.0)
        run(connection, "BEGIN")
        run(connection, f"SELECT 1 FROM {table} WHERE id = 1 FOR UPDATE")
        run(connection, "COMMIT")
        run(connection, f"DELETE FROM {table} WHERE id = %s", 5)
        assert double.control.statistics().conflicts == 0

    def test_the_seed_repeats_them(self, double: Running, connection: Connection, table: str) -> None:
        def outcomes() -> list[bool]:
            double.control.change(conflict_rate=0.0)
            double.control.change(conflict_rate=0.4, conflict_seed=11)
            seen = []
            for _ in range(30):
                try:
                    run(connection, f"INSERT INTO {table} VALUES (1) ON CONFLICT (id) DO UPDATE SET v = 'x'")
                    seen.append(True)
                except errors.SerializationFailure:
                    seen.append(False)
            return seen

        first = outcomes()
        assert first == outcomes()
        assert 0 < sum(first) < 30

    def test_two_writers_of_a_row_conflict_without_any_help(self, open_connection: Open, table: str) -> None:
        first, second = open_connection(), open_connection()
        run(first, f"INSERT INTO {table} VALUES (1)")
        for one in (first, second):
            run(one, "BEGIN")
            run(one, f"SELECT v FROM {table} WHERE id = 1")
        run(first, f"UPDATE {table} SET v = 'a' WHERE id = 1")
        run(first, "COMMIT")
        with pytest.raises(errors.SerializationFailure):
            run(second, f"UPDATE {table} SET v = 'b' WHERE id = 1")
        run(second, "ROLLBACK")


class TestBlocks:
    def test_a_refused_statement_fails_its_block(self, connection: Connection, table: str) -> None:
        for values in ((), (5,)):
            run(connection, "BEGIN")
            run(connection, f"INSERT INTO {table} VALUES (1)")
            with pytest.raises(errors.FeatureNotSupported):
                run(connection, f"SELECT * FROM {table} WHERE id = {'%s' if values else '5'} FOR SHARE", *values)
            with pytest.raises(errors.InFailedSqlTransaction):
                run(connection, "SELECT 1")
            assert connection.execute(b"COMMIT").statusmessage == "ROLLBACK"
        assert ids(connection, table) == []

    def test_ddl_stands_alone(self, connection: Connection, table: str) -> None:
        run(connection, "BEGIN")
        run(connection, f"INSERT INTO {table} VALUES (1)")
        with pytest.raises(errors.FeatureNotSupported, match="ddl and dml"):
            run(connection, f"ALTER TABLE {table} ADD COLUMN x int")
        run(connection, "ROLLBACK")
        run(connection, "BEGIN")
        run(connection, f"ALTER TABLE {table} ADD COLUMN x int")
        with pytest.raises(errors.FeatureNotSupported, match="multiple ddl"):
            run(connection, f"ALTER TABLE {table} ADD COLUMN y int")
        run(connection, "ROLLBACK")
        with pytest.raises(errors.FeatureNotSupported, match="multiple ddl"):
            run(connection, f"ALTER TABLE {table} ADD COLUMN x int; ALTER TABLE {table} ADD COLUMN y int")
        assert run(connection, f"SELECT * FROM {table}") == []

    def test_several_statements_are_one_transaction(self, connection: Connection, table: str) -> None:
        run(connection, f"INSERT INTO {table} VALUES (1); INSERT INTO {table} VALUES (2)")
        with pytest.raises(errors.UniqueViolation):
            run(connection, f"INSERT INTO {table} VALUES (3); INSERT INTO {table} VALUES (1)")
        with pytest.raises(errors.FeatureNotSupported):
            run(connection, f"INSERT INTO {table} VALUES (4); TRUNCATE {table}")
        assert ids(connection, table) == [1, 2]
        run(connection, f"BEGIN; INSERT INTO {table} VALUES (5); COMMIT; INSERT INTO {table} VALUES (6)")
        run(connection, f"INSERT INTO {table} VALUES (7); BEGIN; INSERT INTO {table} VALUES (8)")
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
        run(connection, "ROLLBACK")
        assert ids(connection, table) == [1, 2, 5, 6]

    def test_answers_of_several_statements_come_in_order(self, connection: Connection, table: str) -> None:
        cursor = connection.execute(f"SELECT 1; INSERT INTO {table} VALUES (1); SELECT 2".encode())
        answers = [cursor.statusmessage]
        while cursor.nextset():
            answers.append(cursor.statusmessage)
        assert answers == ["SELECT 1", "INSERT 0 1", "SELECT 1"]
        assert cursor.fetchall() == [(2,)]

    def test_a_pipeline_of_writes(self, connection: Connection, table: str) -> None:
        with connection.pipeline():
            for at in range(200):
                run(connection, f"INSERT INTO {table} VALUES (%s)", at)
            count = connection.execute(f"SELECT count(*) FROM {table}".encode())
        assert count.fetchall() == [(200,)]

    def test_an_error_in_a_pipeline_undoes_its_batch(self, connection: Connection, table: str) -> None:
        def insert(*keys: int) -> None:
            with connection.pipeline():
                for key in keys:
                    run(connection, f"INSERT INTO {table} VALUES (%s)", key)

        with pytest.raises(errors.UniqueViolation):
            insert(1, 1, 2)
        assert ids(connection, table) == []
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE

    def test_a_whole_transaction_in_a_pipeline(self, double: Running, connection: Connection, table: str) -> None:
        with connection.pipeline(), connection.transaction():
            run(connection, f"INSERT INTO {table} VALUES (%s)", 1)
        assert ids(connection, table) == [1]
        double.control.change(conflict_rate=1.0)
        with pytest.raises(errors.SerializationFailure), connection.pipeline(), connection.transaction():
            run(connection, f"INSERT INTO {table} VALUES (%s)", 2)
        double.control.change(conflict_rate=0.0)
        assert ids(connection, table) == [1]

    def test_a_server_side_cursor(self, connection: Connection, table: str) -> None:
        run(connection, f"INSERT INTO {table} SELECT g FROM generate_series(1, 500) g")
        with connection.transaction(), connection.cursor(name="some") as cursor:
            cursor.itersize = 100
            cursor.execute(sql.SQL("SELECT id FROM {} ORDER BY id").format(sql.Identifier(table)))
            assert [row[0] for row in cursor] == list(range(1, 501))

    def test_prepared_statements_survive_commits_and_refusals(
        self, double: Running, connection: Connection, table: str
    ) -> None:
        for at in range(20):
            double.control.change(conflict_rate=float(at % 2))
            try:
                run(connection, f"INSERT INTO {table} VALUES (%s)", at, prepare=True)
            except errors.SerializationFailure:
                assert at % 2
        run(connection, "DEALLOCATE ALL")
        double.control.change(conflict_rate=0.0)
        run(connection, f"INSERT INTO {table} VALUES (100)")
        assert ids(connection, table) == [*range(0, 20, 2), 100]

    def test_a_transaction_grows_old(self, double: Running, connection: Connection, table: str) -> None:
        run(connection, "BEGIN")
        run(connection, "SELECT 1")
        double.control.change(max_transaction_age_s=0.0)
        with pytest.raises(errors.ProgramLimitExceeded, match="transaction age limit"):
            run(connection, f"INSERT INTO {table} VALUES (1)")
        run(connection, "ROLLBACK")

    def test_a_deferred_check_fails_at_the_commit_we_make(self, connection: Connection, table: str) -> None:
        child = f"{table}_c"
        run(
            connection,
            f"CREATE TABLE {child} (id bigint PRIMARY KEY, p bigint REFERENCES {table} DEFERRABLE INITIALLY DEFERRED)",
        )
        try:
            for text, values in (("VALUES (1, 99)", ()), ("VALUES (%s, %s)", (1, 99))):
                with pytest.raises(errors.ForeignKeyViolation):
                    run(connection, f"INSERT INTO {child} {text}", *values)
                assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
            assert ids(connection, child) == []
        finally:
            run(connection, f"DROP TABLE {child}")

    def test_a_running_statement_can_be_cancelled(self, connection: Connection) -> None:
        threading.Timer(0.2, connection.cancel_safe).start()
        with pytest.raises(errors.QueryCanceled):
            run(connection, "SELECT pg_sleep(20)")

    def test_a_large_answer(self, connection: Connection) -> None:
        ((text,),) = run(connection, "SELECT repeat('x', 5000000)")
        assert len(text) == 5_000_000
        assert len(run(connection, "SELECT g, repeat('y', 100) FROM generate_series(1, 50000) g")) == 50_000


class TestIndexesAndKeys:
    def test_an_index_is_a_job(self, double: Running, connection: Connection, table: str) -> None:
        cursor = connection.execute(f"CREATE INDEX ASYNC {table}_v ON {table} (v)".encode())
        assert cursor.statusmessage == "CREATE INDEX"
        ((job,),) = cursor.fetchall()
        assert len(job) == 26
        assert run(connection, f"SELECT status, object_name FROM sys.jobs WHERE job_id = '{job}'") == [
            ("completed", f"public.{table}_v")
        ]
        assert run(connection, f"CALL sys.wait_for_job('{job}')") == [(True,)]
        with pytest.raises(errors.InvalidTextRepresentation):
            run(connection, "CALL sys.wait_for_job('x')")

    def test_a_job_takes_its_time(self, double: Running, open_connection: Open, table: str) -> None:
        double.control.change(index_build_s=0.3)
        connection = open_connection()
        started_s = time.monotonic()
        ((job,),) = run(connection, f"CREATE INDEX ASYNC ON {table} (v)", prepare=True)
        assert run(connection, f"SELECT status FROM sys.jobs WHERE job_id = '{job}'") == [("processing",)]
        assert run(connection, f"CALL sys.wait_for_job('{job}')") == [(True,)]
        assert time.monotonic() - started_s >= 0.3
        assert run(connection, f"SELECT status FROM sys.jobs WHERE job_id = '{job}'") == [("completed",)]

    def test_duplicates_fail_the_job_and_not_the_statement(self, connection: Connection, table: str) -> None:
        run(connection, f"INSERT INTO {table} VALUES (1, 'x'), (2, 'x')")
        ((job,),) = run(connection, f"CREATE UNIQUE INDEX ASYNC ON {table} (v)")
        ((status, details),) = run(connection, f"SELECT status, details FROM sys.jobs WHERE job_id = '{job}'")
        assert (status, "duplicate key" in details) == ("failed", True)
        assert run(connection, f"CALL sys.wait_for_job('{job}')") == [(False,)]

    def test_the_catalogue_follows_ddl(self, open_connection: Open, table: str) -> None:
        connection, other = open_connection(), open_connection()
        lock = f"SELECT v FROM {table}_n WHERE id = %s FOR UPDATE"
        run(connection, f"CREATE TABLE {table}_n (id bigint PRIMARY KEY, v text)")
        assert run(connection, lock, 1) == []
        run(other, f"DROP TABLE {table}_n")
        run(other, f"CREATE TABLE {table}_n (id bigint, part bigint, v text, PRIMARY KEY (id, part))")
        try:
            with pytest.raises(errors.FeatureNotSupported, match="equality predicates on the key"):
                run(open_connection(), lock, 1)
        finally:
            run(other, f"DROP TABLE {table}_n")

    def test_locking_clauses_are_counted_when_they_run(
        self, double: Running, connection: Connection, table: str
    ) -> None:
        for at in range(3):
            run(connection, f"SELECT v FROM {table} WHERE id = %s FOR UPDATE", at, prepare=True)
        run(connection, f"SELECT v FROM {table} WHERE id = 1 FOR KEY SHARE")
        run(connection, f"SELECT v FROM {table} WHERE id = 1")
        seen = double.control.statistics()
        assert seen.locks == {"for update": 3, "for key share": 1}
        assert seen.statements["read"] == 5
