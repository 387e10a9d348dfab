"""What the double of Aurora DSQL costs beside PostgreSQL itself: round trips a second, and CPU of its process."""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import pstats
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import psutil
import psycopg

from auroral.local.double import token as tokens
from auroral.local.double.server import Announcement
from benchmarks.table import print_table

HELP = "statements a second through the double of DSQL, beside PostgreSQL"
_ROWS = 1000


@dataclass(frozen=True)
class Work:
    """One thing to repeat, and how many round trips it is."""

    name: str
    round_trips: int
    once: Callable[[psycopg.Connection[Any], int], None]


def _read(connection: psycopg.Connection[Any], key: int) -> None:
    connection.execute(b"SELECT v FROM bench WHERE id = %s", (key,), prepare=True)


def _write(connection: psycopg.Connection[Any], key: int) -> None:
    connection.execute(b"UPDATE bench SET v = %s WHERE id = %s", ("x" * 200, key), prepare=True)


def _transaction(connection: psycopg.Connection[Any], key: int) -> None:
    """As Temporal's execution writes: a lock, a read, two writes."""
    connection.execute(b"BEGIN")
    connection.execute(b"SELECT v FROM bench WHERE id = %s FOR UPDATE", (key,), prepare=True)
    _read(connection, key)
    _write(connection, key)
    _write(connection, key)
    connection.execute(b"COMMIT")


WORKS = (Work("read", 1, _read), Work("write", 1, _write), Work("transaction", 6, _transaction))


def client(name: str, options: dict[str, Any], number: int, duration_s: float, done: Any) -> None:
    """Repeat one work on a connection of its own; report how often and how long."""
    work = next(one for one in WORKS if one.name == name)
    with psycopg.connect(autocommit=True, **options) as connection:
        first = 1 + number * (_ROWS // 8)  # no two clients touch the same row
        work.once(connection, first)
        count = 0
        started_s = time.perf_counter()
        while (took_s := time.perf_counter() - started_s) < duration_s:
            work.once(connection, first + count % (_ROWS // 8))
            count += 1
        done.put((count, took_s))


def rate(work: Work, options: dict[str, Any], clients: int, duration_s: float) -> float:
    """Works a second over so many client processes."""
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    running = [
        context.Process(target=client, args=(work.name, options, number, duration_s, done)) for number in range(clients)
    ]
    for one in running:
        one.start()
    total: float = sum(count / took_s for count, took_s in (done.get(timeout=120) for _ in running))
    for one in running:
        one.join()
    return total


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.double", description=HELP)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--check", action="store_true", help="accepted for the sake of the others; nothing is judged")
    parser.add_argument("--profile", action="store_true", help="profile the session's code instead, without a network")
    chosen = parser.parse_args(arguments)
    if chosen.profile:
        return _profile()
    command = [sys.executable, "-m", "auroral.local.double"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        one = msgspec.json.decode(process.stdout.readline(), type=Announcement)
        signer = tokens.Principal(one.principal_arn, frozenset(), one.access_key_id, one.secret_access_key)
        token = tokens.sign(
            signer,
            action=tokens.CONNECT_ADMIN,
            endpoint=tokens.Endpoint(one.endpoint, one.region),
            now_s=time.time(),
            lifetime_s=3600,
        )
        direct: dict[str, Any] = {
            "host": one.postgres_socket,
            "port": one.postgres_url.rpartition(":")[2].partition("/")[0],
        }
        direct |= {"user": "postgres", "dbname": "postgres"}
        through: dict[str, Any] = {
            "host": one.endpoint, "hostaddr": one.host, "port": one.port, "user": "admin", "dbname": "postgres",
            "password": token, "sslmode": "verify-full", "sslrootcert": one.ca_file,
        }  # fmt: skip
        with psycopg.connect(autocommit=True, **through) as connection:
            connection.execute(b"CREATE TABLE bench (id int PRIMARY KEY, v text)")
            connection.execute(b"INSERT INTO bench SELECT g, 'x' FROM generate_series(0, 1100) g")
        rows = []
        for work in WORKS:
            for clients in chosen.clients:
                plain = rate(work, direct, clients, chosen.seconds)
                cpu_s, started_s = sum(psutil.Process(process.pid).cpu_times()[:2]), time.perf_counter()
                doubled = rate(work, through, clients, chosen.seconds)
                used_s = sum(psutil.Process(process.pid).cpu_times()[:2]) - cpu_s
                wall_s = time.perf_counter() - started_s
                works = doubled * chosen.seconds
                rows.append(
                    [
                        work.name,
                        str(clients),
                        f"{plain:,.0f}",
                        f"{doubled:,.0f}",
                        f"{1e6 * used_s / works / work.round_trips:.0f}",
                        f"{100 * used_s / wall_s:.0f}",
                    ]
                )
        head = ["work", "clients", "PostgreSQL /s", "double /s", "double's CPU µs per round trip", "its CPU %"]
        print_table(head, rows)
        process.stdin.close()
    return 0


def _profile() -> int:
    """Where a session's time goes: frames of a transaction, PostgreSQL's answers as they came."""
    from auroral.local.double import wire
    from auroral.local.double.catalogue import Catalogue
    from auroral.local.double.session import Session
    from auroral.local.double.settings import DoubleSettings
    from auroral.local.double.shared import Shared

    session = Session(Shared(DoubleSettings()), Catalogue())
    named = wire.parse(b"s", b"UPDATE bench SET v = $1 WHERE id = $2") + wire.SYNC
    session.from_client(named, 0.0)
    session.from_server(wire.frame(b"1") + wire.ready(b"I"), 0.0)
    bound = (
        wire.frame(b"B", b"\0s\0" + b"\0\0" * 3) + wire.frame(b"D", b"P\0") + wire.frame(b"E", b"\0" * 5) + wire.SYNC
    )
    answer = wire.frame(b"2") + wire.frame(b"n") + wire.command_complete(b"UPDATE 1") + wire.ready(b"T")
    script = [(wire.query(b"begin"), wire.command_complete(b"BEGIN") + wire.ready(b"T"))]
    script += [(bound, answer)] * 4
    script += [(wire.query(b"commit"), wire.command_complete(b"COMMIT") + wire.ready(b"I"))]

    def run(times: int) -> None:
        for _ in range(times):
            for sent, answered in script:
                session.from_client(sent, 0.0)
                session.to_server.clear()
                session.from_server(answered, 0.0)
                session.to_client.clear()

    started_s = time.process_time()
    run(2000)
    print(f"{(time.process_time() - started_s) / 2000 / len(script) * 1e6:.1f} µs a round trip in the session alone")
    profiler = cProfile.Profile()
    profiler.runcall(run, 2000)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(15)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
