package pool

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
	"time"

	"auroral/server/internal/session"
)

// rollbackTimeout bounds a rollback whose caller has gone.
const rollbackTimeout = 5 * time.Second

// Begin starts a transaction.
func (t *ticket) Begin() (driver.Tx, error) {
	return t.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx starts a transaction.
func (t *ticket) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	phase := newPhase(ctx)
	inner, err := use(ctx, t, true, func(c session.Conn) (driver.Tx, error) { return c.BeginTx(phase, options) })
	if err != nil {
		return nil, err
	}
	t.in = true
	return &tx{ticket: t, inner: inner, phase: phase}, nil
}

type tx struct {
	ticket *ticket
	inner  driver.Tx
	phase  *phase
}

// Commit commits. It is never repeated: a commit whose answer was lost may have been made.
func (x *tx) Commit() error {
	t := x.ticket
	if t.lost != nil {
		return t.lost
	}
	t.call = true
	err := x.inner.Commit()
	t.call, t.in = false, false
	if err == nil {
		return nil
	}
	return t.failed(x.phase, err, judge(x.phase, err, session.StateOf(t.held.conn)))
}

// Rollback ends the transaction without its changes. That is also what a lost connection does.
func (x *tx) Rollback() error {
	t := x.ticket
	if t.lost != nil {
		t.in = false
		return nil
	}
	// pgx rolls back under the context of BeginTx, and closes a connection whose rollback does not succeed: without this,
	// each caller that gives up between two statements would cost a connection.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.phase.outer), rollbackTimeout)
	defer cancel()
	x.phase.enter(ctx)
	t.call = true
	err := x.inner.Rollback()
	t.call, t.in = false, false
	if err == nil {
		return nil
	}
	t.lose(ctx, err) // a transaction that did not end cleanly ends with its connection
	return tell(ctx, err, true)
}

// phase is the context of a transaction. It is the caller's until the rollback, which needs one that has not ended.
type phase struct {
	outer   context.Context //nolint:containedctx // this is a context
	current atomic.Pointer[context.Context]
}

func newPhase(outer context.Context) *phase {
	p := &phase{outer: outer}
	p.enter(outer)
	return p
}

func (p *phase) enter(ctx context.Context) { p.current.Store(&ctx) }

func (p *phase) Deadline() (time.Time, bool) { return (*p.current.Load()).Deadline() }
func (p *phase) Done() <-chan struct{}       { return (*p.current.Load()).Done() }
func (p *phase) Err() error                  { return (*p.current.Load()).Err() }
func (p *phase) Value(key any) any           { return p.outer.Value(key) }
