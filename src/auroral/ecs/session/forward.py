"""A port of a running task on this machine, through Session Manager. Acts."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from auroral.aws_account import Account, AwsError
from auroral.aws_calls import Kind
from auroral.ecs.fleet import Fleet
from auroral.ecs.session.exec import Closing, find_target, opened
from auroral.ecs.session.plan import Target, forward_call, remote_port_of, service_of
from auroral.ecs.session.plugin import Plugin, end
from auroral.ecs.waiter import Patience, Waiter
from auroral.errors import AuroralError, TargetError, UsageError

OPEN_TIMEOUT_S = 30.0
LOOK_S = 15.0
"""Between two looks at the task: the plugin does not always notice that its other side is gone."""
STEP_S = 0.5
WEB_S = 10.0
WORDS_S = 1.0
"""For the plugin's words on a connection that failed: its end of the connection is often seen before them."""
_OPENED = re.compile(r"Port (\d+) opened for session")
_REFUSED = ("Cannot perform start session:", "Connection to destination port failed")


class Tunnel:
    """A port of a task, open on this machine."""

    def __init__(
        self,
        account: Account,
        target: Target,
        plugin: Plugin,
        *,
        remote_port: int,
        local_port: int,
        timeout_s: float = OPEN_TIMEOUT_S,
    ) -> None:
        """Open it; local port 0 is a free one.

        Raises `UsageError` where the port is in use, `TargetError` where it does not open in time, `AwsError`.
        """
        check_free(local_port)
        self.target = target
        self.port = local_port
        self._said: list[str] = []
        self._changed = threading.Condition()
        self._over = False
        call = forward_call(target, remote_port, local_port)
        session = opened(account, call, target)
        self._closing = Closing(account, session)
        self._child: subprocess.Popen[bytes] | None = None
        try:
            arguments = plugin.arguments(dict(call.arguments), region=account.region, profile=account.profile)
            self._child = plugin.start(session, arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, apart=True)
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
            self.port = self._await(timeout_s)
            self._answers(timeout_s)
        except BaseException:
            self.close()
            raise

    @property
    def open(self) -> bool:
        """Whether the plugin still runs."""
        return self._child is not None and self._child.poll() is None

    def words(self, within_s: float = 0.0) -> str:
        """What the plugin said of its end, or of a connection that failed; empty where nothing within that time."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._told(), within_s)
            told = self._told()
        return told[-1] if told else ""

    def _told(self) -> list[str]:
        return [line for line in self._said if line.startswith(_REFUSED) or line.startswith("SessionId:")]

    def close(self) -> None:
        """End the plugin, and the session at AWS's side."""
        try:
            if self._child is not None:
                end(self._child)
                self._reader.join(1.0)
        finally:
            self._closing.__exit__()

    def _await(self, timeout_s: float) -> int:
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for line in self._said:
                    if found := _OPENED.search(line):
                        return int(found[1])
                left_s = until_s - time.monotonic()
                if self._over or left_s <= 0:
                    break
                self._changed.wait(left_s)
        where = f"task {self.target.task_id} of {self.target.service}"
        said = self.words() or " ".join(self._said[-2:])
        if not self._over:
            raise TargetError(f"the port to {where} did not open within {timeout_s:g} s: {said or 'nothing was said'}")
        raise TargetError(f"the session to {where} ended at once: {said or 'nothing was said'}")

    def _answers(self, timeout_s: float) -> None:
        try:
            socket.create_connection(("localhost", self.port), timeout_s).close()
        except OSError as error:
            raise TargetError(f"the local port {self.port} does not answer: {error.strerror or error}") from error

    def _read(self) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for raw in self._child.stdout:
                line = "".join(filter(str.isprintable, raw.decode(errors="replace"))).strip()
                with self._changed:
                    self._said = [*self._said[-50:], line] if line else self._said
                    self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()


