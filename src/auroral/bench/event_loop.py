"""The event loop of the processes of a run: uvloop's where it is installed, else asyncio's own.

What wakes a loop often pays for each of its rounds: uvloop's took 17 % of the CPU of generator and worker at 40
workflows a second. It has none for Windows, where asyncio's does.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Coroutine
from typing import Any

NAME = "uvloop" if importlib.util.find_spec("uvloop") is not None else "asyncio"
"""The loop that `run` takes."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it to its end on a new loop. Raises what it raises."""
    if NAME == "uvloop":
        importlib.import_module("uvloop").run(main)
    else:
        asyncio.run(main)
