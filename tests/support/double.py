"""A double of DSQL in a process of its own, and the environment by which our Go programs reach it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import msgspec

from auroral.local.double.client import Control
from auroral.local.double.server import Announcement


@contextlib.contextmanager
def running_double(settings: Mapping[str, float] | None = None) -> Iterator[tuple[Announcement, Control]]:
    """Start one, and end it."""
    command = [sys.executable, "-m", "auroral.local.double", "--settings", msgspec.json.encode(settings or {}).decode()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            announcement = msgspec.json.decode(process.stdout.readline(), type=Announcement)
            yield announcement, Control(announcement.control_url)
        finally:
            process.stdin.close()
            process.wait(30)


def environment_of(announcement: Announcement, database: str = "postgres") -> dict[str, str]:
    """What a program needs to enter as the principal that may be anyone."""
    foreign = ("DSQL_", "AWS_", "TEMPORAL_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        "DSQL_ENDPOINT": announcement.endpoint,
        "DSQL_PORT": str(announcement.port),
        "DSQL_HOST_ADDRESS": announcement.host,
        "DSQL_TLS_CA_FILE": announcement.ca_file,
        "DSQL_DATABASE": database,
        "DSQL_STAGGERED_STARTUP": "false",
        "AWS_ACCESS_KEY_ID": announcement.access_key_id,
        "AWS_SECRET_ACCESS_KEY": announcement.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