def check_free(port: int) -> None:
    """Raises `UsageError` where a local port cannot be had."""
    if port == 0:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UsageError(
                    f"the local port {port} is in use", hint="--port 0 takes a free one, --port N another one"
                ) from error
            raise UsageError(
                f"the local port {port} cannot be had: {error.strerror}", hint="--port 0 takes a free one"
            ) from error


def web_answers(port: int, timeout_s: float = WEB_S) -> bool:
    """Whether a web server answers behind a local port, whatever it says."""
    asked = http.client.HTTPConnection("localhost", port, timeout=timeout_s)
    try:
        asked.request("GET", "/", headers={"Connection": "close"})
        asked.getresponse().read(1)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
    return True


@contextlib.contextmanager
def forwarded(
    account: Account,
    fleet: Fleet,
    service: str,
    *,
    remote_port: int | None = None,
    local_port: int = 0,
    task: str | None = None,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = OPEN_TIMEOUT_S,
) -> Iterator[int]:
    """The local port of a service's port, for as long as the context lasts.

    Raises `UsageError` where the plugin is missing or a port is unknown or in use, `TargetError`, `AwsError`.
    """
    port = remote_port_of(service_of(fleet, service), remote_port)
    plugin = Plugin(os.environ if environ is None else environ)
    target = find_target(account, fleet, service, task=task)
    tunnel = Tunnel(account, target, plugin, remote_port=port, local_port=local_port, timeout_s=timeout_s)
    try:
        yield tunnel.port
    finally:
        tunnel.close()


def until_over(
    account: Account,
    tunnel: Tunnel,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
) -> str:
    """Wait for the end of a tunnel, and say why it came. Raises `AwsError` where AWS can no longer be asked."""
    looked_s = now_s()
    while tunnel.open:
        sleep(STEP_S)
        if now_s() - looked_s < LOOK_S:
            continue
        looked_s = now_s()
        if gone := _gone(account, tunnel.target):
            return gone
    return tunnel.words() or "the session ended"


def kept(
    account: Account,
    fleet: Fleet,
    service: str,
    plugin: Plugin,
    *,
    remote_port: int,
    local_port: int,
    again_s: float,
    opened: Callable[[Tunnel], None],
    say: Callable[[str], None],
    task: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
) -> str:
    """Hold a port open, and open it again towards a new task where that is asked for, until `again_s` have gone by
    without one; 0: never again. Returns why it is over.

    Raises what opening it raises at first, `AwsError` where no credentials are left.
    """
    port, waiter, first = local_port, Waiter(Patience(deadline_s=again_s), now_s()), True
    while True:
        try:
            target = find_target(account, fleet, service, task=task if first else None)
            tunnel = Tunnel(account, target, plugin, remote_port=remote_port, local_port=port)
        except (TargetError, UsageError) as error:
            if first or _hopeless(error):
                raise
            reason = error.message
        else:
            try:
                port, first = tunnel.port, False
                opened(tunnel)
                reason = until_over(account, tunnel, sleep=sleep, now_s=now_s)
            finally:
                tunnel.close()
            waiter = Waiter(Patience(deadline_s=again_s), now_s())
        wait_s = waiter.wait_s(now_s())
        if wait_s is None:
            return reason
        say(f"{reason}; opening it again")
        sleep(wait_s)


def _hopeless(error: AuroralError) -> bool:
    return isinstance(error, AwsError) and error.failure.kind in (Kind.EXPIRED, Kind.DENIED)


def _gone(account: Account, target: Target) -> str:
    """Why the task can no longer be reached; empty where it runs, or where that cannot be asked now."""
    try:
        answer = account.call("ecs", "describe_tasks", cluster=target.cluster, tasks=[target.task_arn])
    except AwsError as error:
        if error.failure.passes:
            return ""
        raise
    found = answer.get("tasks") or ()
    status = str(found[0].get("lastStatus", "")) if found else "gone"
    return "" if status == "RUNNING" else f"task {target.task_id} of {target.service} is {status.lower()}"
