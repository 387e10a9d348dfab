"""What the commands of `auroral local` do: the cluster's package acts, these print."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError
from auroral.json_document import json_text

if TYPE_CHECKING:
    from auroral.local.detached import Standing
    from auroral.local.state import ClusterState, ProcessState

_FOLLOW_S = 0.2


def up(
    process: Process,
    *,
    database: str,
    history: int,
    history_shards: int | None,
    pool_size: int,
    port: int | None,
    namespace: str,
    dynamic_config: tuple[str, ...],
    conflicts: float,
    seed: int,
    directory: str | None,
) -> ExitCode:
    """Start a cluster, and say where it is and what to type next."""
    from auroral.local import detached
    from auroral.local.cluster import usual_frontend_port
    from auroral.local.dynamic import parse_assignment
    from auroral.local.plan import ClusterOptions, Database
    from auroral.local.ports import is_free

    if port is not None and not is_free(port):
        raise UsageError(f"port {port} of 127.0.0.1 is taken", hint="name another, or leave --port out")
    options = ClusterOptions(
        database=Database(database),
        histories=history,
        history_shards=history_shards,
        pool_size=pool_size,
        namespace=namespace,
        frontend_port=port if port is not None else usual_frontend_port(),
        dynamic_config=dict(map(parse_assignment, dynamic_config)),
        conflicts=conflicts,
        seed=seed,
    )
    folder = _folder(directory)
    state = asyncio.run(detached.up(folder, options, report=process.err, environ=process.environ))
    process.out(addresses(state, folder, given=directory))
    return ExitCode.OK


def status(process: Process, directory: str | None, *, as_json: bool) -> ExitCode:
    """Print how every process is. Unhealthy ones are named, and make the exit code 1."""
    from auroral.local import detached

    folder = _folder(directory)
    found = asyncio.run(detached.standing(folder))
    if as_json:
        document = {"up": found is not None, "directory": str(folder)}
        if found is not None:
            document |= msgspec.to_builtins(found)
        process.document(json_text(document))
    elif found is None:
        process.out(f"no local cluster is up in {folder}")
    else:
        process.out(table(found))
    if found is None or found.unhealthy:
        return ExitCode.FAILED
    return ExitCode.OK


def logs(process: Process, directory: str | None, services: tuple[str, ...], *, follow: bool, lines: int) -> ExitCode:
    """Print the end of the logs and, where asked, what is written after it."""
    from auroral.local import detached

    chosen = detached.chosen_logs(_folder(directory), services)
    offsets = {}
    for name, path in chosen.items():
        data = path.read_bytes()
        offsets[name] = len(data)
        _print(process, name, data.decode(errors="replace").splitlines()[-lines:] if lines else [], len(chosen))
    while follow and not process.stdout_closed:
        time.sleep(_FOLLOW_S)
        for name, path in chosen.items():
            written, offsets[name] = _written_since(path, offsets[name])
            _print(process, name, written, len(chosen))
    return ExitCode.OK


def down(process: Process, directory: str | None) -> ExitCode:
    """End the cluster, if there is one."""
    from auroral.local import detached

    folder = _folder(directory)
    was_up = asyncio.run(detached.down(folder, report=process.err))
    process.out("the local cluster has ended" if was_up else f"no local cluster is up in {folder}")
    return ExitCode.OK


def addresses(state: ClusterState, folder: Path, *, given: str | None) -> str:
    """Where a cluster is, and what to type next."""
    options = state.options
    servers = [process.server for process in state.processes if process.server is not None]
    lines = [
        f"frontend      {state.address}",
        f"namespace     {options.namespace}",
        f"database      {options.database}, {options.shards} shards",
        *(f"metrics       {server.metrics_url}  {server.name}" for server in servers),
        f"scrape list   {folder / 'scrape.json'}",
    ]
    if state.control_url:
        lines.append(f"double        {state.control_url}")
    where = f" --directory {given}" if given is not None else ""
    load = f"--address {state.address}" if given is not None else "--local"
    return "\n".join(
        [
            *lines,
            "",
            f"load it:      auroral bench run {load} --namespace {options.namespace}",
            f"look at it:   auroral local status{where}",
            f"end it:       auroral local down{where}",
        ]
    )


def table(found: Standing) -> str:
    """A line for each process."""
    state = found.state
    rows = [("process", "pid", "address", "metrics", "health")]
    rows += [
        (one.name, str(one.pid), one.address, _metrics(one), found.unhealthy.get(one.name, "serves"))
        for one in state.processes
    ]
    others = [
        f"{name}: {why}" for name, why in found.unhealthy.items() if name not in {one.name for one in state.processes}
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *others])


def _metrics(one: ProcessState) -> str:
    return one.server.metrics_url if one.server is not None else "-"


def _folder(directory: str | None) -> Path:
    from auroral.local.state import default_directory

    if directory is not None and not directory.strip():
        raise UsageError("expected a directory after --directory, not ''")
    return Path(directory).absolute() if directory is not None else default_directory()


def _written_since(path: Path, offset: int) -> tuple[list[str], int]:
    """Whole lines written since, and the offset behind them. A log that became shorter is read from its start."""
    size = path.stat().st_size if path.exists() else 0
    if size < offset:
        offset = 0
    if size == offset:
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), offset + len(whole)


def _print(process: Process, name: str, lines: Iterable[str], logs: int) -> None:
    text = "\n".join(f"{name} | {line}" if logs > 1 else line for line in lines)
    if text:
        process.out(text)
