"""The Session Manager plugin as a child process: found, started with a session in its environment, ended. Acts."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import IO, Any

from auroral.ecs.session.plan import (
    INSTALL_HINT,
    PLUGIN,
    RESPONSE,
    Session,
    check_version,
    endpoint_of,
    plugin_arguments,
)
from auroral.errors import UsageError

VERSION_TIMEOUT_S = 10.0
END_S = 3.0
"""How long the plugin has to tell the other side, before it is ended less kindly."""


class Plugin:
    """The plugin of this machine."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Raises `UsageError` where it is not there, or too old."""
        found = shutil.which(PLUGIN, path=environ.get("PATH"))
        if found is None:
            raise UsageError(f"{PLUGIN} is not on PATH: sessions into the cluster need it", hint=INSTALL_HINT)
        self._program = found
        self._environ = dict(environ)
        self.version = check_version(self._asked())

    def arguments(self, request: Mapping[str, Any], *, region: str, profile: str | None) -> list[str]:
        """The command line of a session. It has no secret."""
        endpoint = endpoint_of(region, self._environ)
        return [self._program, *plugin_arguments(request, region=region, profile=profile, endpoint=endpoint)]

    def start(
        self,
        session: Session,
        arguments: list[str],
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        apart: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start it. `apart`: in a process group of its own, which a terminal's Ctrl-C does not reach.

        Raises `UsageError` where it cannot be started.
        """
        try:
            return subprocess.Popen(
                arguments,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.STDOUT if stdout == subprocess.PIPE else None,
                env={**self._environ, RESPONSE: session.response()},
                process_group=0 if apart else None,
            )
        except OSError as error:
            raise UsageError(f"{self._program} cannot be started: {error.strerror}", hint=INSTALL_HINT) from error

    def _asked(self) -> str:
        try:
            asked = subprocess.run(
                [self._program, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=VERSION_TIMEOUT_S,
                env=self._environ,
                check=False,
            )
        except OSError as error:
            raise UsageError(f"{self._program} cannot be started: {error.strerror}", hint=INSTALL_HINT) from error
        except subprocess.TimeoutExpired as error:
            raise UsageError(
                f"{self._program} --version does not answer within {VERSION_TIMEOUT_S:g} s", hint=INSTALL_HINT
            ) from error
        return asked.stdout.decode(errors="replace")


def end(child: subprocess.Popen[bytes]) -> None:
    """End the plugin: as Ctrl-C does, which tells the other side; then as a process. It is reaped."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if child.poll() is None:
                child.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(END_S)
    finally:  # whoever presses Ctrl-C again waits no longer
        if child.poll() is None:
            child.kill()
            child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


@contextlib.contextmanager
def keys_for_the_child() -> Iterator[None]:
    """Let Ctrl-C, Ctrl-\\ and Ctrl-Z belong to the child: they reach both of a terminal's foreground group.

    Handlers that do nothing, where the AWS CLI ignores them: what is ignored stays so in a child, and the plugin could
    not be stopped before it has handlers of its own.
    """

    def nothing(_number: int, _frame: FrameType | None) -> None:
        return

    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)}
    try:
        for number in kept:
            signal.signal(number, nothing)
    except ValueError:  # not the main thread: whoever owns it has its own handlers
        yield
        return
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def terminal_kept(stream: IO[Any] | None = None) -> Iterator[None]:
    """Leave stdin's terminal as it was: the plugin switches its echo off, and may be killed before it is on again."""
    import termios

    try:
        descriptor = (stream or sys.stdin).fileno()
        before = termios.tcgetattr(descriptor)
    except (AttributeError, OSError, ValueError, termios.error):
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
