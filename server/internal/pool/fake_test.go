package pool

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"

	"auroral/server/internal/policy"
	"auroral/server/internal/session"
)

// server is a database of the tests' own: it opens connections that behave as pgx's do, and finds those used twice at a time.
type server struct {
	t         *testing.T
	mu        sync.Mutex
	conns     []*conn // in order of opening
	live      map[*conn]bool
	most      int // open at once
	least     int // open at once, since watch
	opening   int
	together  int // openings at once, the most
	attempts  []time.Duration
	began     time.Time
	openTakes time.Duration
	refuse    func(attempt int) error
	committed int
	deadBorn  bool // every session ends as soon as it is open
}

func newServer(t *testing.T) *server {
	return &server{t: t, live: map[*conn]bool{}, began: time.Now()}
}

// Open is what the pool calls.
func (s *server) Open(ctx context.Context) (session.Conn, error) {
	s.mu.Lock()
	s.attempts = append(s.attempts, time.Since(s.began))
	attempt, takes, refuse := len(s.attempts), s.openTakes, s.refuse
	s.opening++
	s.together = max(s.together, s.opening)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.opening--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, &session.RefusedError{Reason: session.TimedOut, Err: ctx.Err()}
	}
	if refuse != nil {
		if err := refuse(attempt); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &conn{server: s, id: len(s.conns), opened: time.Since(s.began)}
	c.dead.Store(s.deadBorn)
	s.conns = append(s.conns, c)
	s.live[c] = true
	s.most = max(s.most, len(s.live))
	return c, nil
}

func (s *server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, c)
	s.least = min(s.least, len(s.live))
}

// watch starts the count of the least connections anew.
func (s *server) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.least = len(s.live)
}

func (s *server) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}

func (s *server) tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.attempts)
}

// kill ends every session, as a restart of the server does.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		c.dead.Store(true)
	}
}

func (s *server) refuseUntil(end time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = func(int) error {
		if time.Since(s.began) < end {
			return &session.RefusedError{Reason: session.TooFast, Err: &pgconn.PgError{Code: "53400", Severity: "FATAL"}}
		}
		return nil
	}
}

// conn behaves as pgx's stdlib.Conn: what it says of a dead server, of an ended context, of a transaction.
type conn struct {
	server  *server
	id      int
	opened  time.Duration
	dead    atomic.Bool // the server has ended the session
	closed  bool        // we know
	in      bool
	using   atomic.Bool
	queries []string
	unsent  bool // a dead session is found before anything is sent
}

func (c *conn) SessionState() session.State {
	switch {
	case c.closed:
		return session.Closed
	case c.in:
		return session.InTransaction
	default:
		return session.Ready
	}
}

// enter finds two users at a time.
func (c *conn) enter() func() {
	if !c.using.CompareAndSwap(false, true) {
		c.server.t.Errorf("connection %d is used by two at a time", c.id)
	}
	return func() { c.using.Store(false) }
}

func (c *conn) die() {
	if !c.closed {
		c.closed = true
		c.server.forget(c)
	}
}

// send is one round trip.
func (c *conn) send(ctx context.Context, query string) error {
	defer c.enter()()
	if c.closed {
		return driver.ErrBadConn
	}
	if ctx.Err() != nil {
		return driver.ErrBadConn // nothing was sent, the connection lives
	}
	if c.dead.Load() {
		c.die()
		if c.unsent {
			return driver.ErrBadConn
		}
		return fmt.Errorf("read: %w", io.ErrUnexpectedEOF)
	}
	c.queries = append(c.queries, query)
	word, rest, _ := strings.Cut(query, " ")
	switch word {
	case "sleep":
		d, err := time.ParseDuration(rest)
		if err != nil {
			panic(err)
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
			c.die()
			return fmt.Errorf("timeout: %w", ctx.Err())
		}
	case "refused":
		return &pgconn.PgError{Severity: "ERROR", Code: rest, Message: "no"}
	case "fatal":
		c.die()
		return &pgconn.PgError{Severity: "FATAL", Code: rest, Message: "ends"}
	case "encode":
		return errors.New("cannot encode")
	case "panic":
		panic("in the driver")
	case "begin":
		c.in = true
	}
	return nil
}

func (c *conn) Close() error {
	defer c.enter()()
	c.die()
	return nil
}

func (c *conn) Ping(ctx context.Context) error {
	if err := c.send(ctx, "ping"); err != nil {
		if !c.closed {
			c.die()
		}
		return driver.ErrBadConn
	}
	return nil
}

func (c *conn) CheckNamedValue(nv *driver.NamedValue) error {
	if text, ok := nv.Value.(string); ok && text == "unfit" {
		return errors.New("unfit")
	}
	return nil
}
func (c *conn) Prepare(string) (driver.Stmt, error) { panic("a ticket keeps statements itself") }
func (c *conn) PrepareContext(context.Context, string) (driver.Stmt, error) {
	panic("a ticket keeps statements itself")
}
func (c *conn) Begin() (driver.Tx, error) { panic("unused") }

