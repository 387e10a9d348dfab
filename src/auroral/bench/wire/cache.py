"""The runs that a worker remembers between their workflow tasks: the least recently used are forgotten. Pure."""

from __future__ import annotations

from collections import OrderedDict

from auroral.bench.wire.decide import Run


class Cache:
    """Runs by their id. Forgetting one costs the server a whole history, and nothing else."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, run_id: str) -> Run | None:
        """The run, if it is still known."""
        return self._runs.get(run_id)

    def keep(self, run_id: str, run: Run) -> None:
        """Remember a run as the most recently used."""
        self._runs[run_id] = run
        self._runs.move_to_end(run_id)
        if len(self._runs) > self._most:
            self._runs.popitem(last=False)
            self.evictions += 1

    def drop(self, run_id: str) -> None:
        """Forget a run; harmless where it is not known."""
        self._runs.pop(run_id, None)
