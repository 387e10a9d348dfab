"""What workflows and activities are given, by either engine. Pure."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from auroral.bench.steps import Step

ACTIVITY_NAME = "auroral.activity"


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one run of a workflow gets; nothing at all where there are no steps."""

    steps: tuple[Step, ...] = ()
    run: int = 0
    """Runs before this one in its continue-as-new chain."""
    received: dict[int, int] = {}
    """Signals and updates that came before they were waited for, by step."""


class Work(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one activity gets; nothing at all where it is to return at once."""

    sleep_s: float = 0.0
    failure_rate: float = 0.0
    result_bytes: int = 0


# One run's workflows share their input, byte for byte.
@lru_cache(maxsize=256)
def decode_input(data: bytes) -> Input:
    """Read a workflow's argument. Raises `msgspec.DecodeError`."""
    return msgspec.json.decode(data, type=Input)


_work: msgspec.json.Decoder[Work] = msgspec.json.Decoder(Work)
_encoder = msgspec.json.Encoder()


class _Sleep(msgspec.Struct, frozen=True, kw_only=True):
    """What the interpreter's `Work` becomes: a default is left out by identity, and a step's zero is another."""

    sleep_s: float
    failure_rate: float = 0.0


def decode_work(data: bytes) -> Work:
    """Read an activity's argument. Raises `msgspec.DecodeError`."""
    return _work.decode(data)


def encode_sleep(sleep_s: float) -> bytes:
    """The argument of an activity that waits for so long and returns nothing."""
    return _encoder.encode(_Sleep(sleep_s=sleep_s))
