"""What `async with` starts and ends, and what is ended too where it could not start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Startable(ABC):
    """`async with` starts it and ends it. A start that fails or is cancelled leaves nothing running."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it and wait until it serves. Raises what stopped it from that, once all of it has ended."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    @abstractmethod
    async def stop(self) -> None:
        """End all of it. Harmless where it has ended."""

    @abstractmethod
    async def _start(self) -> None:
        """Start one part after the other; `stop` ends those that are there."""
