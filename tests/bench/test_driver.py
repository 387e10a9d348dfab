"""What a generator drives the API with, through a middlebox that likes one client and not the other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import msgspec
import pytest
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

from auroral.bench import driver
from auroral.bench.driver import Driver, SdkDriver, open_driver
from auroral.bench.protocol import GeneratorOrder
from auroral.bench.scrape import fetch
from auroral.bench.wire.generating import WireDriver
from auroral.errors import TargetError
from auroral.temporal.spec import ConnectionSpec
from benchmarks.frontend_process import FrontendProcess
from tests.bench.test_load import order
from tests.support.middlebox import Middlebox
from tests.temporal.wire.peers import Line, ScriptedServer


@pytest.fixture(scope="module")
def frontend() -> Iterator[str]:
    with FrontendProcess() as running:
        yield running.address


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_AGAIN_S", 0.05)


def order_for(address: str, *, engine: str = "sdk", patience_s: float = 20.0, metrics: bool = False) -> GeneratorOrder:
    what = order()
    order_: GeneratorOrder = msgspec.structs.replace(
        what,
        connection=ConnectionSpec(address=address, namespace="benchmark", connect_timeout_s=patience_s),
        manifest=msgspec.structs.replace(what.manifest, engine=engine),
        metrics=metrics,
    )
    return order_


async def shown(one: Driver) -> str:
    return (await asyncio.to_thread(fetch, f"http://127.0.0.1:{one.metrics_port}/metrics", 5.0)).decode()


@pytest.mark.parametrize("engine", ["sdk", "wire"])
async def test_with_either_engine_it_is_the_wire_and_its_calls_are_counted(frontend: str, engine: str) -> None:
    one = await open_driver(order_for(frontend, engine=engine, metrics=True))
    assert isinstance(one, WireDriver)
    assert (one.transport, one.note) == ("wire", "")
    await one.client.workflow_service.get_system_info(GetSystemInfoRequest())
    text = await shown(one)
    await one.stop()
    labels = r'\{namespace="benchmark",service_name="auroral-wire",operation="GetSystemInfo"\}'
    assert re.search(rf"^temporal_request_total{labels} 1$", text, re.MULTILINE)
    assert re.search(rf"^temporal_request_latency_seconds_count{labels} 1$", text, re.MULTILINE)


async def test_unasked_it_shows_no_metrics(frontend: str) -> None:
    one = await open_driver(order_for(frontend))
    assert one.metrics_port is None
    await one.stop()


@pytest.mark.parametrize("greets", [False, True])
async def test_where_the_wire_alone_cannot_connect_the_sdk_stands_in_and_says_so(frontend: str, greets: bool) -> None:
    async with Middlebox(frontend, greets=greets) as box:
        one = await open_driver(order_for(box.address, metrics=True))
        assert isinstance(one, SdkDriver)
        assert one.transport == "sdk"
        assert one.note == (
            "drove the API with the SDK's client, as auroral's own transport cannot connect to "
            f"{box.address}: the server closed the connection"
        )
        assert box.disliked >= 2
        await one.client.workflow_service.get_system_info(GetSystemInfoRequest())
        assert "temporal_request_total" in await shown(one)
        await one.stop()


async def test_the_engine_wire_knows_no_such_way_out(frontend: str) -> None:
    async with Middlebox(frontend) as box:
        with pytest.raises(TargetError, match=f"cannot connect to {box.address}: the server closed the connection"):
            await open_driver(order_for(box.address, engine="wire", patience_s=0.2))


async def test_a_cluster_that_comes_up_meanwhile_is_driven_over_the_wire(frontend: str) -> None:
    """Deaf to the wire's first attempt and to the SDK's; then the SDK asks twice, and the wire comes again."""
    async with Middlebox(frontend, lambda _: False, deaf=2) as box:
        one = await open_driver(order_for(box.address))
        assert isinstance(one, WireDriver)
        assert one.note == ""
        assert box.passed >= 3
        await one.stop()


async def test_a_cluster_that_is_not_there_is_told_in_the_words_of_the_sdks_connect() -> None:
    with pytest.raises(TargetError, match=r"cannot connect to 127.0.0.1:1: Connection refused") as caught:
        await open_driver(order_for("127.0.0.1:1", patience_s=0.3))
    assert "--tls" in caught.value.hint


async def test_one_that_says_nothing_takes_the_wire_half_of_the_patience_at_most() -> None:
    async def silent(line: Line) -> None:
        await line.drain()

    async with ScriptedServer(silent) as server:
        begun_s = asyncio.get_running_loop().time()
        with pytest.raises(TargetError, match=r"does not answer within 0.4 s"):
            await open_driver(order_for(f"127.0.0.1:{server.port}", patience_s=0.4))
        assert asyncio.get_running_loop().time() - begun_s < 1.5