func (c *conn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	if c.in {
		c.server.t.Errorf("connection %d was lent in a transaction", c.id)
	}
	if err := c.send(ctx, "begin"); err != nil {
		return nil, err
	}
	return &fakeTx{c: c, ctx: ctx}, nil
}

type fakeTx struct {
	c   *conn
	ctx context.Context
}

func (x *fakeTx) Commit() error {
	if err := x.c.send(x.ctx, "commit"); err != nil {
		x.c.in = false
		x.c.die()
		return err
	}
	x.c.in = false
	x.c.server.mu.Lock()
	x.c.server.committed++
	x.c.server.mu.Unlock()
	return nil
}

func (x *fakeTx) Rollback() error {
	if err := x.c.send(x.ctx, "rollback"); err != nil {
		x.c.die()
		return err
	}
	x.c.in = false
	return nil
}

func (c *conn) ExecContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	if err := c.send(ctx, query); err != nil {
		return nil, err
	}
	return driver.RowsAffected(c.id), nil
}

// QueryContext answers three rows with the connection's number; `rows lost` loses the connection after the first.
func (c *conn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if err := c.send(ctx, query); err != nil {
		return nil, err
	}
	return &fakeRows{c: c, lost: query == "rows lost"}, nil
}

type fakeRows struct {
	c      *conn
	n      int
	lost   bool
	closed bool
}

func (r *fakeRows) Columns() []string { return []string{"id"} }

func (r *fakeRows) Close() error {
	r.closed = true
	return nil
}

func (r *fakeRows) Next(dest []driver.Value) error {
	defer r.c.enter()()
	if r.closed {
		r.c.server.t.Error("rows were read after their end")
	}
	if r.n++; r.n > 3 {
		return io.EOF
	}
	if r.lost && r.n > 1 {
		r.c.die()
		return fmt.Errorf("read: %w", io.ErrUnexpectedEOF)
	}
	dest[0] = int64(r.c.id)
	return nil
}

// watcher is an Observer that counts.
type watcher struct {
	mu      sync.Mutex
	waits   int
	states  []Stats
	closed  map[CloseReason]int
	warm    []WarmResult
	startup []error
}

func (w *watcher) PoolState(s Stats)        { w.mu.Lock(); w.states = append(w.states, s); w.mu.Unlock() }
func (w *watcher) PoolWaited(time.Duration) { w.mu.Lock(); w.waits++; w.mu.Unlock() }
func (w *watcher) PoolWarmed(r WarmResult)  { w.mu.Lock(); w.warm = append(w.warm, r); w.mu.Unlock() }
func (w *watcher) StartupConnection(err error) {
	w.mu.Lock()
	w.startup = append(w.startup, err)
	w.mu.Unlock()
}
func (w *watcher) told() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.states) }
func (w *watcher) PoolClosed(r CloseReason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed == nil {
		w.closed = map[CloseReason]int{}
	}
	w.closed[r]++
}

// book is a logger that keeps its lines.
type book struct {
	log.Logger
	mu    sync.Mutex
	lines []string
}

func newBook() *book { return &book{Logger: log.NewNoopLogger()} }

func (b *book) Info(msg string, tags ...tag.Tag) { b.write(msg, tags) }
func (b *book) Warn(msg string, tags ...tag.Tag) { b.write(msg, tags) }

func (b *book) write(msg string, tags []tag.Tag) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range tags {
		msg += fmt.Sprintf(" %s=%v", t.Key(), t.Value())
	}
	b.lines = append(b.lines, msg)
}

// half is a Rand without chance.
func half() float64 { return 0.5 }

// sequence is a Rand that goes through [0, 1) evenly, in an order that is not the natural one.
func sequence() func() float64 {
	n := atomic.Uint64{}
	return func() float64 { return float64(n.Add(1)*37%100) / 100 }
}

func options(target int) Options {
	return Options{
		Name:   "test",
		Target: target,
		Jitter: 0.1,
		Rand:   sequence(),
		Warmup: policy.WarmupConfig{MaxRetries: 5, FirstBackoff: 200 * time.Millisecond, MaxBackoff: 5 * time.Second},
	}
}

// warmed makes a pool that is full and closed when the test ends.
func warmed(t *testing.T, s *server, o Options) *Pool {
	t.Helper()
	p := New(s, o)
	if _, err := p.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// finish closes a pool and proves that nothing is left open.
func finish(t *testing.T, s *server, p *Pool, dbs ...*sql.DB) {
	t.Helper()
	for _, db := range dbs {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if left := s.open(); left != 0 {
		t.Errorf("%d connections are left open", left)
	}
}

// full checks that a quiet pool is whole: all open, all idle.
func full(t *testing.T, s *server, p *Pool) {
	t.Helper()
	stats := p.Stats()
	if want := stats.Target; stats.Open != want || stats.Idle != want || stats.InUse != 0 || stats.Opening != 0 || stats.Waiting != 0 {
		t.Errorf("the pool is not whole: %+v", stats)
	}
	if s.open() != stats.Open {
		t.Errorf("the pool has %d connections, the server %d", stats.Open, s.open())
	}
}
