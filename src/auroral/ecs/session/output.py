"""What the plugin prints while a marked command runs → the command's own output and its status. Pure."""

from __future__ import annotations

import re

from auroral.ecs.session.plan import begin_mark, exit_mark

KEPT = 4096
"""Bytes of what is not the command's, kept for an error."""

_LAST_WORDS = ("SessionId:", "Session:", "Cannot perform start session:")
"""How the plugin's lines on a session's end begin (`HandleChannelClosedMessage`, `ResumeSessionHandler`)."""


class Output:
    """Takes bytes as they come, gives those of the command back. The remote terminal's line ends become plain ones."""

    def __init__(self, nonce: str) -> None:
        self._begin = re.compile(re.escape(begin_mark(nonce).encode()) + rb"\r?\n")
        self._exit = f"\n{exit_mark(nonce)}".encode()
        self._held = b""
        self._before = b""
        self._after = b""
        self._last = b""
        self.began = False
        self.status: int | None = None

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the command's output."""
        if self.status is not None:
            self._after = (self._after + data)[-KEPT:]
            return b""
        self._held += data
        if not self.began:
            found = self._begin.search(self._held)
            if found is None:
                self._before = self._held = self._held[-KEPT:]
                return b""
            self._before = self._held[: found.start()]
            self._held = self._held[found.end() :]
            self.began = True
        said = self._output()
        self._last = (self._last + said)[-KEPT:]
        return said

    def rest(self) -> bytes:
        """What was held back, where the session ended without the second mark."""
        held, self._held = self._held, b""
        self._last += held
        return _plain(held) if self.began and self.status is None else b""

    def words(self) -> str:
        """What was printed around the command's output, by the plugin or a shell, in one line."""
        text = (self._before + b"\n" + self._after).decode(errors="replace")
        if self.status is None:  # the plugin's last words came in the midst of the command's
            last = self._last.decode(errors="replace")
            text = "\n".join([text, *(line for line in last.splitlines() if line.startswith(_LAST_WORDS))])
        lines = (line.strip() for line in text.splitlines())
        told = (line for line in lines if line and not line.startswith(("Starting session", "Exiting session")))
        return "; ".join(dict.fromkeys("".join(filter(str.isprintable, line)) for line in told))

    def _output(self) -> bytes:
        plain = _plain(self._held)
        at = plain.find(self._exit)
        if at < 0:
            keep = _overlap(plain, self._exit)
            self._held = plain[len(plain) - keep :]
            return plain[: len(plain) - keep]
        end = plain.find(b"\n", at + len(self._exit))
        if end < 0:
            self._held = plain[at:]
            return plain[:at]
        told = plain[at + len(self._exit) : end].strip()
        self.status = int(told) if told.isdigit() else 255
        self._after, self._held = plain[end + 1 :][-KEPT:], b""
        return plain[:at]


def _plain(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def _overlap(data: bytes, mark: bytes) -> int:
    """How many of the last bytes may be the beginning of the mark, or of a line end."""
    for size in range(min(len(mark) - 1, len(data)), 0, -1):
        if mark.startswith(data[-size:]):
            return size
    return 1 if data.endswith(b"\r") else 0
