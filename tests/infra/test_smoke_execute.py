"""Commands as processes: shown, kept, interrupted once, ended."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest

from auroral.errors import OutputError
from auroral.infra.smoke_execute import Processes


def _never() -> bool:
    return False


def _python(screen: io.StringIO, **more: float) -> Processes:
    return Processes(screen, program=(sys.executable, "-c"), **more)


def test_output_is_shown_and_kept(tmp_path: Path) -> None:
    screen = io.StringIO()
    log = tmp_path / "logs/01-x.log"
    code = "import sys; print('told'); print('wrong', file=sys.stderr); sys.exit(3)"
    assert _python(screen).run([code], log=log, output=None, timeout_s=None, interrupted=_never) == 3
    assert sorted(screen.getvalue().splitlines()) == ["told", "wrong"]
    assert sorted(log.read_text().splitlines()[-2:]) == ["told", "wrong"]
    assert log.read_text().startswith("$ auroral import sys")


def test_a_document_goes_to_its_file_alone(tmp_path: Path) -> None:
    screen = io.StringIO()
    code = "import sys; print('{}'); print('progress', file=sys.stderr)"
    output = tmp_path / "outputs.json"
    assert _python(screen).run([code], log=tmp_path / "l", output=output, timeout_s=None, interrupted=_never) == 0
    assert output.read_text() == "{}\n"
    assert screen.getvalue() == "progress\n"


_MINDS = """
import signal, sys, time
def end(number, frame):
    print('ending'); sys.exit(4)
signal.signal(signal.SIGINT, end)
print('up'); time.sleep(60)
"""


def test_an_interrupt_is_passed_on_once_and_waited_for(tmp_path: Path) -> None:
    screen = io.StringIO()
    ended = _python(screen).run(
        [_MINDS], log=tmp_path / "l", output=None, timeout_s=None, interrupted=lambda: "up" in screen.getvalue()
    )
    assert ended == 4
    assert screen.getvalue().splitlines() == ["up", "ending"]


def test_what_takes_too_long_is_interrupted(tmp_path: Path) -> None:
    begun = time.monotonic()
    ended = _python(io.StringIO()).run([_MINDS], log=tmp_path / "l", output=None, timeout_s=1, interrupted=_never)
    assert ended is None
    assert time.monotonic() - begun < 20


def test_what_does_not_mind_is_killed(tmp_path: Path) -> None:
    screen = io.StringIO()
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up'); time.sleep(60)"
    ended = _python(screen, ends_s=0.2).run(
        [code], log=tmp_path / "l", output=None, timeout_s=None, interrupted=lambda: "up" in screen.getvalue()
    )
    assert ended == -9


def test_a_log_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    screen = io.StringIO()
    where = tmp_path / "file/log"
    assert _python(screen).run(["print(1)"], log=where, output=None, timeout_s=None, interrupted=_never) == 0
    assert screen.getvalue() == "1\n"
    assert (
        _python(screen).run(["print(2)"], log=Path("/dev/full"), output=None, timeout_s=None, interrupted=_never) == 0
    )
    assert screen.getvalue() == "1\n2\n"


def test_a_document_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        _python(io.StringIO()).run(
            ["1"], log=tmp_path / "l", output=tmp_path / "no/x", timeout_s=None, interrupted=_never
        )


def test_it_is_auroral_that_runs(tmp_path: Path) -> None:
    screen = io.StringIO()
    ended = Processes(screen).run(["--version"], log=tmp_path / "l", output=None, timeout_s=60, interrupted=_never)
    assert ended == 0
    assert screen.getvalue().startswith("auroral ")
