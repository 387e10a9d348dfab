"""Closes over the wire: a call for each poll, and a task for those alone that the first poll does not see closed."""

from __future__ import annotations

from functools import partial
from typing import Any

from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.service import RPCError

from auroral.bench.starts import Flight
from auroral.bench.watch import POLL_TIMEOUT_S, Watcher, successor_of
from auroral.bench.wire.calls import Calls


class WireWatcher(Watcher):
    """A `Watcher` whose polls are calls."""

    def __init__(self, *given: Any, calls: Calls, **named: Any) -> None:
        """As a `Watcher`, and what makes the calls."""
        super().__init__(*given, **named)
        self._calls = calls

    def _begin(self, flight: Flight, *, prompt: bool) -> None:
        seen_from_us = None if prompt else self._clock.now_us()
        request = self._request(flight)
        ended = partial(self._polled, flight, request, seen_from_us)
        self._polls[flight.index] = self._calls.call(
            "GetWorkflowExecutionHistory", request, ended, timeout_s=POLL_TIMEOUT_S
        )

    def _polled(
        self,
        flight: Flight,
        request: GetWorkflowExecutionHistoryRequest,
        seen_from_us: int | None,
        response: Any,
        error: RPCError | None,
    ) -> None:
        try:
            if error is None and (events := response.history.events) and not successor_of(events[-1]):
                self._contact.answered_us = self._clock.now_us()
                self._ended(flight, self._closed(events[-1], seen_from_us))
            else:
                self._follow(flight, request, seen_from_us, error or response)
        except Exception as broken:
            self._on_error(broken)
