"""Memory over a million samples: what the coordinator keeps of a run must not grow with its length.

Synthetic samples go the coordinator's way: a generator's frame is decoded, tallied and written to Parquet. The first
pass reads the process's memory, the second one traces Python's own allocations (which makes it slow and large). With
`--generator 5m` the memory of a real generator process is read as well.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from auroral.bench.protocol import Samples, decode_from_child, encode
from auroral.bench.samples import Observation, Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.store import RunDirectory
from auroral.bench.tally import Tally
from auroral.units import format_size, parse_duration_s
from benchmarks.frontend_process import FrontendProcess
from benchmarks.generator_process import GeneratorRun, manifest_of
from benchmarks.table import print_table

HELP = "memory over a million samples"
BATCH = 200
"""Samples of one frame: a generator sends five a second."""
SETTLED_AFTER = 0.2
"""Share of the samples after which memory should no longer grow."""
MAX_RSS_GROWTH_BYTES = 16 * 1024 * 1024
MAX_TRACED_GROWTH_BYTES = 8 * 1024 * 1024


def samples(count: int, rate_per_s: float) -> Iterator[list[Sample]]:
    """Batches such as a run at a constant rate gives: mostly completed, with latencies of a long tail."""
    chance = random.Random(1)
    batch = []
    for index in range(count):
        intended_us = round(index * 1e6 / rate_per_s)
        sent_us = intended_us + chance.randrange(2_000)
        accepted_us = sent_us + round(chance.lognormvariate(8.5, 0.5))
        closed_us = accepted_us + round(chance.lognormvariate(10, 1.0))
        completed = chance.random() < 0.999
        batch.append(
            Sample(
                index=index,
                workload=0,
                outcome=Outcome.COMPLETED if completed else Outcome.REJECTED,
                intended_us=intended_us,
                sent_us=sent_us,
                accepted_us=accepted_us if completed else None,
                closed_us=closed_us if completed else None,
                server_closed_us=closed_us if completed else None,
                observation=Observation.WATCHED if completed else Observation.NONE,
                cause="" if completed else "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE",
            )
        )
        if len(batch) == BATCH:
            yield batch
            batch = []


def tally_and_write(count: int, rate_per_s: float, measure: Callable[[], int]) -> list[int]:
    """Take that many samples as the coordinator does; return what `measure` says at the start and at each tenth."""
    manifest = manifest_of(rate_per_s, count / rate_per_s, "memory")
    tally = Tally(Schedule(manifest.arrival).windows())
    measured = [measure()]
    done = 0
    with tempfile.TemporaryDirectory() as directory:
        writer = RunDirectory.create(Path(directory) / "run", manifest).sample_writer()
        for batch in samples(count, rate_per_s):
            frame = decode_from_child(encode(Samples(samples=batch)))
            assert isinstance(frame, Samples)
            for sample in frame.samples:
                tally.add(sample)
            writer.append(frame.samples)
            done += len(batch)
            if done * 10 % count == 0:
                tally.snapshot()
                measured.append(measure())
        writer.close()
    return measured


def rss_bytes() -> int:
    """Memory of this process that is resident."""
    return int(psutil.Process().memory_info().rss)


def traced_bytes() -> int:
    """What Python has allocated since tracing began and not freed."""
    return tracemalloc.get_traced_memory()[0]


def growth_bytes(measured: Sequence[int]) -> int:
    """Most that was measured after the first fifth, less what was measured there."""
    settled = round((len(measured) - 1) * SETTLED_AFTER)
    return max(measured[settled:]) - measured[settled]


async def generator_rss_bytes(rate_per_s: float, duration_s: float) -> list[int]:
    """Memory of a generator process at the start and at each tenth of a run, starts only."""
    with FrontendProcess() as frontend:
        run = GeneratorRun(frontend.address, rate_per_s, duration_s, "memory")
        await run.drive()
    last = len(run.rss_bytes) - 1
    return [run.rss_bytes[last * tenth // 10] for tenth in range(11)]


def main(arguments: list[str]) -> int:
    """Measure, print, and judge where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=HELP)
    parser.add_argument("--samples", type=int, default=1_000_000, help="a multiple of 2,000")
    parser.add_argument("--rate", type=float, default=1_000.0, help="samples per second of the run")
    parser.add_argument("--generator", type=parse_duration_s, metavar="DURATION", help="also run a generator this long")
    parser.add_argument("--check", action="store_true", help="exit with 1 where memory grows")
    options = parser.parse_args(arguments)
    begun_s = time.perf_counter()
    columns = {"RSS": (tally_and_write(options.samples, options.rate, rss_bytes), MAX_RSS_GROWTH_BYTES)}
    each_us = (time.perf_counter() - begun_s) / options.samples * 1e6
    tracemalloc.start()
    columns["traced"] = (tally_and_write(options.samples, options.rate, traced_bytes), MAX_TRACED_GROWTH_BYTES)
    tracemalloc.stop()
    if options.generator:
        rss = asyncio.run(generator_rss_bytes(options.rate, options.generator))
        columns[f"generator RSS, {options.generator:g} s"] = (rss, MAX_RSS_GROWTH_BYTES)
    print_table(
        ["samples", *columns],
        [
            [
                f"{options.samples * tenth // 10:,}",
                *(format_size(measured[tenth]) if tenth < len(measured) else "" for measured, _ in columns.values()),
            ]
            for tenth in range(11)
        ],
    )
    seconds = options.samples * (1 - SETTLED_AFTER) / options.rate
    each_second = format_size(growth_bytes(columns["traced"][0]) / seconds)
    print(f"{each_us:.1f} µs a sample, its making included; {each_second} kept of each second of the run")
    grew = False
    for name, (measured, limit) in columns.items():
        growth = growth_bytes(measured)
        grew = grew or growth > limit
        words = f"{format_size(growth)} after the first fifth; at most {format_size(limit)}"
        print(f"{'missed: ' if growth > limit else ''}{name} grew by {words}")
    return int(grew and options.check)
