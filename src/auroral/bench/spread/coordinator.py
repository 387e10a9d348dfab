"""A run's side of its generators on other machines: waits for agents, begins, follows heartbeats, sees losses. Acts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from auroral import __version__
from auroral.bench import prepare
from auroral.bench.manifest import Manifest
from auroral.bench.progress import Observer
from auroral.bench.protocol import CleanUp, Go, StopSchedule, notes_of
from auroral.bench.result import SpreadGenerator
from auroral.bench.settings import BenchSettings
from auroral.bench.spread import plan
from auroral.bench.spread.history import Done, GivenUp, Over, Reader, first_of
from auroral.bench.spread.place import connect_control, control_connection
from auroral.bench.spread.plan import Begin, Claim, ClaimOrder, LetGo, Released
from auroral.bench.spread.remote import RemoteGenerator
from auroral.errors import AuroralError, TargetError, UsageError
from auroral.temporal.rpc import bounded, target_error
from auroral.temporal.spec import ConnectionSpec

_POLL_S = 1.0
_ANSWER_S = 5.0
_SIGNAL_S = 20.0
_END_S = 20.0
"""How long the control workflow may take to end by itself."""
_LAST_S = 2.0
_REPORT_S = 5.0
_HEARTBEATS = timedelta(seconds=2)


class Spread:
    """The generators of one run. `async with` it; `open` has them ready."""

    def __init__(
        self,
        settings: BenchSettings,
        manifest: Manifest,
        target: ConnectionSpec,
        environ: Mapping[str, str],
        observer: Observer,
    ) -> None:
        self._settings = settings
        self._manifest = manifest
        self._target = target
        self._spec = control_connection(settings.control, settings.target, target, environ)
        self._observer = observer
        self._stack = contextlib.AsyncExitStack()
        self._claims: dict[int, Claim] = {}
        self._refused: AuroralError | None = None
        self._changed = asyncio.Event()
        self._over: Over | None = None
        self._handle: WorkflowHandle[Any, Any] | None = None
        self._done = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = self._stopped = self._let_go = self._ending = False
        self._clock = prepare.ClockOffset(0, 0)
        self.generators: list[RemoteGenerator] = []

    async def __aenter__(self) -> Spread:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End the control workflow, however far it has come."""
        try:
            await self.end()
        finally:
            await self._stack.aclose()

    @property
    def seen(self) -> list[SpreadGenerator]:
        """What the agents say of themselves, by number."""
        return [self._claims[number].seen for number in sorted(self._claims)]

    @property
    def notes(self) -> list[str]:
        """What the generators said of themselves when they were ready, in sentences."""
        return notes_of({claim.seen.name: claim.note for _, claim in sorted(self._claims.items())})

    @property
    def where(self) -> str:
        """The control cluster and namespace."""
        return f"{self._spec.address}, namespace {self._spec.namespace}"

    @property
    def lead_s(self) -> float:
        """How long before the first start the generators must be told when it is."""
        return plan.LEAD_S

    async def open(self) -> None:
        """Have every part claimed, each by an agent whose generator is ready.

        Raises `TargetError` where the control cluster cannot be used or too few agents come in time, `UsageError`
        where one does not match the run.
        """
        client = await connect_control(
            self._spec,
            patience_s=self._spec.connect_timeout_s,
            usable_s=self._settings.worker_wait_s,
            identity=f"auroral-coordinator/{os.getpid()}@{socket.gethostname()}",
            report=self._observer.detail,
        )
        self._clock = await prepare.estimate_clock(client, f"auroral-spread-clock-{self._manifest.run_id}")
        await self._start(client)
        self._observer.detail(
            f"{self._manifest.generator_processes} × auroral bench generator are to claim a part each, by {self.where}"
        )
        await self._await_claims()
        self.generators = [
            RemoteGenerator(number, self._claims[number].seen, self._send) for number in sorted(self._claims)
        ]

    # Before the run

    async def _start(self, client: Client) -> None:
        settings, manifest = self._settings, self._manifest
        order = plan.order_of(
            ClaimOrder(
                auroral_version=__version__,
                target_address=self._target.address,
                manifest=manifest,
                max_in_flight=settings.max_in_flight,
                max_watchers=settings.max_watchers,
                max_lag_s=settings.max_lag_s,
                start_timeout_s=settings.start_timeout_s,
                drain_timeout_s=settings.drain_timeout_s,
            ),
            connect_s=settings.target.connect_timeout_s,
            schedule_s=settings.schedule_s,
            drain_timeout_s=settings.drain_timeout_s,
            others_s=settings.worker_wait_s + settings.settle_timeout_s + settings.cleanup_timeout_s,
        )
        oversize = plan.oversize(order.claim)
        if oversize:
            raise UsageError(oversize, hint="take fewer generators, or workloads of fewer steps")
        try:
            self._handle = await client.start_workflow(
                plan.WORKFLOW_TYPE,
                plan.plain(order),
                id=plan.workflow_id(manifest.run_id),
                task_queue=plan.WORKFLOW_QUEUE,
                execution_timeout=timedelta(seconds=order.whole_s),
            )
        except WorkflowAlreadyStartedError as error:
            raise UsageError(
                f"a run {manifest.run_id} is under way in the control namespace {self._spec.namespace}",
                hint="leave --run-id out, or name another",
            ) from error
        except RPCError as error:
            raise target_error(
                error, f"the run could not be announced by {self.where}", hint="check what the credentials may do there"
            ) from error
        present = Worker(
            client,
            task_queue=order.coordinator_queue,
            activities=[self._presence],
            max_concurrent_activities=1,
            max_heartbeat_throttle_interval=_HEARTBEATS,
            default_heartbeat_throttle_interval=_HEARTBEATS,
        )
        await self._stack.enter_async_context(present)
        self._stack.callback(self._done.set)
        for work in (self._follow(self._handle), self._listen(client)):
            self._stack.push_async_callback(_ended, asyncio.create_task(work))

    @activity.defn(name=plan.PRESENCE)
    async def _presence(self) -> None:
        while not self._done.is_set():
            activity.heartbeat()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), _POLL_S)

    async def _await_claims(self) -> None:
        wanted, wait_s = self._manifest.generator_processes, self._settings.worker_wait_s
        began_s = told_s = time.monotonic()
        while len(self._claims) < wanted:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 0.2)
            now_s = time.monotonic()
            if self._refused is not None:
                raise self._refused
            if self._over is not None:
                raise TargetError(f"{self._over.failure or 'the control workflow has ended'}, before the run began")
            if now_s - began_s >= wait_s and len(self._claims) < wanted:
                raise TargetError(
                    plan.too_few(self.seen, wanted, wait_s),
                    hint=f"start them, each on a machine of its own: {self._agent_command()}",
                )
            if now_s - told_s >= _REPORT_S:
                told_s = now_s
                self._observer.detail(f"waiting for generators: {len(self._claims)} of {wanted} have claimed a part")

    def _agent_command(self) -> str:
        return plan.agent_command(
            address=self._target.address,
            namespace=self._target.namespace,
            control_address=self._spec.address,
            control_namespace=self._spec.namespace,
        )

    # During the run

    def _send(self, frame: Go | StopSchedule | CleanUp) -> None:
        """What is meant for all of them, once."""
        match frame:
            case Go(epoch_unix_us=epoch_unix_us) if not self._begun:
                self._begun = True
                epoch_control_us = epoch_unix_us + self._clock.offset_us
                self._signal(plan.BEGIN, plan.plain(Begin(epoch_control_us=epoch_control_us)), fatal=True)
            case StopSchedule(drain_timeout_s=drain_timeout_s):
                if not self._stopped:
                    self._stopped = True
                    self._signal(plan.STOP)
                if drain_timeout_s <= 0:
                    self._later(self._terminate("the run was stopped at once"))
            case CleanUp(deadline_s=deadline_s):
                self._release(deadline_s)
            case _:
                pass

    def _release(self, cleanup_s: float) -> None:
        if not self._let_go:
            self._let_go = True
            self._signal(plan.LET_GO, plan.plain(LetGo(cleanup_s=cleanup_s)))

    def _signal(self, name: str, order: Any = None, *, fatal: bool = False) -> None:
        self._later(self._signalled(name, order, fatal))

    async def _signalled(self, name: str, order: Any, fatal: bool) -> None:
        assert self._handle is not None
        try:
            await bounded(self._handle.signal(name, args=[] if order is None else [order]), _SIGNAL_S)
        except RPCError as error:
            if fatal:
                failure = target_error(error, f"the generators could not be told by {self.where}")
                for generator in self.generators:
                    generator.broken = failure
            elif error.status is not RPCStatusCode.NOT_FOUND:
                self._observer.warning(f"the generators could not be told to {name}: {error.message}")

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, client: Client) -> None:
        """Read the generators' heartbeats, each second."""
        assert self._handle is not None
        request = DescribeWorkflowExecutionRequest(
            namespace=self._spec.namespace,
            execution=WorkflowExecution(workflow_id=self._handle.id, run_id=self._handle.first_execution_run_id or ""),
        )
        while self._over is None:
            await asyncio.sleep(_POLL_S)
            if not self._begun:
                continue
            try:
                found = await bounded(
                    client.workflow_service.describe_workflow_execution(request, timeout=timedelta(seconds=_ANSWER_S)),
                    _ANSWER_S,
                )
            except RPCError:
                continue  # the next heartbeats hold the same accounts; one that was missed is found out
            for pending in found.pending_activities:
                which = plan.parse_activity_id(pending.activity_id)
                data = first_of(pending.heartbeat_details)
                if which is not None and which[0] == plan.GENERATE and data:
                    self._safely(self.generators[which[1]], data)

    async def _follow(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Read what the control workflow's history says, as it grows."""
        reader = Reader()
        while self._over is None:
            try:
                async for event in handle.fetch_history_events(wait_new_event=True, skip_archival=True):
                    said = reader.read(event)
                    if said is not None:
                        self._take(said)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    self._take(Over(failure="the control workflow is gone"))
                    return
                await asyncio.sleep(_POLL_S)

    def _take(self, said: Done | GivenUp | Over) -> None:
        if isinstance(said, Over):
            self._workflow_ended(said)
        elif isinstance(said, GivenUp):
            for generator in self.generators:
                generator.stopped_unasked(
                    f"nothing was heard of the coordinator for {plan.HEARTBEAT_TIMEOUT_S:g} s, so that it stopped"
                )
        elif said.kind == plan.CLAIM:
            self._claimed(said)
        elif self.generators:
            generator = self.generators[said.generator]
            if said.kind == plan.GENERATE:
                self._generated(generator, said)
            elif said.failure:
                generator.end()  # it had told everything before
            else:
                generator.released(msgspec.json.decode(said.data, type=Released))
        self._changed.set()

    def _generated(self, generator: RemoteGenerator, said: Done) -> None:
        if not said.failure:
            self._safely(generator, said.data, last=True)
        elif said.untaken and self._stopped:
            generator.never_began()
        else:
            if said.last:
                self._safely(generator, said.last)
            generator.fail(said.failure)

    def _workflow_ended(self, said: Over) -> None:
        self._over = said
        for generator in self.generators:
            if said.failure and not self._ending:
                generator.fail(said.failure)
            else:
                generator.end()

    def _claimed(self, said: Done) -> None:
        if said.failure:
            kind = UsageError if said.refused else TargetError
            self._refused = self._refused or kind(
                f"generator-{said.generator} cannot take part: {said.failure}",
                hint=said.hint or f"end that agent, or start it to match: {self._agent_command()}",
            )
            return
        claim = msgspec.json.decode(said.data, type=Claim)
        self._claims[said.generator] = claim
        self._observer.detail(f"{claim.seen.name}: {claim.seen.where}, {claim.seen.cores} cores")

    def _safely(self, generator: RemoteGenerator, data: bytes, *, last: bool = False) -> None:
        """Hand a heartbeat on; what breaks on our side is the run's to hear of."""
        try:
            if last:
                generator.generated(data)
            else:
                generator.heard(data)
        except Exception as error:  # an unwritable disk, a bug: as with a child process
            generator.broken = error

    # After the run

    async def end(self, *, at_once: bool = False) -> None:
        """Let the agents go, and wait until the control workflow has ended; `at_once`: end it."""
        if self._handle is None or self._over is not None:
            return
        if not at_once and self._begun:
            self._release(0.0)
            # Where every generator is lost, there may be no agent to run the workflow's last task.
            end_s = time.monotonic() + (_LAST_S if all(one.lost for one in self.generators) else _END_S)
            while self._over is None and time.monotonic() < end_s:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.2)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_ANSWER_S)
        if self._over is None:
            await self._terminate("the run has ended")

    async def _terminate(self, reason: str) -> None:
        assert self._handle is not None
        self._ending = True
        try:
            await bounded(self._handle.terminate(reason=reason), _ANSWER_S)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                self._observer.warning(
                    f"the control workflow {self._handle.id} is left running: {error.message}; its agents stop by "
                    f"themselves, as they hear nothing of this process for {plan.HEARTBEAT_TIMEOUT_S:g} s"
                )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
