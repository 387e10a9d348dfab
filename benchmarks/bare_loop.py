"""The yardstick of lag: a bare asyncio loop that sleeps for a schedule and does nothing else.

`python -m benchmarks.bare_loop RATE DURATION_S` prints the lags in µs and the CPU used, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from auroral.bench.schedule import Schedule, plan
from auroral.bench.settings import BenchSettings


async def run(rate_per_s: float, duration_s: float) -> list[int]:
    """Sleep for each arrival of a constant schedule; return how late each was, in µs."""
    schedule = Schedule(plan(BenchSettings(target_rate_per_s=rate_per_s, duration_s=duration_s)))
    lags_us = []
    epoch_us = time.monotonic_ns() // 1_000 + 500_000
    for arrival in schedule.arrivals():
        due_us = epoch_us + arrival.intended_us
        delay_us = due_us - time.monotonic_ns() // 1_000
        if delay_us > 0:
            await asyncio.sleep(delay_us / 1e6)
        lags_us.append(time.monotonic_ns() // 1_000 - due_us)
    return lags_us


def main() -> None:
    """Run once."""
    rate_per_s, duration_s = (float(argument) for argument in sys.argv[1:3])
    before_s = time.process_time()
    lags_us = asyncio.run(run(rate_per_s, duration_s))
    print(json.dumps({"lags_us": lags_us, "cpu_s": time.process_time() - before_s}))


if __name__ == "__main__":
    main()
