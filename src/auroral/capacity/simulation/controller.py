"""What reacts to a simulated cluster while it runs: a deployment, an autoscaler. Pure.

A controller is called back and acts through the world; `World` is implemented by the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from auroral.capacity.simulation.spec import ProcessSpec
from auroral.capacity.simulation.timeline import Action


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """A process at one moment."""

    spec: ProcessSpec
    started_s: float
    warm: bool
    """It serves."""
    stopping: bool
    usable: int
    """Connections that are open and not dead, of all its pools."""
    target: int


class World(Protocol):
    """The simulation as a controller sees it."""

    @property
    def now_s(self) -> float:
        """Simulated time."""

    def running(self, service: str = "") -> list[ProcessState]:
        """Processes that have started and not ended, in the order of their start; those that drain included."""

    def act(self, action: Action) -> None:
        """Do this now, or at its time where that is later."""

    def call_at(self, at_s: float, call: Callable[[], None]) -> None:
        """Call back then (at once in simulated time where that has passed)."""

    def note(self, text: str) -> None:
        """Put a line among the events, for who reads about a violation."""


class Controller:
    """Does nothing; a subclass overrides what it wants to hear of."""

    def begin(self, world: World) -> None:
        """The simulation begins; its processes have not started yet."""

    def warm(self, world: World, process: ProcessSpec) -> None:
        """A process has warmed its pools and serves from now on."""

    def failed(self, world: World, process: ProcessSpec) -> None:
        """A process could open no connection and ended. It is started again by itself after its `restart_after_s`."""

    def ended(self, world: World, process: ProcessSpec) -> None:
        """A process that was stopped has closed its connections."""
