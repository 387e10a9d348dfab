"""The end of a run whose results go to object storage: send them, else write the document into the log.

Whatever fails here is told, and changes neither the run's files nor its exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from auroral.aws_settings import region_of
from auroral.bench import log_document, object_place
from auroral.bench.result import Result, encode
from auroral.cli.process import Process
from auroral.errors import AuroralError
from auroral.units import format_size

if TYPE_CHECKING:
    from auroral.bench.delivery import Storage

STOP_S = 75.0
"""After SIGTERM a run whose results must leave the machine stops at once: ECS kills a task 120 s after SIGTERM at most
(`stopTimeout`, ECS API Reference, `ContainerDefinition`), and the results need the rest."""


def send(process: Process, url: str, result: Result, directory: Path) -> bool:
    """Send a run's files; whether they arrived. Where they did not, the result document is in the log."""
    from auroral.bench.delivery import deliver

    run_id = result.manifest.run_id
    try:
        delivered = deliver(_storage(process), object_place.parse(url), run_id, directory)
    except AuroralError as error:
        process.err(f"warning: the results were not sent to {url}{run_id}/: {error}")
        process.err("the result document follows, for `auroral bench remote results` to read from the log")
        for line in log_document.encode(run_id, encode(result)):
            process.err(line)
        return False
    process.err(f"sent: {delivered.files} files, {format_size(delivered.size)}, to {delivered.url}")
    return True


def _storage(process: Process) -> Storage:
    """Raises `UsageError`."""
    from auroral.aws_account import AwsAccount

    environ = process.environ
    region = region_of(environ)
    return AwsAccount(region=region, profile=environ.get("AWS_PROFILE") or None)
