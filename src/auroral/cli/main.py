"""The command `auroral`: commands by name, errors to messages, messages to exit codes."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys

import click

from auroral import __version__
from auroral.cli.command import Group
from auroral.cli.process import Process, unwritable_stdout
from auroral.errors import AuroralError, ExitCode

COMMANDS = {
    "bench": ("auroral.cli.bench:bench", "Load a Temporal cluster and say what it carried."),
    "schema": ("auroral.cli.schema:schema", "Make Temporal's schema on Aurora DSQL, and say how it is."),
    "visibility": ("auroral.cli.visibility:visibility", "Make Temporal's visibility index on OpenSearch."),
    "local": ("auroral.cli.local:local", "Run a production-shaped cluster on this machine."),
    "capacity": ("auroral.cli.capacity:capacity", "Plan a cluster, its budget and its cost."),
    "infra": ("auroral.cli.infra:infra", "Run Terraform for the deployment, and check it."),
    "dsql": ("auroral.cli.dsql:dsql", "Look at a cluster of Aurora DSQL."),
    "doctor": ("auroral.cli.doctor:doctor", "Check what a person needs before starting."),
    "cluster": ("auroral.cli.cluster:cluster", "Operate a deployed cluster."),
    "dashboards": ("auroral.cli.dashboards:dashboards", "Build dashboards and rules, and check that they have data."),
    "images": ("auroral.cli.images:images", "Build the container images, and bring them into ECR."),
    "secrets": ("auroral.cli.secrets:secrets", "Make what a deployment needs and no state holds."),
}

root = Group(
    "auroral",
    lazy=COMMANDS,
    help="Run Temporal on Amazon Aurora DSQL, and prove how much it carries.",
    epilog="Exit codes: 0 done and passed, 1 a threshold or check failed, 2 wrong usage or configuration, "
    "3 target unreachable or unhealthy, 4 interrupted, 5 inconclusive, 70 a bug in auroral.",
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

click.version_option(__version__, message="auroral %(version)s")(root)


def entry_point() -> None:
    """Run the command line of this process and exit with its status.

    SIGTERM and SIGHUP interrupt as SIGINT does, from the first moment: whoever stops a container sends the one, a
    terminal that is closed the other, which `nohup` ignores.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    process = Process.current()
    code = run(process)
    process.end(code)
    if "temporalio.bridge.temporal_sdk_bridge" not in sys.modules:
        sys.exit(code)
    # Threads of the SDK's core may call Python while the interpreter ends, which then aborts the process ("Fatal
    # Python error: PyGILState_Release", seen with SDK 1.35 after a failed connect).
    with contextlib.suppress(OSError, ValueError):
        process.stdout.flush()
    process.stderr.flush()
    os._exit(code)


def run(process: Process) -> int:
    """Run one command line; return its exit code. Nothing is raised but what ends the interpreter."""
    try:
        with contextlib.redirect_stdout(process.stdout), contextlib.redirect_stderr(process.stderr):
            status = root.main(
                list(process.argv), "auroral", standalone_mode=False, obj=process, terminal_width=process.width
            )
            return int(status or ExitCode.OK)
    except AuroralError as error:
        process.err(f"error: {error}")
        return error.exit_code
    except click.ClickException as error:
        process.err(f"error: {error.format_message()}{_usage_hint(error)}")
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        process.err("interrupted")
        return ExitCode.INTERRUPTED
    except (BrokenPipeError, SystemExit):  # click answers a closed pipe with sys.exit, and nothing else here exits
        process.close_stdout()
        return ExitCode.OK
    except Exception as error:
        return _unforeseen(process, error)


def _unforeseen(process: Process, error: Exception) -> ExitCode:
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:  # click prints help itself
        process.close_stdout()
        told = unwritable_stdout(error)
        process.err(f"error: {told}")
        return told.exit_code
    process.err(_bug(error))
    return ExitCode.BUG


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"\n  hint: {context.command_path} --help" if context is not None else ""


def _bug(error: Exception) -> str:
    """Say that auroral failed, and keep the traceback in a file that can be sent."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    head = f"error: this is a bug in auroral: {type(error).__name__}: {error}"
    try:
        with tempfile.NamedTemporaryFile("w", prefix="auroral-", suffix=".txt", delete=False, encoding="utf-8") as file:
            file.write(f"auroral {__version__}, Python {sys.version}\n{text}")
    except OSError:
        return f"{head}\n{text}"
    return f"{head}\n  the traceback is in {file.name}\n  hint: please report it with that file"
