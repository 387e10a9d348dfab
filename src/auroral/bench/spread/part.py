"""One generator's part of a run on its way to the coordinator: an account of each second, in heartbeats. Pure.

An account counts what became known in about a second; it is added to the run's tally once, by its number. Every
heartbeat holds the last of them, so that a coordinator that misses some heartbeats misses no account.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from auroral.bench.counts import TallyCounts
from auroral.bench.protocol import Tick
from auroral.bench.samples import UNRESOLVED, InteractionKind, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.tally import InteractionTally, Tally

RING = 30
"""Accounts in a heartbeat at most: twice as many seconds as a generator may be silent before it is lost."""
MOST_UNRESOLVED = 5_000
"""Unresolved starts in one account: they are told one by one, and the rest in the accounts after it."""


class InteractionCounts(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Signals, updates or queries that ended."""

    sent: int
    causes: dict[str, int]
    times: list[int]
    """`Histogram.packed`."""
    out_of_range: int


class Account(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What became known of one part since the account before."""

    number: int
    """From 0, without gaps."""
    tick: Tick | None
    """Without its interactions."""
    counts: TallyCounts
    """Of the starts with their outcome."""
    runs: list[int]
    """Which these are, as places in the part's own schedule: steps over and counts of neighbours in turn."""
    unresolved: list[Sample]
    """Starts of which the generator could not tell whether they arrived; they are not counted above."""
    interactions: dict[InteractionKind, InteractionCounts]

    def indices(self, part: int, parts: int) -> Iterator[int]:
        """Indices of the starts that it counts, in the run's schedule."""
        place = 0
        for step, count in zip(self.runs[::2], self.runs[1::2], strict=True):
            place += step
            for one in range(place, place + count):
                yield one * parts + part
            place += count


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule of the part is over."""

    t_s: float
    scheduled: int
    interrupted: bool


class Emptied(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the part has its outcome."""

    t_s: float
    held: int
    reason: str


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """All that a generator says."""

    generator: int
    first: int
    """Number of the first account here."""
    accounts: list[bytes]
    ended: Ended | None = None
    emptied: Emptied | None = None
    cpu_s: float = 0.0
    """Of generator and agent so far."""
    max_rss_bytes: int = 0


_encoder = msgspec.msgpack.Encoder()
_account: msgspec.msgpack.Decoder[Account] = msgspec.msgpack.Decoder(Account)
_heartbeat: msgspec.msgpack.Decoder[Heartbeat] = msgspec.msgpack.Decoder(Heartbeat)


def encode_account(account: Account) -> bytes:
    """Make it small."""
    return zlib.compress(_encoder.encode(account), 6)


def decode_account(data: bytes) -> Account:
    """Read what `encode_account` gave. Raises `ValueError` for anything else."""
    try:
        return _account.decode(zlib.decompress(data))
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"expected the account of a generator: {error}") from error


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """As the details of a heartbeat."""
    return _encoder.encode(heartbeat)


def decode_heartbeat(data: bytes) -> Heartbeat:
    """Read what `encode_heartbeat` gave. Raises `ValueError` for anything else."""
    try:
        return _heartbeat.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"expected the heartbeat of a generator: {error}") from error


class Recorder:
    """Takes what a generator says and makes accounts of it."""

    def __init__(self, schedule: Schedule, part: int, parts: int) -> None:
        self._schedule = schedule
        self._part = part
        self._parts = parts
        self._windows = schedule.windows()
        self._tally = Tally(self._windows)
        self._number = 0
        self._places: list[int] = []
        self._unresolved: list[Sample] = []
        self._interactions: dict[InteractionKind, InteractionTally] = {}

    @property
    def waiting(self) -> bool:
        """Whether anything is in no account yet."""
        return bool(self._places or self._unresolved or self._interactions)

    def add(self, samples: Iterable[Sample]) -> None:
        """Take starts that have their outcome, or of which nobody can tell."""
        for sample in samples:
            if sample.cause.endswith(UNRESOLVED):
                self._unresolved.append(sample)
            else:
                self._tally.add(sample)
                self._places.append((sample.index - self._part) // self._parts)

    def stop(self, t_s: float) -> None:
        """The schedule ends here: what happens from now on counts in the drain."""
        self._windows = self._schedule.windows(t_s)
        self._tally.cut(self._windows)

    def close(self, tick: Tick | None) -> Account:
        """End the account of this second and begin the next."""
        if tick is not None:
            for kind, time_us, cause in tick.interactions:
                self._interactions.setdefault(kind, InteractionTally()).add(time_us, cause)
            tick = msgspec.structs.replace(tick, interactions=[])
        account = Account(
            number=self._number,
            tick=tick,
            counts=self._tally.plain(),
            runs=_runs(sorted(self._places)),
            unresolved=self._unresolved[:MOST_UNRESOLVED],
            interactions={kind: _plain(one) for kind, one in self._interactions.items()},
        )
        self._number += 1
        self._tally = Tally(self._windows)
        self._places = []
        self._unresolved = self._unresolved[MOST_UNRESOLVED:]
        self._interactions = {}
        return account


def _plain(tally: InteractionTally) -> InteractionCounts:
    return InteractionCounts(
        sent=tally.sent, causes=tally.causes, times=tally.times.packed(), out_of_range=tally.times.out_of_range
    )


def _runs(places: Sequence[int]) -> list[int]:
    """Ascending places → steps over and counts of neighbours in turn."""
    runs: list[int] = []
    following = 0
    for place in places:
        if runs and place == following:
            runs[-1] += 1
        else:
            runs += (place - following, 1)
        following = place + 1
    return runs


class Ring:
    """The newest accounts, as many as fit."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._accounts: deque[bytes] = deque()
        self.first = 0
        """Number of the oldest."""

    @property
    def accounts(self) -> list[bytes]:
        """From the oldest to the newest."""
        return list(self._accounts)

    def push(self, account: bytes) -> None:
        """Add the newest; the oldest go where they are too many or too large, the newest never does."""
        self._accounts.append(account)
        self._bytes += len(account)
        while len(self._accounts) > 1 and (len(self._accounts) > RING or self._bytes > self._most_bytes):
            self._bytes -= len(self._accounts.popleft())
            self.first += 1
