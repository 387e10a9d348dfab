from __future__ import annotations

import asyncio

import pytest

from auroral.bench.scrape import fetch
from auroral.bench.wire.endpoint import Endpoint


async def test_a_scrape_gets_the_text_of_now() -> None:
    count = 0

    def text() -> str:
        nonlocal count
        count += 1
        return f"metric {count}\n"

    endpoint = Endpoint(text)
    port = await endpoint.start()
    try:
        for number in (1, 2):
            body = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics", 5.0)
            assert body == b"metric %d\n" % number
        with pytest.raises(OSError, match="404"):
            await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/", 5.0)
    finally:
        await endpoint.stop()


async def test_whoever_hangs_up_or_says_nonsense_disturbs_nobody() -> None:
    endpoint = Endpoint(lambda: "metric 1\n")
    port = await endpoint.start()
    try:
        for words in (b"", b"\r\n\r\n", b"GET", b"x" * 20_000):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(words)
            writer.close()
        body = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics", 5.0)
        assert body == b"metric 1\n"
    finally:
        await endpoint.stop()
