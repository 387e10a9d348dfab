"""Requests of one pool: who waits for a connection, and how long. Pure.

A queue with Poisson arrivals, lognormal holds and as many servers as the pool has usable connections, first come first
served. It is advanced lazily: only where the number of servers changes, a second ends, or somebody asks.

**Skipping.** While a wait is too improbable, nothing is simulated. With unlimited servers the number of busy ones is
Poisson distributed with mean a = rate × mean hold, whatever the distribution of holds; and until somebody waits, c
servers behave as unlimited ones do. So the probability of any wait in a stretch of T seconds is at most
rate × T × P(N ≥ c), N Poisson with mean a. Requests are skipped while P(N ≥ c) ≤ 10⁻⁹; what that leaves out is added
up and reported.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque

from auroral.capacity.simulation.clock import rest, sampler, stream
from auroral.capacity.simulation.record import Record
from auroral.capacity.simulation.spec import NANOS, Demand

NEGLIGIBLE = 1e-9
"""Largest probability of a wait at which requests are skipped."""
_WATCH = 2 * NANOS
"""How long a pool is simulated after its last shortage, so that its busy connections are as they are without one."""
_NEVER = 1 << 62


def tail(busy: float, servers: int) -> float:
    """P(N ≥ servers) for N Poisson with mean `busy`: bounds the probability that a request waits."""
    if servers <= busy:
        return 1.0
    term = math.exp(servers * math.log(busy) - busy - math.lgamma(servers + 1)) if busy > 0 else 0.0
    total, k = 0.0, servers
    while term > total * 1e-12:
        total += term
        k += 1
        term *= busy / k
    return min(total, 1.0)


def enough(busy: float) -> int:
    """The fewest servers with which a wait is negligible."""
    servers = math.ceil(busy) + 1
    while tail(busy, servers) > NEGLIGIBLE:
        servers += 1
    return servers


class Requests:
    """One pool's. Nothing comes before `begin`, nor after `stop`."""

    def __init__(self, process: str, names: tuple[object, ...], record: Record, timeout: int, skip: bool) -> None:
        self._process = process
        self._record = record
        self._timeout = timeout
        self._skip = skip
        self._chance: random.Random = stream(*names, "requests")
        self._rate = 0.0
        self._demand: Demand | None = None
        self._hold = sampler(self._chance, Demand(rate_per_s=0).hold)
        self.servers = 0
        self._enough = 0
        self.watched = False
        """Requests are simulated one by one."""
        self.serving = False
        self._calm_since = 0
        self._busy: list[int] = []
        self._queue: deque[int] = deque()
        self.next_arrival = _NEVER
        self._least = 0
        self._skipped_since = 0
        self.simulated = 0
        self.broken = 0
        self.bound = 0.0
        """Probability that there was a wait among what was skipped, at most."""

    def begin(self, now: int, demand: Demand | None, servers: int) -> None:
        """The process serves from now on."""
        self.serving = True
        self.servers = self._least = servers
        self._skipped_since = now
        self.change(now, demand)

    def change(self, now: int, demand: Demand | None) -> None:
        """Another demand from now on. Requests under way keep their holds."""
        if not self.serving:
            return
        before = self._demand
        self._settle(now)
        self._demand = demand if demand and demand.rate_per_s > 0 else None
        self._rate = self._demand.rate_per_s if self._demand else 0.0
        if self._demand and (before is None or before.hold != self._demand.hold):
            self._hold = sampler(self._chance, self._demand.hold)
        self._enough = enough(self._demand.busy) if self._demand else 0
        self._least = self.servers
        if self.watched:
            self.next_arrival = self._arrival_after(now)
            self._calm_since = now
        elif self._demand and (not self._skip or self.servers < self._enough):
            self._watch(now, before)

    def stop(self, now: int) -> None:
        """No more requests come. Who waits goes on waiting: those are under way."""
        self._settle(now)
        self.serving = False
        self._demand, self._rate, self._enough = None, 0.0, 0
        self.next_arrival = _NEVER

    def resize(self, now: int, servers: int) -> None:
        """So many connections are usable from now on."""
        if not self.watched:
            self.servers = servers
            if servers < self._least:
                if servers >= self._enough:
                    self._least = servers
                elif self.serving:
                    self._watch(now, self._demand)
            return
        self.advance(now)
        self.servers = servers
        if servers < self._enough:
            self._calm_since = now
        while self._queue and len(self._busy) < servers and self._start(now):
            pass

    def lose(self, now: int, share: tuple[int, int], servers: int) -> int:
        """Of `share[1]` connections `share[0]` broke; return how many of those were in use. `servers` are left."""
        broke, of = share
        if not self.serving and not self._busy:
            self.servers = servers
            return 0
        if not self.watched:
            self._watch(now, self._demand)
        self.advance(now)
        self._free(now)
        busy = len(self._busy)
        hit = sum(1 for at in self._chance.sample(range(of), broke) if at < busy)
        for _ in range(hit):
            self._busy.pop(self._chance.randrange(len(self._busy)))
        heapq.heapify(self._busy)
        self.broken += hit
        self.servers = servers
        self._calm_since = now
        return hit

    def busy(self, now: int) -> int:
        """Connections in use: none is told while requests are skipped."""
        if not self.watched:
            return 0
        self.advance(now)
        self._free(now)
        return len(self._busy)

    def next_end(self) -> int:
        """When the next of those in use comes back."""
        return self._busy[0] if self._busy else _NEVER

    @property
    def waiting(self) -> int:
        """Requests in the queue, as of the last advance."""
        return len(self._queue)

    def end_second(self, now: int) -> None:
        """Advance to the end of a second; stop watching where that is no longer needed."""
        if not self.watched:
            return
        self.advance(now)
        if self._queue or not self._skip or self.servers < self._enough:
            self._calm_since = now
        elif now - self._calm_since >= _WATCH:
            self._unwatch()
            self._busy.clear()
            self.next_arrival = _NEVER
            self._least, self._skipped_since = self.servers, now

    def end(self, now: int) -> None:
        """The pool or the simulation ends. Who still waits counts with the wait so far."""
        self._settle(now)
        while self._queue:
            self._record.waited(self._process, self._queue.popleft(), now)
        self._unwatch()
        self.serving = False

    def _settle(self, now: int) -> None:
        """Bring everything up to now: simulate what is watched, add up what was skipped."""
        if self.watched:
            self.advance(now)
        elif self._demand:
            self.bound += (now - self._skipped_since) / NANOS * self._rate * tail(self._demand.busy, self._least)
        self._skipped_since = now

    def _watch(self, now: int, demand: Demand | None) -> None:
        """Begin to simulate from what is usual for this demand: so many busy, each with the rest of a hold."""
        self._settle(now)
        self.watched = True
        self._record.watched[self] = None
        self._calm_since = now
        if demand:
            busy = min(_poisson(self._chance, demand.busy), max(self.servers, self._least))
            self._busy = [now + rest(self._chance, demand.hold) for _ in range(busy)]
            heapq.heapify(self._busy)
        self.next_arrival = self._arrival_after(now)

    def _unwatch(self) -> None:
        self.watched = False
        self._record.watched.pop(self, None)

    def _arrival_after(self, now: int) -> int:
        if not self._rate:
            return _NEVER
        return now + int(-math.log(1.0 - self._chance.random()) / self._rate * NANOS)

    def _free(self, now: int) -> None:
        busy = self._busy
        while busy and busy[0] <= now:
            heapq.heappop(busy)

    def _start(self, now: int) -> bool:
        """Lend to the first in the queue; false where nobody is left."""
        queue = self._queue
        while queue:
            began = queue.popleft()
            if now - began >= self._timeout:
                self._record.waited(self._process, began, began + self._timeout, timed_out=True)
                continue
            self._record.waited(self._process, began, now)
            heapq.heappush(self._busy, now + self._hold())
            return True
        return False

    def advance(self, now: int) -> None:
        """Simulate up to now."""
        busy, queue, hold = self._busy, self._queue, self._hold
        push, pop = heapq.heappush, heapq.heappop
        servers = self.servers
        arrival, simulated = self.next_arrival, 0
        scale, log, random_ = NANOS / self._rate if self._rate else 0.0, math.log, self._chance.random
        while True:
            if queue and busy and busy[0] <= arrival:
                if busy[0] > now:
                    break
                ended = pop(busy)
                if len(busy) < servers:
                    self._start(ended)
                continue
            if arrival > now:
                break
            simulated += 1
            if not queue:
                while busy and busy[0] <= arrival:
                    pop(busy)
                if len(busy) < servers:
                    push(busy, arrival + hold())
                else:
                    queue.append(arrival)
            else:
                queue.append(arrival)
            arrival += int(-log(1.0 - random_()) * scale)
        self.next_arrival = arrival
        if simulated:
            self.simulated += simulated
            self._record.series.requests[self._record.second] += simulated
        while queue and now - queue[0] >= self._timeout:
            began = queue.popleft()
            self._record.waited(self._process, began, began + self._timeout, timed_out=True)


def _poisson(chance: random.Random, mean: float) -> int:
    """Draw from a Poisson distribution, by counting arrivals in one unit of time."""
    count, at = 0, -math.log(1.0 - chance.random())
    while at < mean:
        count += 1
        at -= math.log(1.0 - chance.random())
    return count
