"""One pool of a process: warm-up, keeper, expiry, as `server/internal/pool` has them. Pure.

What it knows of its connections is kept as counts and small tables, never as history. A connection that broke while
idle is still counted by the pool, as by the server, until it is lent or probed: `usable` counts without those.
"""

from __future__ import annotations

from typing import Protocol

from auroral.capacity.simulation import policy
from auroral.capacity.simulation.clock import stream
from auroral.capacity.simulation.dial import Dial, Opener
from auroral.capacity.simulation.gate import Gate
from auroral.capacity.simulation.outcome import Shortage
from auroral.capacity.simulation.requests import Requests
from auroral.capacity.simulation.spec import NANOS, nanos

_LOOK = NANOS // 10
"""How often a pool with dead connections is looked at for a request that would find them."""


class Owner(Opener, Protocol):
    """What a pool needs of its process."""

    gate: Gate
    warm: bool
    stopping: bool
    ended: bool
    skip: bool
    """Requests may be skipped; see `requests`."""

    def pool_warmed(self, pool: Pool) -> None:
        """A pool's warm-up is over."""

    def lacks(self, by: int) -> None:
        """A pool more, or less, misses a connection."""


class Pool:
    """Keeps its target of connections open."""

    def __init__(self, owner: Owner, number: int) -> None:
        spec = owner.spec
        self._owner = owner
        self._clock = owner.clock
        self._record = owner.record
        self._dial = Dial(owner, number)
        self._chance = stream(*owner.names, number, "pool")
        self._target = spec.pool_size
        self._reservoir = spec.reservoir
        self._most_opening = spec.max_opening
        self._lifetime = nanos(spec.lifetime_s)
        self._jitter = spec.jitter
        self._session = nanos(owner.dsql.spec.session_lifetime_s)
        self._probe_after = nanos(spec.probe_after_s)
        first, longest = nanos(spec.warmup_first_backoff_s), nanos(spec.warmup_max_backoff_s)
        self._holdoff = policy.Holdoff(first, longest)
        self.warmup = policy.Warmup(spec.pool_size, spec.warmup_max_retries, first, longest)
        self.requests = Requests(
            owner.id, (*owner.names, number), owner.record, nanos(spec.acquire_timeout_s), owner.skip
        )
        self._ready: dict[int, int] = {}  # connection → when it was opened
        self._due: dict[int, int] = {}
        self._dead: set[int] = set()  # of both; the pool does not know yet
        self._last = 0
        self._opening = 0
        self._keeping = False
        self._again_at = -1
        self._ends_watched = False
        self._looking = False
        self._short = True
        self._short_since = -1
        self._short_least = 0

    @property
    def usable(self) -> int:
        """Connections that are open and not dead."""
        return len(self._ready) + len(self._due) - len(self._dead)

    # Coming up.

    def start(self) -> None:
        """Begin the warm-up."""
        self._owner.lacks(1)
        self._warm(None)

    def start_warm(self) -> None:
        """Begin in steady state: full, the ages spread over the lifetime."""
        self._owner.lacks(1)
        now, random_ = self._clock.now, self._chance.random
        for _ in range(self._target + self._reservoir):
            life = self._lifetime - policy.scale(self._lifetime, self._jitter * random_())
            opened = now - int(life * random_())
            self._owner.dsql.open += 1
            self._owner.record.open_of[self._owner.spec.service] += 1
            self._enter(opened, opened + life)
        self.warmup.created = self.warmup.attempts = self._target
        self._resized()
        self._owner.pool_warmed(self)

    def keep(self) -> None:
        """The keeper begins: after the warm-up it is the only one who opens."""
        self._keeping = True
        self._plan()

    def _warm(self, _: None) -> None:
        if self._owner.ended:
            return
        wait = self.warmup.next()
        if wait is None:
            self._owner.pool_warmed(self)
        elif wait:
            self._clock.at(self._clock.now + wait, self._warm)
        else:
            self._open()

    # Opening.

    def _open(self) -> None:
        self._opening += 1
        self._owner.gate.enter(self._attempt)

    def _attempt(self, _: None) -> None:
        if not self._owner.ended:
            self._dial.attempt(self._opened, self._refused)

    def _opened(self, _: None) -> None:
        if self._owner.ended:
            self._dial.closed()
            return
        now = self._clock.now
        record = self._record
        record.opened[record.second] += 1
        record.note("opened", self._owner.id)
        self._opening -= 1
        self._holdoff.succeeded()
        self._enter(now, policy.expiry(now, self._lifetime, self._jitter, self._chance.random()))
        self._resized()
        if self._keeping:
            self._plan()
        else:
            self.warmup.opened()
            self._warm(None)

    def _enter(self, opened: int, expires: int) -> None:
        self._last += 1
        self._ready[self._last] = opened
        if expires < opened + self._session:
            self._clock.at(expires, self._expired, self._last)
        else:
            self._clock.at(opened + self._session, self._ended, self._last)

    def _refused(self, verdict: str) -> None:
        if verdict == "time-out":
            self._dial.closed()
        if self._owner.ended:
            return
        now = self._clock.now
        self._opening -= 1
        self._record.refused(verdict, self._owner.id)
        self._holdoff.failed(now, self._chance.random())
        if self._keeping:
            self._plan()
        else:
            self.warmup.failed(self._chance.random())
            self._warm(None)

    def _again(self, _: None) -> None:
        self._plan()

    # The keeper.

    def _plan(self) -> None:
        if not self._keeping or self._owner.ended:
            return
        now = self._clock.now
        ready, due = len(self._ready), len(self._due)
        if not due and ready + self._opening >= self._target + self._reservoir:
            return
        most = self._most_opening
        if self._holdoff.failures:
            most = policy.max_opening(self._holdoff.leave(now), most)
            if not most and self._again_at != self._holdoff.until:
                self._again_at = self._holdoff.until
                self._clock.at(self._again_at, self._again)
        if due and ready + due > self._target:
            due -= self._retire(now, ready, due, most)
        to_open, _ = policy.keep(
            target=self._target,
            reservoir=self._reservoir,
            open_=ready + due,
            ready=ready,
            due_idle=0,
            opening=self._opening,
            max_opening=most,
        )
        for _ in range(to_open):
            self._open()

    def _retire(self, now: int, ready: int, due: int, most: int) -> int:
        """Close what is due, idle and not needed; return how many."""
        requests, idle = self.requests, due
        if requests.watched:
            # Due ones are lent last: they are in use only where no other is left.
            idle = max(0, min(due, ready + due - requests.busy(now)))
        _, retire = policy.keep(
            target=self._target,
            reservoir=self._reservoir,
            open_=ready + due,
            ready=ready,
            due_idle=idle,
            opening=self._opening,
            max_opening=most,
        )
        for _ in range(retire):
            connection = next(iter(self._due))
            del self._due[connection]
            if connection in self._dead:
                self._dead.remove(connection)
            else:
                self._dial.closed()
        if retire:
            record = self._record
            record.count("expired", retire)
            record.note("retired", self._owner.id)
            if ready + due - retire < self._target:
                record.count("retired_short", retire)
            self._resized()
        if requests.watched and retire < min(due, ready + due - self._target):
            self._clock.at(requests.next_end(), self._again)
        return retire

    def _expired(self, connection: int) -> None:
        opened = self._ready.pop(connection, None)
        if opened is None or self._owner.ended:
            return
        self._due[connection] = opened
        self._plan()
        self._watch_ends()

    def _watch_ends(self) -> None:
        """Have those looked at that are due and not replaced when the first of them reaches DSQL's own lifetime."""
        if self._due and not self._ends_watched:
            self._ends_watched = True
            self._clock.at(min(self._due.values()) + self._session, self._sessions_end)

    def expire_all(self) -> None:
        """All connections are due at once."""
        self._due.update(self._ready)
        self._ready.clear()
        self._plan()
        self._watch_ends()

    # Breaking.

    def _ended(self, connection: int) -> None:
        """A session reaches DSQL's own lifetime before it is due."""
        if connection in self._ready and connection not in self._dead and not self._owner.ended:
            self._record.count("ended_by_dsql")
            self._break([connection])

    def _sessions_end(self, _: None) -> None:
        """Sessions that are due and could not be replaced reach DSQL's own lifetime."""
        self._ends_watched = False
        if self._owner.ended:
            return
        now = self._clock.now
        over = [one for one, opened in self._due.items() if opened + self._session <= now and one not in self._dead]
        if over:
            self._record.count("ended_by_dsql", len(over))
            self._break(over)
        left = [opened for one, opened in self._due.items() if one not in self._dead]
        if left:
            self._ends_watched = True
            self._clock.at(min(left) + self._session, self._sessions_end)

    def live(self) -> list[int]:
        """The usable connections, in the order of their opening."""
        return [one for one in sorted([*self._ready, *self._due]) if one not in self._dead]

    def cut(self, connections: list[int]) -> None:
        """These break."""
        self._record.count("cut", len(connections))
        self._break(connections)

    def _break(self, connections: list[int]) -> None:
        now, usable = self._clock.now, self.usable
        known = self.requests.lose(now, (len(connections), usable), usable - len(connections))
        self._dial.closed(len(connections))
        self._record.note("broke", self._owner.id, f"{len(connections)} of {usable} connections, {known} in use")
        for connection in connections[:known]:
            self._forget(connection)
        for connection in connections[known:]:
            self._dead.add(connection)
            # It was last silent at some moment of the past stretch, and is probed a stretch after that.
            self._clock.at(now + int(self._chance.random() * self._probe_after), self._probe, connection)
        self._resized()
        self._plan()
        self._look_soon()

    def _forget(self, connection: int) -> None:
        self._ready.pop(connection, None)
        self._due.pop(connection, None)
        self._dead.discard(connection)

    def _probe(self, connection: int) -> None:
        if connection in self._dead and not self._owner.ended:
            self._forget(connection)
            self._plan()

    def _look_soon(self) -> None:
        if not self._dead or self._looking or not self.requests.watched:
            return
        self._looking = True
        now = self._clock.now
        soon = now + _LOOK
        if not self.usable and self.requests.next_arrival < soon:
            soon = self.requests.next_arrival
        self._clock.at(soon, self._look)

    def _look(self, _: None) -> None:
        """A request that finds no other connection runs through the dead ones, each found out at once."""
        self._looking = False
        if self._owner.ended or not self._dead:
            return
        self.requests.advance(self._clock.now)
        if self.requests.waiting:
            self._record.note("found dead", self._owner.id, f"{len(self._dead)} connections")
            for connection in sorted(self._dead):
                self._forget(connection)
            self._plan()
        self._look_soon()

    # Whether enough are there.

    def _resized(self) -> None:
        now, usable = self._clock.now, self.usable
        self.requests.resize(now, usable)
        short = usable < self._target
        if short:
            self._short_least = min(self._short_least, usable)
        if short != self._short:
            self._short = short
            self._owner.lacks(1 if short else -1)
            if not short:
                self.end_shortage()
        if short and self._short_since < 0:
            self.begin_shortage()

    def begin_shortage(self) -> None:
        """From now on a missing connection is a shortage: the process is warm."""
        if self._short and self._owner.warm and not self._owner.stopping:
            self._short_since = now = self._clock.now
            self._short_least = self.usable
            record = self._record
            if record.below_from is not None and now >= record.below_from:
                detail = f"{self.usable} usable connections of {self._target}"
                record.violate("below-target", self._owner.id, detail)

    def end_shortage(self) -> None:
        """The shortage, if there is one, is over."""
        if self._short_since >= 0:
            shortage = Shortage(
                process=self._owner.id,
                from_s=self._short_since / NANOS,
                until_s=self._clock.now / NANOS,
                least=self._short_least,
                target=self._target,
            )
            self._short_since = -1
            self._record.shortage(shortage)

    # The end.

    def stop(self) -> None:
        """The process stops: no more requests, and what it misses is nobody's concern."""
        self.end_shortage()
        self.requests.stop(self._clock.now)

    def end(self) -> int:
        """All connections are closed; return how many DSQL held. Its caller says when DSQL notices."""
        self.requests.end(self._clock.now)
        held = self.usable
        self._ready.clear()
        self._due.clear()
        self._dead.clear()
        return held
