"""The control workflow: claims first, then all generators at once, then letting go. Agents run it.

Whoever is lost is found out by the server, from heartbeats that stay away: a generator that is lost stays so, and
where the coordinator is gone the others stop and clean up after themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from auroral.bench.spread import plan
    from auroral.bench.spread.plan import Claim, LetGo, SpreadOrder


ALONE = "Alone"
"""Type of the failure of a workflow whose coordinator is gone before the run has begun."""

_HEARTBEAT = timedelta(seconds=plan.HEARTBEAT_TIMEOUT_S)
_TAKE_UP = timedelta(seconds=plan.TAKE_UP_S)
_ONCE = RetryPolicy(maximum_attempts=1)


@workflow.defn(name=plan.WORKFLOW_TYPE)
class SpreadWorkflow:
    """One run over several machines."""

    def __init__(self) -> None:
        self._begin: dict[str, Any] | None = None
        self._stopped = False
        self._let_go: dict[str, Any] | None = None
        self._alone = False
        """Whether the coordinator is gone."""

    @workflow.signal(name=plan.BEGIN)
    def begin(self, order: dict[str, Any]) -> None:
        """Start the schedule (`plan.Begin`)."""
        self._begin = self._begin or order

    @workflow.signal(name=plan.STOP)
    def stop(self) -> None:
        """Stop the schedule, and drain briefly."""
        self._stopped = True

    @workflow.signal(name=plan.LET_GO)
    def let_go(self, order: dict[str, Any]) -> None:
        """Clean up and end (`plan.LetGo`)."""
        self._let_go = self._let_go or order

    @workflow.run
    async def run(self, plain: dict[str, Any]) -> None:
        """Conduct it."""
        order = plan.read(plain, SpreadOrder)
        present = asyncio.create_task(self._presence(order))
        claims = await self._claims(plain, order)
        await workflow.wait_condition(lambda: self._begin is not None or self._let_go is not None or self._alone)
        left = set(range(len(claims)))
        if self._begin is not None:
            left = await self._generate(order, claims, self._begin)
        await workflow.wait_condition(lambda: self._let_go is not None or self._alone)
        await self._release(claims, left)
        present.cancel()

    async def _presence(self, order: SpreadOrder) -> None:
        """Wait for as long as the coordinator lives: it ends the workflow before it goes, if it can."""
        with contextlib.suppress(ActivityError):
            await workflow.execute_activity(
                plan.PRESENCE,
                task_queue=order.coordinator_queue,
                activity_id=plan.COORDINATOR,
                start_to_close_timeout=timedelta(seconds=order.whole_s),
                schedule_to_start_timeout=_TAKE_UP,
                heartbeat_timeout=_HEARTBEAT,
                retry_policy=_ONCE,
            )
        self._alone = True

    async def _claims(self, plain: dict[str, Any], order: SpreadOrder) -> list[Claim]:
        claiming = [
            workflow.execute_activity(
                plan.CLAIM,
                args=[plain["claim"], number],
                task_queue=plan.CLAIM_QUEUE,
                activity_id=plan.activity_id(plan.CLAIM, number),
                start_to_close_timeout=timedelta(seconds=order.claim_s),
                schedule_to_close_timeout=timedelta(seconds=order.whole_s),
                heartbeat_timeout=_HEARTBEAT,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=1),
                    maximum_attempts=plan.CLAIM_ATTEMPTS,
                    non_retryable_error_types=[plan.REFUSED, plan.UNABLE],
                ),
            )
            for number in range(order.claim.manifest.generator_processes)
        ]
        alone = asyncio.create_task(workflow.wait_condition(lambda: self._alone))
        together = asyncio.gather(*claiming)
        await workflow.wait([asyncio.ensure_future(together), alone], return_when=asyncio.FIRST_COMPLETED)
        if self._alone and not together.done():
            raise ApplicationError("the coordinator is gone", type=ALONE, non_retryable=True)
        alone.cancel()
        return [plan.read(claim, Claim) for claim in await together]

    async def _generate(self, order: SpreadOrder, claims: list[Claim], begin: dict[str, Any]) -> set[int]:
        """Have every part generated; return those whose generator is still there."""
        parts = [
            workflow.start_activity(
                plan.GENERATE,
                begin,
                task_queue=claim.queue,
                activity_id=plan.activity_id(plan.GENERATE, claim.generator),
                start_to_close_timeout=timedelta(seconds=order.generate_s),
                schedule_to_start_timeout=_TAKE_UP,
                heartbeat_timeout=_HEARTBEAT,
                retry_policy=_ONCE,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            for claim in claims
        ]
        await workflow.wait_condition(
            lambda: self._stopped or self._alone or self._let_go is not None or all(part.done() for part in parts)
        )
        for part in parts:
            part.cancel()  # nothing to one that is done
        ends = await asyncio.gather(*parts, return_exceptions=True)
        return {
            number
            for number, end in enumerate(ends)
            # One that was cancelled before it began has an agent that waits.
            if not isinstance(end, BaseException) or is_cancelled_exception(end)
        }

    async def _release(self, claims: list[Claim], left: set[int]) -> None:
        order = self._let_go or plan.plain(LetGo(cleanup_s=plan.FORGOTTEN_CLEANUP_S))
        within_s = plan.read(order, LetGo).cleanup_s + plan.RELEASE_S
        await asyncio.gather(
            *(
                workflow.execute_activity(
                    plan.RELEASE,
                    order,
                    task_queue=claim.queue,
                    activity_id=plan.activity_id(plan.RELEASE, claim.generator),
                    start_to_close_timeout=timedelta(seconds=within_s),
                    schedule_to_start_timeout=_TAKE_UP,
                    retry_policy=_ONCE,
                )
                for claim in claims
                if claim.generator in left
            ),
            return_exceptions=True,
        )
