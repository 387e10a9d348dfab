"""A minimal Temporal frontend of known behaviour, in a process of its own: `python -m benchmarks.frontend --port 0`.

It answers what a generator asks of a cluster and no more. There are no workers and no history: an execution
completes by itself when its service time has passed on one of a known number of servers. It can refuse starts, lose
acknowledgements and pause, each as told on the command line. Its first line of output is its port; it stops when its
stdin ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys

import grpc

from auroral.units import parse_duration_s, parse_ratio
from benchmarks.frontend_behaviour import Behaviour
from benchmarks.frontend_rpc import Frontend

# grpc ends connections that ping more often than every five minutes unless told otherwise; SDK clients do.
_OPTIONS = (
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)


async def serve(behaviour: Behaviour, *, port: int) -> None:
    """Serve on the loopback interface until stdin ends. First line of output: the port; last: counts as JSON."""
    frontend = Frontend(behaviour)
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers(frontend.handlers())
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    # What is loaded by now stays: the collector need not look at it again.
    gc.freeze()
    print(bound, flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1 << 16):
        pass
    await server.stop(grace=None)
    print(json.dumps(frontend.counts), flush=True)


def _pause(text: str) -> tuple[float, float]:
    after, _, length = text.partition(":")
    return parse_duration_s(after), parse_duration_s(length)


def _behaviour(options: argparse.Namespace) -> Behaviour:
    return Behaviour(
        service_time_s=options.service_time,
        service_time_cv=options.service_time_cv,
        servers=options.servers,
        refuse_ratio=options.refuse,
        lose_ratio=options.lose_acknowledgements,
        pauses_s=tuple(options.pause),
        pause_every_s=options.pause_every[0],
        pause_for_s=options.pause_every[1],
        worker_identity=options.worker_identity,
        namespaces=tuple(options.namespaces),
        retain=options.retain,
        seed=options.seed,
    )


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and serve."""
    defaults = Behaviour()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.frontend", description="a Temporal frontend of known behaviour"
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0: a free one")
    parser.add_argument("--service-time", type=parse_duration_s, default=0.0, help="how long an execution is served")
    parser.add_argument(
        "--service-time-cv", type=float, default=0.0, help="standard deviation of service times / mean (log-normal)"
    )
    parser.add_argument("--servers", type=int, help="executions served at a time (default: any number)")
    parser.add_argument(
        "--refuse", type=parse_ratio, default=0.0, help="ratio of starts refused with RESOURCE_EXHAUSTED"
    )
    parser.add_argument(
        "--lose-acknowledgements", type=parse_ratio, default=0.0, help="ratio accepted but answered UNAVAILABLE"
    )
    parser.add_argument(
        "--pause",
        type=_pause,
        action="append",
        default=[],
        metavar="AFTER:FOR",
        help="answer nothing for a while, counted from the first start that is no probe; repeatable",
    )
    parser.add_argument(
        "--pause-every",
        type=_pause,
        default=(0.0, 0.0),
        metavar="MEAN:FOR",
        help="answer nothing for a while by chance, with exponential gaps of this mean",
    )
    parser.add_argument("--worker-identity", default="", help="identity of the poller of every task queue")
    parser.add_argument("--namespaces", nargs="*", default=list(defaults.namespaces), help="namespaces that exist")
    parser.add_argument("--retain", type=int, default=defaults.retain, help="closed executions kept")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of everything by chance")
    options = parser.parse_args(arguments)
    asyncio.run(serve(_behaviour(options), port=options.port))


if __name__ == "__main__":
    main()
