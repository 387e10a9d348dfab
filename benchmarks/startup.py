"""How long `auroral --help` takes: a command that starts slowly is a command that is not used."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

from benchmarks.table import print_table

HELP = "wall time of auroral --help"
LIMIT_S = 0.2


def wall_s(program: list[str]) -> float:
    """Run a program once; return how long it took. Raises `CalledProcessError` where it fails."""
    begun_s = time.perf_counter()
    subprocess.run(program, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun_s


def main(arguments: list[str]) -> int:
    """Measure, print, and judge where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks startup", description=HELP)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument(
        "--check", action="store_true", help=f"exit with 1 where the median is over {LIMIT_S * 1e3:g} ms"
    )
    options = parser.parse_args(arguments)
    programs = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "auroral --help": [sys.executable, "-m", "auroral", "--help"],
        "auroral bench run --help": [sys.executable, "-m", "auroral", "bench", "run", "--help"],
    }
    times_s: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        wall_s(program)  # the first run reads the files from disk
    for _ in range(options.runs):
        for name, program in programs.items():
            times_s[name].append(wall_s(program))
    print_table(
        ["command", "min ms", "median ms", "max ms"],
        [[name, *(f"{of(values) * 1e3:.0f}" for of in (min, median, max))] for name, values in times_s.items()],
    )
    return int(options.check and median(times_s["auroral --help"]) > LIMIT_S)
