"""Run docker: its output passes through, an interrupt is passed on, and what failed is said. Acts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from auroral.errors import InterruptedRunError, TargetError

_KILL_AT = 3
"""The interrupt that ends docker at once; buildx itself gives up at its third."""


class Docker:
    """Docker in one folder. Runs that a person waits for show what docker says, as it comes."""

    def __init__(
        self,
        program: str,
        folder: Path,
        environ: Mapping[str, str],
        show: Callable[[str], None],
        screen: int | None = None,
    ) -> None:
        """`screen` is a descriptor that docker may draw on; without one its lines go to `show`."""
        self._program = program
        self._folder = folder
        self._environ = dict(environ)
        self._show = show
        self._screen = screen

    def run(self, line: Sequence[str], what: str) -> None:
        """Run it to its end. Raises `TargetError`, or `InterruptedRunError` after an interrupt."""
        stream = self._screen if self._screen is not None else subprocess.PIPE
        with self._started(line, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT) as process:
            code = self._wait(process, what, self._pass_on)
        if code != 0:
            raise TargetError(
                f"{what} failed: docker ended with status {code}", hint="why is in docker's own words, above"
            )

    def answer(self, line: Sequence[str], what: str, *, hint: str = "") -> str:
        """Run a short command whose stdout is the answer. Raises the same."""
        return self._talk(line, what, "", hint)

    def tell(self, line: Sequence[str], what: str, secret: str) -> None:
        """Run a short command that reads a secret from stdin. Raises the same; the secret is in no message."""
        self._talk(line, what, secret, "")

    def _talk(self, line: Sequence[str], what: str, told: str, hint: str) -> str:
        said: list[str] = []
        untold = [told]

        def exchange(process: subprocess.Popen[str]) -> None:
            # After an interrupt `communicate` goes on, and takes no second input.
            said[:] = process.communicate(untold.pop() if untold else None)

        with self._started(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            code = self._wait(process, what, exchange)
        if code != 0:
            words = " ".join(said[1].split())[-300:] or "without a word"
            if told:
                words = words.replace(told, "[hidden]")
            raise TargetError(f"{what} failed: docker ended with status {code}: {words}", hint=hint)
        return said[0]

    def _started(self, line: Sequence[str], *, stdin: int, stdout: int, stderr: int) -> subprocess.Popen[str]:
        """In a process group of its own: a terminal's Ctrl-C reaches it through us alone."""
        try:
            return subprocess.Popen(
                [self._program, *line[1:]],
                cwd=self._folder,
                env=self._environ,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise TargetError(f"{self._program} cannot be run: {error.strerror}") from error

    def _pass_on(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is not None:
            for text in process.stdout:
                self._show(text.rstrip("\n"))

    def _wait(self, process: subprocess.Popen[str], what: str, talk: Callable[[subprocess.Popen[str]], None]) -> int:
        """Talk, and wait for the end; pass interrupts on to the whole group.

        The client leaves it to the terminal to interrupt its plugins, so that the client alone would not do.
        """
        interrupts = 0
        while True:
            try:
                talk(process)
                code = process.wait()
                break
            except KeyboardInterrupt:
                interrupts += 1
                last = interrupts >= _KILL_AT
                self._show(f"interrupted; docker is {'killed' if last else 'told, and ends what it has begun'}")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL if last else signal.SIGINT)
        if interrupts:
            raise InterruptedRunError(f"{what} was interrupted")
        return code
