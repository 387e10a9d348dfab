"""`auroral bench generator`: generates for runs over several machines, one part of one run at a time, until stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from auroral import __version__
from auroral.bench import prepare
from auroral.bench.environment import describe
from auroral.bench.metrics import MetricsEndpoint
from auroral.bench.opening import patience_apart_s
from auroral.bench.progress import Observer
from auroral.bench.result import Environment, SpreadGenerator
from auroral.bench.settings import BenchSettings
from auroral.bench.spread import plan
from auroral.bench.spread.control import SpreadWorkflow
from auroral.bench.spread.engagement import Engagement
from auroral.bench.spread.place import connect_control, control_connection
from auroral.bench.spread.plan import Begin, Claim, ClaimOrder, LetGo, Released
from auroral.bench.stopping import StopSignal
from auroral.bench.workers_only import agreed_namespace
from auroral.errors import AuroralError, TargetError, UsageError
from auroral.temporal.connect import Resolved, resolve

_HEARTBEATS = timedelta(seconds=plan.HEARTBEAT_S / 2)
"""The SDK sends a heartbeat no sooner than this after the one before."""
_LAST_TASK_S = 15.0
_GRACE = timedelta(seconds=120)
"""A claim under way while its worker takes no more: it connects, and starts a generator."""


async def run_generator(
    settings: BenchSettings,
    *,
    environ: Mapping[str, str],
    observer: Observer,
    stop: StopSignal,
    once: bool = False,
) -> None:
    """Take parts of runs until `stop`, or of one.

    Raises `UsageError` for what cannot be done as asked, and `TargetError` where the control cluster cannot be
    reached or lets nothing be done.
    """
    resolved = resolve(settings.target, environ, namespace_given=settings.target.namespace_given)
    if resolved is None:
        raise UsageError(
            "expected the address of the cluster to load, but none was given",
            hint="name it with --address or TEMPORAL_ADDRESS, just as the coordinator does",
        )
    prepare.require_benchmark_namespace(resolved.connection.namespace, allow=settings.target.allow_namespace)
    spec = control_connection(settings.control, settings.target, resolved.connection, environ)
    where = f"{os.getpid()}@{socket.gethostname()}"
    observer.phase("connect", f"{spec.address}, control namespace {spec.namespace}")
    async with contextlib.AsyncExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="auroral-generator-")))
        machine = await describe(None, resolved.connection, local_server=False, environ=environ)
        agents: list[Agent] = []
        for _ in range(settings.generator_processes):
            # Each has its own connection: the SDK lets no two workers of one client take tasks of the same queue.
            client = await stop.unless_softly(
                connect_control(
                    spec,
                    patience_s=patience_apart_s(spec),
                    usable_s=settings.worker_wait_s,
                    identity=f"auroral-agent/{where}",
                    report=observer.detail,
                )
            )
            agents.append(
                Agent(
                    settings,
                    resolved,
                    client,
                    machine,
                    where=where,
                    logs=logs,
                    observer=observer,
                    at_once=lambda: sum(agent.engaged for agent in agents),
                )
            )
        endpoint = MetricsEndpoint(
            None, lambda: {name: url for agent in agents for name, url in agent.metrics_urls().items()}
        )
        port = endpoint.start(settings.metrics_port)
        stack.callback(endpoint.stop)
        if port:
            observer.detail(f"metrics on port {port}, path /metrics")
        try:
            await _serve(agents, stop, once=once)
        except (RPCError, RuntimeError) as error:  # what the SDK's workers end with
            raise TargetError(
                f"{spec.address} lets no generator work in the namespace {spec.namespace}: {error}",
                hint="check that the credentials may poll task queues there",
            ) from error


async def _serve(agents: Sequence[Agent], stop: StopSignal, *, once: bool) -> None:
    """Serve until `stop`, or until the first failure of any, which is raised."""
    halt = asyncio.Event()
    conducting = Worker(
        agents[0].client,
        task_queue=plan.WORKFLOW_QUEUE,
        workflows=[SpreadWorkflow],
        workflow_runner=UnsandboxedWorkflowRunner(),
        # Another agent may have the next task, and this one may be killed: nothing is to wait for it.
        max_cached_workflows=0,
    )
    async with conducting:
        serving = [asyncio.create_task(agent.run(halt, once=once)) for agent in agents]
        stopped = asyncio.create_task(_pass_on(stop.softly, halt))
        try:
            await asyncio.wait(serving, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            halt.set()
            stopped.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
        for one in serving:
            one.result()


async def _pass_on(heard: asyncio.Event, halt: asyncio.Event) -> None:
    await heard.wait()
    halt.set()


class Agent:
    """Takes one part after the other."""

    def __init__(
        self,
        settings: BenchSettings,
        resolved: Resolved,
        client: Client,
        machine: Environment,
        *,
        where: str,
        logs: Path,
        observer: Observer,
        at_once: Callable[[], int] = lambda: 1,
    ) -> None:
        """`at_once` says how many agents of this process have a part now."""
        self._at_once = at_once
        self._settings = settings
        self._resolved = resolved
        self.client = client
        self._machine = machine
        self._where = where
        self._logs = logs
        self._observer = observer
        self._queue = plan.agent_queue(where, secrets.token_hex(3))
        self._engaged: Engagement | None = None
        self._taken = asyncio.Event()
        self._stopping = False

    @property
    def engaged(self) -> bool:
        """Whether it has a part of a run."""
        return self._engaged is not None

    def metrics_urls(self) -> dict[str, str]:
        """Where the generator shows its own metrics, while there is one."""
        child = self._engaged.child if self._engaged is not None else None
        if child is None or child.metrics_port is None or child.ended.is_set():
            return {}
        return {child.name: f"http://127.0.0.1:{child.metrics_port}/metrics"}

    async def run(self, halt: asyncio.Event, *, once: bool = False) -> None:
        """Serve until `halt`, or one run. What a worker of the SDK ends with is raised."""
        own = self._worker(self._queue, [self.generate, self.release], most=2)
        async with own:
            stopped = asyncio.create_task(halt.wait())
            try:
                while not stopped.done():
                    served = await self._take_one(stopped)
                    if once and served is not None:
                        # The control workflow may have a last task that nobody else is there for.
                        closed = asyncio.create_task(served.until_closed(_LAST_TASK_S))
                        await asyncio.wait({closed, stopped}, return_when=asyncio.FIRST_COMPLETED)
                        closed.cancel()
                        return
            finally:
                self._stopping = True
                stopped.cancel()
                if self._engaged is not None:
                    self._engaged.fail(f"the agent {self._where} was stopped")
                    await self._engaged.close()

    async def _take_one(self, stopped: asyncio.Task[bool]) -> Engagement | None:
        """Wait for a part and until it is over; None: stopped before."""
        self._observer.phase("wait", "for a run to claim a part of")
        self._taken.clear()
        claims = self._worker(plan.CLAIM_QUEUE, [self.claim], most=1)
        taken = asyncio.create_task(self._taken.wait())
        try:
            async with claims:
                await asyncio.wait({taken, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            taken.cancel()
        engaged = self._engaged
        if engaged is None:
            return None
        over = asyncio.create_task(engaged.over.wait())
        try:
            await asyncio.wait({over, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        if not engaged.over.is_set():
            return None
        self._engaged = None
        return engaged

    def _worker(self, queue: str, activities: list[Any], *, most: int) -> Worker:
        return Worker(
            self.client,
            task_queue=queue,
            activities=activities,
            max_concurrent_activities=most,
            max_heartbeat_throttle_interval=_HEARTBEATS,
            default_heartbeat_throttle_interval=_HEARTBEATS,
            graceful_shutdown_timeout=_GRACE,
        )

    # Activities

    @activity.defn(name=plan.CLAIM)
    async def claim(self, plain: dict[str, Any], generator: int) -> dict[str, Any]:
        """Take a part, if this agent can, and start its generator."""
        if self._stopping or self._engaged is not None:
            raise ApplicationError(f"the agent {self._where} is not free")
        engagement = self._engagement(plain, generator)
        self._engaged = engagement
        try:
            await engagement.open(activity.heartbeat)
        except AuroralError as error:
            self._engaged = None
            raise self._refused(f"it cannot generate: {error.message}", error.hint, kind=plan.UNABLE) from error
        except BaseException:
            self._engaged = None
            raise
        # The worker for claims must know that it ends before this claim frees its only slot: `async with` in
        # `_take_one` tells it in the same turn of the loop in which that wakes.
        self._taken.set()
        await asyncio.sleep(0.1)
        self._observer.phase("claimed", f"part {generator} of run {engagement.manifest.run_id}")
        machine = self._machine
        seen = SpreadGenerator(
            name=f"generator-{generator}",
            where=self._where,
            auroral_version=__version__,
            cores=machine.cores,
            memory_bytes=machine.memory_bytes,
            instance_type=machine.instance_type,
            availability_zone=machine.availability_zone,
            container=machine.container,
            transport=engagement.transport,
            control_offset_ms=engagement.control_clock.offset_us / 1e3,
            control_error_ms=engagement.control_clock.error_us / 1e3,
            target_offset_ms=engagement.target_clock.offset_us / 1e3,
            target_error_ms=engagement.target_clock.error_us / 1e3,
        )
        return _plain(Claim(generator=generator, queue=self._queue, seen=seen, note=engagement.note))

    @activity.defn(name=plan.GENERATE)
    async def generate(self, plain: dict[str, Any]) -> bytes:
        """Drive the part; the heartbeats are its accounts."""
        engagement = self._of_this_run()
        self._observer.phase("generate", f"part {engagement.generator} of run {engagement.manifest.run_id}")
        try:
            last = await engagement.generate(plan.read(plain, Begin), activity.heartbeat, _asked_to_stop)
        except AuroralError as error:
            await engagement.close()
            raise ApplicationError(error.message, type="Lost", non_retryable=True) from error
        self._observer.phase("done", f"part {engagement.generator} of run {engagement.manifest.run_id}")
        return last

    @activity.defn(name=plan.RELEASE)
    async def release(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Clean up and be free."""
        engagement = self._of_this_run()
        try:
            released: Released = await engagement.release(plan.read(plain, LetGo))
        except AuroralError as error:
            raise ApplicationError(error.message, type="Lost", non_retryable=True) from error
        return _plain(released)

    # Parts

    def _engagement(self, plain: dict[str, Any], generator: int) -> Engagement:
        try:
            order = plan.read(plain, ClaimOrder)
            namespace = agreed_namespace(self._resolved, order.manifest)
            prepare.require_benchmark_namespace(namespace, allow=self._settings.target.allow_namespace)
        except ValueError as error:
            raise self._refused(f"it cannot read what it is to do: {error}") from error
        except UsageError as error:
            raise self._refused(error.message, error.hint) from error
        refusal = plan.refusal(
            order, auroral_version=__version__, address=self._resolved.connection.address, namespace=namespace
        )
        if refusal:
            raise self._refused(refusal)
        info = activity.info()
        assert info.workflow_id is not None
        assert info.workflow_run_id is not None
        return Engagement(
            order,
            generator,
            msgspec.structs.replace(
                self._resolved.connection, connect_timeout_s=self._settings.target.connect_timeout_s
            ),
            self.client,
            (info.workflow_id, info.workflow_run_id),
            logs=self._logs,
            output=Path(self._settings.output) if self._settings.output else None,
            report=self._observer.detail,
            at_once=self._at_once,
        )

    def _refused(self, words: str, hint: str = "", *, kind: str = plan.REFUSED) -> ApplicationError:
        self._observer.warning(f"a run was refused: {words}")
        text = f"the agent {self._where}: {words}"
        return ApplicationError(text, hint, type=kind, non_retryable=True)

    def _of_this_run(self) -> Engagement:
        engagement, info = self._engaged, activity.info()
        if (
            engagement is None
            or engagement.over.is_set()
            or not engagement.is_of(info.workflow_id, info.workflow_run_id)
        ):
            raise ApplicationError(f"the agent {self._where} has no part of this run any more", non_retryable=True)
        return engagement


def _asked_to_stop() -> bool:
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = plan.plain(value)
    return plain
