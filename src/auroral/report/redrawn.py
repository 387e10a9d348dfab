"""A view that redraws itself in a terminal for as long as it is entered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

State = TypeVar("State")


class Redrawn(ABC, Generic[State]):
    """Shows a state that its methods replace; use it as a context manager around the work."""

    per_second: float
    """How often it is drawn."""

    def __init__(self, console: Console, state: State) -> None:
        self._console = console
        self._state = state
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.live import Live
        from rich.spinner import Spinner

        spinner = Spinner("dots", style="cyan")

        def render() -> RenderableType:
            return self.drawn(self._state, spinner)

        self._live = Live(console=self._console, get_renderable=render, refresh_per_second=self.per_second)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._state = self.finished(self._state)
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def state(self) -> State:
        """What is shown."""
        return self._state

    @abstractmethod
    def drawn(self, state: State, busy: RenderableType) -> RenderableType:
        """Draw a state, with `busy` beside what is at work."""

    @abstractmethod
    def finished(self, state: State) -> State:
        """Return what stays on the screen once the work has ended well."""
