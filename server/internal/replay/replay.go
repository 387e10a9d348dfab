// Package replay hides DSQL's conflicts at COMMIT from whoever ran the transaction.
//
// DSQL checks for conflicts when a transaction commits, and answers 40001 where PostgreSQL would have made a statement wait. Temporal does not
// expect an error there: it takes the write for unknown, and a shard that meets two of them acquires itself anew. So a connection records the
// statements of its open transaction and what they answered. When the commit answers 40001, which says that nothing was written, it runs
// the statements again and commits only if every answer is the same: whoever ran the transaction saw only those answers, so it would have sent
// the same statements again.
//
// Never run again is a commit whose outcome is unknown: any error but 40001. A statement that failed for another reason than a conflict
// ends the record, since a transaction with a failed statement cannot be committed.
package replay

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"time"

	"auroral/server/internal/session"

	"github.com/jackc/pgx/v5/pgconn"
)

// Conflict is the SQLSTATE of a transaction that conflicted and wrote nothing. DSQL says it of data (OC000) and of the schema (OC001).
const Conflict = "40001"

const abortedTransaction = "25P02"

// Options are the limits of replaying, and what time and chance come from.
type Options struct {
	Limit            int           // replays of one transaction or statement; 0 switches them off
	FirstBackoff     time.Duration // before the first replay; doubles with each one
	MaxBackoff       time.Duration // what it doubles up to, before jitter of 50 to 150 %
	MaxRecordedBytes int           // arguments and answers of one transaction; one that is larger is not replayed
	Rand             func() float64
	Sleep            func(context.Context, time.Duration) error
	Now              func() time.Time
	Observer         Observer
}

// Wrap gives a connection whose transactions are replayed. Rows are read to their end when a query is made, and UUIDs come as 16 bytes, as
// Temporal's store expects the columns that PostgreSQL keeps as bytea.
func Wrap(c session.Conn, o Options) session.Conn {
	if o.Observer == nil {
		o.Observer = silent{}
	}
	return &conn{inner: c, o: o}
}

type conn struct {
	inner session.Conn
	o     Options
	tx    *transaction // the open one, or nil
	// manual is a transaction begun by a statement's text instead of BeginTx. Temporal has none; it is left alone.
	manual bool
}

// Unwrap gives the connection inside.
func (c *conn) Unwrap() session.Conn { return c.inner }

func (c *conn) Ping(ctx context.Context) error { return c.inner.Ping(ctx) }

func (c *conn) Close() error {
	c.tx = nil
	return c.inner.Close()
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error { return c.inner.CheckNamedValue(v) }

func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

// BeginTx opens a transaction. Its context bounds the replays too.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	inner, err := c.inner.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	c.tx = &transaction{c: c, ctx: ctx, opts: o, inner: inner, began: c.o.Now()}
	return c.tx, nil
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext prepares nothing: the statement would bypass the record. pgx keeps a cache of prepared statements below.
func (c *conn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &statement{c: c, query: query}, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	a, err := c.run(ctx, call{query: query, args: args})
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(a.affected), nil
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	a, err := c.run(ctx, call{query: query, args: args, rows: true})
	if err != nil {
		return nil, err
	}
	return &cursor{answer: a}, nil
}

func (c *conn) run(ctx context.Context, s call) (answer, error) {
	switch {
	case c.tx != nil:
		return c.tx.run(ctx, s)
	case c.controls(s.query):
		return s.on(ctx, c.inner)
	default:
		return c.alone(ctx, s)
	}
}

// alone runs a statement outside a transaction: it is one of its own, and is run again like one. It has no earlier answers to keep.
func (c *conn) alone(ctx context.Context, s call) (answer, error) {
	began := c.o.Now()
	a, err := s.on(ctx, c.inner)
	replays := 0
	for isConflict(err) {
		c.o.Observer.Conflicted(AtStatement)
		if why := c.wait(ctx, replays); why != "" {
			c.o.Observer.GaveUp(why)
			break
		}
		replays++
		c.o.Observer.Replayed()
		a, err = s.on(ctx, c.inner)
	}
	if replays > 0 || isConflict(err) {
		c.o.Observer.Ended(outcome(err, replays), c.o.Now().Sub(began))
	}
	return a, err
}

// wait waits before replay number done+1, or says why there is none.
func (c *conn) wait(ctx context.Context, done int) Reason {
	if done >= c.o.Limit {
		return Exhausted
	}
	d := backoff(done+1, c.o)
	if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && deadline.Sub(c.o.Now()) <= d {
		return Deadline
	}
	if c.o.Sleep(ctx, d) != nil {
		return Deadline
	}
	return ""
}

// controls says whether a statement begins or ends a transaction by its text, or is inside one that did: neither may run twice.
func (c *conn) controls(query string) bool {
	word, _, _ := strings.Cut(strings.ToUpper(strings.TrimLeft(query, " \t\r\n;")), " ")
	switch strings.TrimRight(word, ";\r\n\t") {
	case "BEGIN", "START":
		c.manual = true
		return true
	case "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE":
		c.manual = false
		return true
	default:
		return c.manual
	}
}

func isConflict(err error) bool { return sqlState(err) == Conflict }

func sqlState(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// statement is the text of one, run on its connection so that it is recorded.
type statement struct {
	c     *conn
	query string
}

func (s *statement) Close() error  { return nil }
func (s *statement) NumInput() int { return -1 }

func (s *statement) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), named(args))
}

func (s *statement) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), named(args))
}

func (s *statement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.c.ExecContext(ctx, s.query, args)
}

func (s *statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.QueryContext(ctx, s.query, args)
}

func named(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, v := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return out
}
