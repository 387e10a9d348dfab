package pool

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"sync"
	"time"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"

	"auroral/server/internal/session"
)

// Pool keeps connections open and lends them. It is safe for concurrent use.
type Pool struct {
	options Options
	opener  session.Opener
	logger  log.Logger
	started time.Time
	ctx     context.Context // ends when the pool closes; openings and probes live in it
	stop    context.CancelFunc
	nudge   chan struct{} // wakes the keeper; holds one
	emptied chan struct{} // closed when the pool is closed, nothing is open and nothing under way

	mu       sync.Mutex // guards what follows, and is never held while anything is sent or awaited
	ledger   *ledger
	waits    int64
	waitTime time.Duration
	ended    map[CloseReason]int64
	warm     WarmResult
	changed  bool // since the observer was last told
	busy     int  // goroutines of ours, openings and closings under way
	empty    bool // emptied is closed
}

// New makes a pool. One that keeps connections opens none before Warm; one on demand is ready.
func New(opener session.Opener, options Options) *Pool {
	options = options.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	p := &Pool{
		options: options,
		opener:  opener,
		logger:  log.With(options.Logger, tag.NewStringTag("pool", options.Name)),
		started: time.Now(),
		ctx:     ctx,
		stop:    stop,
		nudge:   make(chan struct{}, 1),
		emptied: make(chan struct{}),
		ledger:  newLedger(options),
		ended:   map[CloseReason]int64{},
		changed: true,
	}
	p.start(p.report)
	if options.OnDemand {
		p.start(p.keep)
	}
	return p
}

// now is monotonic: what time.Since measures is not moved by a change of the wall clock.
func (p *Pool) now() time.Duration { return time.Since(p.started) }

// Connector gives what sql.OpenDB needs. Its connections cost nothing: they are tickets. Any number of *sql.DB can share a pool.
func (p *Pool) Connector() driver.Connector { return connector{p} }

// Stats says how the pool stands.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats()
}

func (p *Pool) stats() Stats {
	l := p.ledger
	return Stats{
		Name: p.options.Name, OnDemand: p.options.OnDemand,
		Target: l.target, Open: l.open(), InUse: len(l.lent), Idle: len(l.idle) + len(l.probing), Opening: l.opening,
		Waiting: l.queue.Len(), Waits: p.waits, WaitTime: p.waitTime,
		Closed: maps.Clone(p.ended), Warm: p.warm,
	}
}

// acquire lends a connection. It waits at most the pool's time-out; the errors are *NoConnectionError, ErrClosed and, on demand,
// that of the opening.
func (p *Pool) acquire(ctx context.Context) (*member, error) {
	deadline := p.now() + p.options.AcquireTimeout
	for {
		m, err := p.take(ctx, deadline)
		if err != nil {
			return nil, err
		}
		if p.now()-m.proved <= p.options.PingAfter {
			return m, nil
		}
		if p.answers(ctx, m) {
			return m, nil
		}
		p.giveBack(m, Stale)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

func (p *Pool) take(ctx context.Context, deadline time.Duration) (*member, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	if p.ledger.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	p.changed = true
	if m := p.ledger.lend(p.now()); m != nil {
		p.mu.Unlock()
		return m, nil
	}
	granted := make(chan struct{})
	w := &waiter{wake: func() { close(granted) }}
	p.ledger.enqueue(w)
	p.mu.Unlock()
	if p.options.OnDemand {
		p.wakeKeeper()
	}
	return p.await(ctx, w, granted, deadline)
}

func (p *Pool) await(ctx context.Context, w *waiter, granted <-chan struct{}, deadline time.Duration) (*member, error) {
	began := p.now()
	timeout := time.NewTimer(deadline - began)
	defer timeout.Stop()
	select {
	case <-granted:
	case <-ctx.Done():
	case <-timeout.C:
	}

	p.mu.Lock()
	waited := p.now() - began
	p.waits++
	p.waitTime += waited
	p.changed = true
	// A grant that came together with the end of the wait is taken when the caller is still there; else it goes on to the next.
	m, err := w.got, w.err
	var leaving *member
	if err != ErrClosed && (m == nil || ctx.Err() != nil) { //nolint:errorlint // it is ours
		m, err = nil, &NoConnectionError{Stats: p.stats(), Waited: waited, Refusal: p.ledger.refusal, Err: ctx.Err()}
		leaving = p.ledger.leave(w, p.now())
		p.reserve(leaving != nil)
	}
	p.mu.Unlock()
	if leaving != nil {
		p.end(leaving, p.reason())
	}
	p.options.Observer.PoolWaited(waited)
	return m, err
}

// answers asks a connection for a sign of life.
func (p *Pool) answers(ctx context.Context, m *member) bool {
	ctx, cancel := context.WithTimeout(ctx, p.options.PingTimeout)
	defer cancel()
	return m.conn.Ping(ctx) == nil
}

// giveBack ends a loan or a probe. A reason says that the connection is of no more use.
func (p *Pool) giveBack(m *member, broken CloseReason) {
	p.mu.Lock()
	now := p.now()
	leaves := p.ledger.takeBack(m, broken == "", now, now)
	p.reserve(leaves)
	p.changed = true
	p.mu.Unlock()
	if !leaves {
		return
	}
	if broken == "" {
		broken = p.reason()
	}
	p.end(m, broken)
	p.wakeKeeper()
}

// reason says why a connection that nothing is wrong with leaves.
func (p *Pool) reason() CloseReason {
	if p.ctx.Err() != nil {
		return Shutdown
	}
	return Expired
}

// reserve counts what is about to be done outside the lock, in the same breath as it was decided, so that Close waits for it.
func (p *Pool) reserve(really bool) {
	if really {
		p.busy++
	}
}

// run does what was reserved.
func (p *Pool) run(f func()) {
	go func() {
		defer p.done()
		f()
	}()
}

func (p *Pool) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.noteEmpty()
}

// start runs a goroutine of the pool's own, unless the pool is closed.
func (p *Pool) start(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ledger.closed {
		p.reserve(true)
		p.run(f)
	}
}

// end closes a connection that has left the ledger; its closing is reserved. It does so aside: a close says goodbye over the network.
func (p *Pool) end(m *member, reason CloseReason) {
	p.mu.Lock()
	p.ended[reason]++
	p.mu.Unlock()
	p.options.Observer.PoolClosed(reason)
	p.run(func() {
		if err := m.conn.Close(); err != nil && reason == Expired {
			p.logger.Debug("Closing a DSQL connection failed", tag.Error(err))
		}
	})
}

// Close ends the pool: it refuses callers, cancels openings, closes what is idle, and waits for what is lent until the context
// ends. What is lent longer is closed when it comes back; the error says how many that are.
func (p *Pool) Close(ctx context.Context) error {
	p.stop()
	p.mu.Lock()
	leaving := p.ledger.close(ErrClosed)
	p.busy += len(leaving)
	p.noteEmpty()
	p.mu.Unlock()
	for _, m := range leaving {
		p.end(m, Shutdown)
	}
	select {
	case <-p.emptied:
		p.options.Observer.PoolState(p.Stats())
		return nil
	case <-ctx.Done():
		return fmt.Errorf("dsql: %d connections of pool %q still in use: %w", p.Stats().InUse, p.options.Name, ctx.Err())
	}
}

func (p *Pool) noteEmpty() {
	if p.ledger.closed && !p.empty && p.busy == 0 && p.ledger.open() == 0 {
		p.empty = true
		close(p.emptied)
	}
}
