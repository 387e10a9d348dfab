package pool

import (
	"container/list"
	"slices"
	"time"

	"auroral/server/internal/policy"
	"auroral/server/internal/session"
)

// member is one open connection of the pool. It is idle, lent or being probed.
type member struct {
	conn    session.Conn
	expires time.Duration
	proved  time.Duration // when it last answered
}

// waiter is one caller in the queue. `wake` is called once, when `got` or `err` is set.
type waiter struct {
	got  *member
	err  error
	wake func()
	at   *list.Element
}

// ledger says where each connection is and who waits. It takes events and returns what is to be done; the pool does it.
// It holds no lock, starts nothing and knows no clock: `now` is the time since the pool's start.
type ledger struct {
	target, reservoir, maxOpening int
	onDemand                      bool
	probeAfter                    time.Duration // an idle connection is asked for a sign of life after this; 0: never

	idle    []*member // the one returned last is at the end
	lent    map[*member]struct{}
	probing map[*member]struct{}
	queue   *list.List // of *waiter, the first comer in front
	opening int
	closed  bool

	holdoff   policy.Holdoff
	heldUntil time.Duration // the end of its back-off
	refusal   error         // the last one, until an opening succeeds
}

func newLedger(o Options) *ledger {
	return &ledger{
		target:     o.Target,
		reservoir:  o.Reservoir,
		maxOpening: o.MaxOpening,
		onDemand:   o.OnDemand,
		probeAfter: o.ProbeAfter,
		holdoff:    policy.Holdoff{First: o.Warmup.FirstBackoff, Max: o.Warmup.MaxBackoff},
		lent:       map[*member]struct{}{},
		probing:    map[*member]struct{}{},
		queue:      list.New(),
	}
}

func (l *ledger) open() int { return len(l.idle) + len(l.lent) + len(l.probing) }

// lend gives the connection that was returned last, one that is not due before one that is.
func (l *ledger) lend(now time.Duration) *member {
	for i := len(l.idle) - 1; i >= 0; i-- {
		if !policy.Due(now, l.idle[i].expires) {
			return l.lendAt(i)
		}
	}
	if last := len(l.idle) - 1; last >= 0 {
		return l.lendAt(last)
	}
	return nil
}

func (l *ledger) lendAt(i int) *member {
	m := l.idle[i]
	l.idle = append(l.idle[:i], l.idle[i+1:]...)
	l.lent[m] = struct{}{}
	return m
}

// enqueue puts a caller at the end of the queue.
func (l *ledger) enqueue(w *waiter) { w.at = l.queue.PushBack(w) }

// leave takes a caller out of the queue. A connection granted in the meantime goes on to the next, or is returned when it has
// left the pool and must be closed.
func (l *ledger) leave(w *waiter, now time.Duration) *member {
	if w.at != nil {
		l.queue.Remove(w.at)
		w.at = nil
	}
	m := w.got
	w.got = nil
	if m != nil && l.takeBack(m, true, m.proved, now) {
		return m
	}
	return nil
}

// offer lends a connection to the first in the queue, or makes it idle: a cold one (new, or only probed) to be lent after those in
// use, which have their statements prepared.
func (l *ledger) offer(m *member, cold bool) {
	if front := l.queue.Front(); front != nil {
		w := l.queue.Remove(front).(*waiter) //nolint:revive // the queue holds nothing else
		w.at, w.got = nil, m
		l.lent[m] = struct{}{}
		w.wake()
		return
	}
	if cold {
		l.idle = slices.Insert(l.idle, 0, m)
	} else {
		l.idle = append(l.idle, m)
	}
}

// takeBack ends a loan or a probe. It returns true when the connection has left the pool and must be closed.
func (l *ledger) takeBack(m *member, healthy bool, proved, now time.Duration) (leaves bool) {
	_, probed := l.probing[m]
	delete(l.lent, m)
	delete(l.probing, m)
	if !healthy || l.closed {
		return true
	}
	m.proved = proved
	if policy.Due(now, m.expires) && l.retirable(m, now) {
		return true
	}
	l.offer(m, probed)
	return false
}

// retirable is whether a due connection that comes back may be closed. It is asked here and not only by the keeper: under
// load a connection is never idle.
func (l *ledger) retirable(m *member, now time.Duration) bool {
	if l.onDemand {
		return true
	}
	l.idle = append(l.idle, m)
	retire := l.decide(now).Retire > 0
	l.idle = l.idle[:len(l.idle)-1]
	return retire
}

// opened ends an opening that succeeded. It returns true when nobody wants the connection any more.
func (l *ledger) opened(m *member, now time.Duration) (leaves bool) {
	l.opening--
	l.holdoff.Succeeded()
	l.heldUntil, l.refusal = 0, nil
	if l.closed {
		return true
	}
	m.proved = now
	l.offer(m, true)
	return false
}

