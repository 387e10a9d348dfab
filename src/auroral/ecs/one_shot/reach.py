"""Whether an address of the network can be reached from here. Acts."""

from __future__ import annotations

import queue
import socket
import threading

TIMEOUT_S = 3.0
"""For resolving and connecting together."""


def why_not(host: str, port: int, *, timeout_s: float = TIMEOUT_S) -> str:
    """Why no TCP connection opens to it from here; empty where one does."""
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    # Resolvers hear no deadline: a thread is left behind to one that does not answer.
    threading.Thread(target=lambda: answers.put(_try(host, port, timeout_s)), daemon=True).start()
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return f"{host}:{port} does not answer here within {timeout_s:g} s"


def _try(host: str, port: int, timeout_s: float) -> str:
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return ""
    except socket.gaierror:
        return f"{host} does not resolve here"
    except TimeoutError:
        return f"{host}:{port} does not answer here within {timeout_s:g} s"
    except (OSError, UnicodeError) as error:
        told = getattr(error, "strerror", None) or str(error)
        return f"{host}:{port} cannot be reached from here: {told}"
