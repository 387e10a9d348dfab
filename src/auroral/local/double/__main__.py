"""`python -m auroral.local.double --directory D`: run a double until stdin closes or SIGTERM comes.

Prints one line of JSON when it is ready (`server.Announcement`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from auroral.errors import AuroralError
from auroral.local.double.server import DsqlDouble
from auroral.local.double.settings import DoubleSettings


def main(arguments: list[str]) -> int:
    """Run until told to end; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m auroral.local.double", description=__doc__)
    parser.add_argument("--directory", type=Path, help="where data and certificates are kept (default: temporary)")
    parser.add_argument("--port", type=int, default=0, help="of the double (default: a free one)")
    parser.add_argument("--control-port", type=int, default=0, help="of the control endpoint (default: a free one)")
    parser.add_argument("--durable", action="store_true", help="survive a crash of the machine (fsync)")
    parser.add_argument("--most-sessions", type=int, default=400, help="PostgreSQL's own room (default: 400)")
    parser.add_argument(
        "--locks",
        choices=("documented", "measured"),
        default="documented",
        help="FOR UPDATE only with equality on the whole key, as AWS documents, or on anything, as measured",
    )
    parser.add_argument("--settings", default="{}", metavar="JSON", help="fields of DoubleSettings")
    chosen = parser.parse_args(arguments)
    try:
        settings = msgspec.json.decode(chosen.settings, type=DoubleSettings)
    except (msgspec.MsgspecError, ValueError) as error:
        parser.error(f"--settings: {error}")
    double = DsqlDouble(
        chosen.directory,
        port=chosen.port,
        control_port=chosen.control_port,
        settings=settings,
        durable=chosen.durable,
        documented_locks=chosen.locks == "documented",
        most_sessions=chosen.most_sessions,
    )
    try:
        asyncio.run(_run(double))
    except AuroralError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    return 0


async def _run(double: DsqlDouble) -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    loop.add_signal_handler(signal.SIGINT, ending.set)
    threading.Thread(target=_end_with_stdin, args=(loop, ending), daemon=True).start()
    async with double:
        sys.stdout.write(msgspec.json.encode(double.announcement()).decode() + "\n")
        sys.stdout.flush()
        await ending.wait()


def _end_with_stdin(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(ending.set)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
