"""What the plugin's double does: checks what it is given, then runs a command or passes a port on."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"


def main(argv: list[str], version: str) -> None:
    if argv[1:] == ["--version"]:
        print(version)
        return
    session, work = _checked(argv)
    say(f"\nStarting session with SessionId: {session['SessionId']}\n")
    if work["mode"] == "refused":
        say("Cannot perform start session: EOF\n")
    elif "command" in work:
        _command(session["SessionId"], work["command"], work["mode"])
    else:
        _port(session["SessionId"], work)


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _checked(argv: list[str]) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    """The session, and the work that its file holds. Ends where anything is not as the AWS CLI gives it."""
    if len(argv) != 7:
        _wrong(f"expected 6 arguments, found {argv[1:]}")
    _, variable, region, operation, _, parameters, endpoint = argv
    if (variable, operation) != (VARIABLE, "StartSession"):
        _wrong(f"expected {VARIABLE} … StartSession, found {variable} … {operation}")
    if not region or " " in region:
        _wrong(f"no region: {region!r}")
    if not json.loads(parameters)["Target"].startswith("ecs:"):
        _wrong(f"no target: {parameters}")
    if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
        _wrong(f"no endpoint: {endpoint}")
    session = json.loads(os.environ.pop(VARIABLE))
    if set(session) != {"SessionId", "TokenValue", "StreamUrl"}:
        _wrong(f"expected a session, found {sorted(session)}")
    if session["TokenValue"] in " ".join(argv):
        _wrong("the token is among the arguments")
    work = json.loads(Path(urlsplit(session["StreamUrl"]).path).read_text())
    if session["TokenValue"] != work["token"]:
        _wrong("another session's token")
    return session, work


def _wrong(what: str) -> NoReturn:
    print(f"Cannot perform start session: {what}", flush=True)
    sys.exit(9)


def _command(session: str, command: str, mode: str) -> None:
    """Run it in a terminal, as the agent does, which splits its text as a shell would."""
    child, terminal = pty.fork()
    if child == 0:
        words = shlex.split(command)
        try:
            os.execvp(words[0], words)
        except OSError as error:
            print(f"unable to start command: {error.strerror}", flush=True)
            os._exit(1)
    signal.signal(signal.SIGINT, lambda *_: os.write(terminal, b"\x03"))
    began_s = time.monotonic()
    watched = [terminal, 0]
    while True:
        if mode == "breaks off" and time.monotonic() - began_s > 0.4:
            os.kill(child, signal.SIGKILL)
            say(f"\n\nSessionId: {session} : the connection was lost\n\n")
            return
        ready, _, _ = select.select(watched, [], [], 0.1)
        if 0 in ready:
            data = os.read(0, 4096)
            if not data:  # the real one ends here, and what was not printed by then is lost
                os.kill(child, signal.SIGKILL)
                say("Cannot perform start session: EOF\n")
                return
            os.write(terminal, data)
        if terminal in ready:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            os.write(1, data)
    os.waitpid(child, 0)
    say(f"\n\nExiting session with sessionId: {session}.\n\n")
    if mode == "stays":
        time.sleep(60)


def _port(session: str, work: Mapping[str, Any]) -> None:
    def stop(*_: object) -> None:
        os.write(1, b"Terminate signal received, exiting.\n")
        os._exit(0)

    signal.signal(signal.SIGINT, signal.SIG_IGN if work["mode"] == "deaf" else stop)
    if work["mode"] == "silent":
        time.sleep(60)
    try:
        listener = socket.create_server(("127.0.0.1", work["listen"]))
    except OSError as error:
        say(f"Cannot perform start session: listen tcp 127.0.0.1:{work['listen']}: bind: {error.strerror}\n")
        return
    say(f"Port {listener.getsockname()[1]} opened for sessionId {session}.\nWaiting for connections...\n")
    if work["mode"] == "ends":
        threading.Timer(0.6, _time_out, (session,)).start()
    while True:
        here, _ = listener.accept()
        try:
            there = socket.create_connection(("127.0.0.1", work["to"]))
        except OSError:
            say("\nConnection to destination port failed, check SSM Agent logs.\n")
            here.close()
            continue
        for source, sink in ((here, there), (there, here)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _time_out(session: str) -> None:
    os.write(1, f"\n\nSessionId: {session} : Session timed out\n\n".encode())
    os._exit(0)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        sink.close()
