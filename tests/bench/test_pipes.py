"""A child's side of the protocol, in real processes."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from auroral.bench.protocol import Drained, Ready, decode_from_child


def child(body: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    program = textwrap.dedent(
        """
        import asyncio, os, signal, sys
        from auroral.bench.pipes import Pipes, exit_now, leave_interrupts_to_parent
        from auroral.bench.protocol import Drained, Ready
        async def main():
            pipes = await Pipes.open()
        """
    ) + textwrap.indent(textwrap.dedent(body), "    ")
    return subprocess.run(
        [sys.executable, "-c", program + "\nasyncio.run(main())"],
        input=stdin,
        capture_output=True,
        timeout=30,
        check=False,
    )


def test_lines_come_in_and_frames_go_out() -> None:
    ended = child(
        """
        assert await pipes.read_line() == b"one\\n"
        pipes.emit(Ready())
        assert await pipes.read_line() is None
        pipes.emit(Drained(t_s=1.0, held=2))
        await pipes.flush()
        exit_now(7)
        """,
        b"one\n",
    )
    assert ended.returncode == 7, ended.stderr.decode()
    assert [decode_from_child(line) for line in ended.stdout.splitlines()] == [Ready(), Drained(t_s=1.0, held=2)]


def test_a_flush_waits_for_a_reader_that_is_slow_and_loses_nothing() -> None:
    ended = child(
        """
        for number in range(20_000):
            pipes.emit(Drained(t_s=1.0, held=number))
        await pipes.flush()
        exit_now(0)
        """,
        b"",
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert len(ended.stdout.splitlines()) == 20_000


def test_what_others_print_does_not_disturb_the_frames() -> None:
    ended = child(
        """
        print("from a library", flush=True)
        os.write(1, b"from native code\\n")
        pipes.emit(Ready())
        await pipes.flush()
        exit_now(0)
        """,
        b"",
    )
    assert [decode_from_child(line) for line in ended.stdout.splitlines()] == [Ready()]
    assert b"from native code" in ended.stderr


def test_an_interrupt_is_left_to_the_parent() -> None:
    ended = child(
        """
        leave_interrupts_to_parent()
        os.kill(os.getpid(), signal.SIGINT)
        pipes.emit(Ready())
        await pipes.flush()
        exit_now(0)
        """,
        b"",
    )
    assert ended.returncode == 0
    assert decode_from_child(ended.stdout) == Ready()
