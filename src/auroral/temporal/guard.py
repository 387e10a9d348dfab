"""Run a command that must not outlive whoever started this: `python -m auroral.temporal.guard -- COMMAND…`.

Whoever starts the guard holds the other end of its stdin. When that end closes, however its holder died, the
command is told to end, and killed if it does not. The guard writes the command's process id as one line to
stdout; what the command prints goes to the guard's stderr. It exits with the command's code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

GRACE_S = 10.0
"""How long the command may take to end before it is killed."""


def main(arguments: list[str]) -> int:
    """Run the command until it ends or stdin does; return its exit code, 128 + signal where one ended it."""
    if arguments[:1] != ["--"] or len(arguments) < 2:
        sys.stderr.write("usage: python -m auroral.temporal.guard -- COMMAND…\n")
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    try:
        child = subprocess.Popen(arguments[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr)
    except OSError as error:
        sys.stderr.write(f"cannot run {arguments[1]}: {error.strerror}\n")
        return 127
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.close()
    threading.Thread(target=_end_with_stdin, args=(ending,), daemon=True).start()
    threading.Thread(target=_end, args=(child, ending), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _end_with_stdin(ending: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    ending.set()


def _end(child: subprocess.Popen[bytes], ending: threading.Event) -> None:
    ending.wait()
    # A stopped process does not act on SIGTERM until it is continued.
    child.terminate()
    child.send_signal(signal.SIGCONT)
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    # Not sys.exit: a thread still reads stdin, and there is nothing to clean up.
    os._exit(main(sys.argv[1:]))
