package pool

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"

	"auroral/server/internal/session"
)

// maxStale bounds how often one statement moves to another connection because the one it got was dead.
const maxStale = 3

type connector struct{ pool *Pool }

func (c connector) Connect(context.Context) (driver.Conn, error) { return &ticket{pool: c.pool}, nil }

func (c connector) Driver() driver.Driver { return tickets{} }

// tickets is the driver that sql.DB.Driver shows.
type tickets struct{}

func (tickets) Open(string) (driver.Conn, error) {
	return nil, errors.New("dsql: connections come from a pool, not from a name: use sql.OpenDB with Pool.Connector")
}

// ticket is what database/sql takes for a connection: the right to one. It takes a connection when a statement needs one and gives it
// back when database/sql says that the use has ended, by IsValid (at each return to its free list) or Close.
//
// It does not take one in ResetSession: database/sql passes only ErrBadConn on from there, after which it tries twice more (three waits),
// and drops any other error.
//
// database/sql holds a lock around each call, so a ticket needs none.
type ticket struct {
	pool *Pool
	held *member
	in   bool        // a transaction is open
	call bool        // a call is under way; left so by a panic
	lost error       // the connection broke in this use: nothing else is possible until it has ended
	why  CloseReason // of a lost one
}

var (
	_ session.Conn           = (*ticket)(nil)
	_ driver.SessionResetter = (*ticket)(nil)
	_ driver.Validator       = (*ticket)(nil)
)

// ResetSession does nothing. With IsValid it tells database/sql that a connection survives a rollback by a cancelled context.
func (t *ticket) ResetSession(context.Context) error { return nil }

// IsValid ends a use. A ticket is always good for another.
func (t *ticket) IsValid() bool {
	t.giveBack()
	return true
}

// Close ends a use for good.
func (t *ticket) Close() error {
	t.giveBack()
	return nil
}

func (t *ticket) giveBack() {
	used := *t
	*t = ticket{pool: used.pool}
	if used.held == nil {
		return
	}
	// A transaction may be open without our knowing: one begun by a statement.
	state := session.StateOf(used.held.conn)
	if used.lost == nil && (used.in || used.call || state == session.Closed || state == session.InTransaction) {
		used.why = Lost
	}
	t.pool.giveBack(used.held, used.why)
}

// use runs one call on the ticket's connection, after taking one where it holds none. `harmless` calls may be repeated on another
// connection whatever happened to them; others only if nothing was sent; within a transaction none.
func use[T any](ctx context.Context, t *ticket, harmless bool, call func(session.Conn) (T, error)) (T, error) {
	var none T
	for stale := 0; ; stale++ {
		if t.lost != nil {
			return none, t.lost
		}
		if t.held == nil {
			m, err := t.pool.acquire(ctx)
			if err != nil {
				return none, err
			}
			t.held = m
		}
		t.call = true
		answer, err := call(t.held.conn)
		t.call = false
		if err == nil {
			return answer, nil
		}
		found := judge(ctx, err, session.StateOf(t.held.conn))
		if found.broken && !t.in && (found.unsent || harmless) && ctx.Err() == nil && stale < maxStale {
			t.pool.giveBack(t.held, Stale)
			t.held = nil
			continue
		}
		return none, t.failed(ctx, err, found)
	}
}

// failed notes a failure and gives the error to tell.
func (t *ticket) failed(ctx context.Context, err error, found fault) error {
	if found.broken {
		t.lose(ctx, err)
	}
	return tell(ctx, err, found.broken)
}

// lose notes that the connection is of no more use.
func (t *ticket) lose(ctx context.Context, err error) {
	t.lost, t.why = &session.LostError{Text: err.Error()}, Lost
	if ctx.Err() != nil {
		t.why = Dropped
	}
}

// Ping asks DSQL for an answer.
func (t *ticket) Ping(ctx context.Context) error {
	_, err := use(ctx, t, true, func(c session.Conn) (struct{}, error) { return struct{}{}, c.Ping(ctx) })
	return err
}

// ExecContext runs a statement.
func (t *ticket) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return use(ctx, t, false, func(c session.Conn) (driver.Result, error) {
		checked, err := check(c, args)
		if err != nil {
			return nil, err
		}
		return c.ExecContext(ctx, query, checked)
	})
}

// QueryContext runs a query.
func (t *ticket) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return use(ctx, t, false, func(c session.Conn) (driver.Rows, error) {
		checked, err := check(c, args)
		if err != nil {
			return nil, err
		}
		inner, err := c.QueryContext(ctx, query, checked)
		if err != nil {
			return nil, err
		}
		return &rows{Rows: inner, ctx: ctx, ticket: t}, nil
	})
}

// CheckNamedValue takes every argument as it is: a ticket may have no connection yet. They are checked by the one they are sent on.
func (t *ticket) CheckNamedValue(*driver.NamedValue) error { return nil }

func check(c session.Conn, args []driver.NamedValue) ([]driver.NamedValue, error) {
	checked := slices.Clone(args)
	for i := range checked {
		err := c.CheckNamedValue(&checked[i])
		if errors.Is(err, driver.ErrSkip) {
			checked[i].Value, err = driver.DefaultParameterConverter.ConvertValue(checked[i].Value)
		}
		if err != nil {
			return nil, err
		}
	}
	return checked, nil
}

// Prepare keeps the text.
func (t *ticket) Prepare(query string) (driver.Stmt, error) {
	return &stmt{ticket: t, query: query}, nil
}

// PrepareContext keeps the text: pgx prepares and caches by connection, and the next use may be of another one.
func (t *ticket) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return t.Prepare(query)
}

// stmt is a statement's text.
type stmt struct {
	ticket *ticket
	query  string
}

func (s *stmt) Close() error { return nil }

// NumInput leaves the count to DSQL.
func (s *stmt) NumInput() int { return -1 }

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.ticket.ExecContext(ctx, s.query, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.ticket.QueryContext(ctx, s.query, args)
}

// Exec is of the old interface; database/sql calls ExecContext.
func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return nil, errOld }

// Query is of the old interface; database/sql calls QueryContext.
func (s *stmt) Query([]driver.Value) (driver.Rows, error) { return nil, errOld }

var errOld = errors.New("dsql: use the call that takes a context")