// refused ends an opening that failed, and returns how long openings are held off. On demand the first in the queue is told;
// otherwise callers wait for the next attempt.
func (l *ledger) refused(err error, now time.Duration, u float64) (wait time.Duration) {
	l.opening--
	l.refusal = err
	wait = l.holdoff.Failed(now, u)
	l.heldUntil = now + wait
	if front := l.queue.Front(); l.onDemand && front != nil {
		l.fail(l.queue.Remove(front).(*waiter), err) //nolint:revive // the queue holds nothing else
	}
	return wait
}

func (l *ledger) fail(w *waiter, err error) {
	w.at, w.err = nil, err
	w.wake()
}

// work is what the keeper has to do now, and when it has to look again at the latest (0: only after an event).
type work struct {
	open   int
	retire []*member
	probe  *member
	again  time.Duration
}

// plan decides the keeper's next step and notes it as begun.
func (l *ledger) plan(now time.Duration) work {
	var w work
	if l.closed {
		return w
	}
	surplus := l.decide(now).Retire
	l.idle = slices.DeleteFunc(l.idle, func(m *member) bool {
		retire := len(w.retire) < surplus && policy.Due(now, m.expires)
		if retire {
			w.retire = append(w.retire, m)
		}
		return retire
	})
	w.open = l.decide(now).Open // asked after the retirements: they make room, and nothing else would wake the keeper for it
	l.opening += w.open
	w.probe = l.takeUnproved(now)
	w.again = l.nextEvent(now)
	return w
}

// decide asks the policy; it changes nothing.
func (l *ledger) decide(now time.Duration) policy.KeeperDecision {
	maxOpening := policy.MaxOpening(l.holdoff.Leave(now), l.maxOpening)
	if l.onDemand {
		return policy.KeeperDecision{Open: max(0, min(
			l.queue.Len()-l.opening,
			l.target-l.open()-l.opening,
			maxOpening-l.opening,
		))}
	}
	due, dueIdle := 0, 0
	l.each(func(m *member, idle bool) {
		if policy.Due(now, m.expires) {
			due++
			if idle {
				dueIdle++
			}
		}
	})
	return policy.Keep(policy.KeeperState{
		Target:     l.target,
		Reservoir:  l.reservoir,
		Open:       l.open(),
		Opening:    l.opening,
		Ready:      l.open() - due,
		DueIdle:    dueIdle,
		MaxOpening: maxOpening,
	})
}

func (l *ledger) each(f func(m *member, idle bool)) {
	for _, m := range l.idle {
		f(m, true)
	}
	for m := range l.lent {
		f(m, false)
	}
	for m := range l.probing {
		f(m, false)
	}
}

// takeUnproved takes the idle connection that has been silent longest, when it has been so for too long. One at a time.
func (l *ledger) takeUnproved(now time.Duration) *member {
	if l.probeAfter <= 0 || l.onDemand || len(l.probing) > 0 {
		return nil
	}
	oldest := -1
	for i, m := range l.idle {
		if now >= m.proved+l.probeAfter && (oldest < 0 || m.proved < l.idle[oldest].proved) {
			oldest = i
		}
	}
	if oldest < 0 {
		return nil
	}
	m := l.idle[oldest]
	l.idle = append(l.idle[:oldest], l.idle[oldest+1:]...)
	l.probing[m] = struct{}{}
	return m
}

// nextEvent is the earliest moment at which time alone gives the keeper something to do: the end of a hold-off, an expiry,
// a silence. For the rest it waits for events: returns, ended openings, ended probes.
func (l *ledger) nextEvent(now time.Duration) time.Duration {
	next := time.Duration(0)
	if l.heldUntil > now {
		next = l.heldUntil
	}
	if l.onDemand {
		return next
	}
	l.each(func(m *member, idle bool) {
		if !policy.Due(now, m.expires) {
			next = earliest(next, m.expires)
		}
		switch {
		case l.probeAfter <= 0 || len(l.probing) > 0:
		case idle:
			next = earliest(next, m.proved+l.probeAfter)
		default: // it may be back and silent by then
			next = earliest(next, now+l.probeAfter)
		}
	})
	return next
}

func earliest(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// close ends the lending. The idle connections leave, the queue is told; what is lent comes back later.
func (l *ledger) close(err error) []*member {
	l.closed = true
	leaving := l.idle
	l.idle = nil
	for front := l.queue.Front(); front != nil; front = l.queue.Front() {
		l.fail(l.queue.Remove(front).(*waiter), err) //nolint:revive // the queue holds nothing else
	}
	return leaving
}
