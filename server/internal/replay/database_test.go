package replay

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	"auroral/server/internal/session"

	"github.com/jackc/pgx/v5/pgconn"
)

// database is a small multi-version store with snapshot isolation: what DSQL is to the connection. Every key that a transaction read or wrote
// counts as written when it commits, so that what commits is serializable and the tests can say in which order.
type database struct {
	state   map[string]int
	changed map[string]int // the commit that last touched a key
	commits []string       // the ids of the transactions that committed, in order
	// Chance, given by the test.
	conflict    func() bool // a commit is refused though nothing conflicted (DSQL's OC001)
	atStatement func() bool // a conflict is told at the statement, as PostgreSQL does
	unknown     func() fate // what happens to a commit's answer
	yield       func()      // others may go on here
	begins      map[string]int
	eager       bool // a stale row is refused when it is read, as PostgreSQL does, not at the commit
}

// fate of a commit's answer.
type fate int

const (
	answered fate = iota
	lostBefore
	lostAfter
)

var errLost = errors.New("connection reset by peer")

func conflictError(code string) error {
	return &pgconn.PgError{Code: Conflict, Message: "change conflicts with another transaction (" + code + ")"}
}

func newDatabase() *database {
	never := func() bool { return false }
	return &database{
		state: map[string]int{}, changed: map[string]int{}, begins: map[string]int{},
		conflict: never, atStatement: never, unknown: func() fate { return answered }, yield: func() {},
	}
}

// modelConn is a connection to it.
type modelConn struct {
	db   *database
	tx   *modelTx
	dead bool
}

type modelTx struct {
	c        *modelConn
	id       string
	start    int
	state    map[string]int
	touched  map[string]bool
	aborted  bool
	finished bool
}

func (c *modelConn) begin() *modelTx {
	return &modelTx{c: c, start: len(c.db.commits), state: maps.Clone(c.db.state), touched: map[string]bool{}}
}

func (c *modelConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	if c.dead {
		return nil, errLost
	}
	if c.tx != nil {
		return nil, errors.New("a transaction is already open")
	}
	c.db.yield()
	c.tx = c.begin()
	return c.tx, nil
}

// run understands "id <name>", "get <key>", "add <key> <n>", "insert <key>" (refused where it is there) and "clear <key>" (affects 0 or 1).
func (c *modelConn) run(query string, args []driver.NamedValue) (rows []int, affected int64, err error) {
	if c.dead {
		return nil, 0, errLost
	}
	c.db.yield()
	tx := c.tx
	if tx == nil {
		tx = c.begin()
		defer func() {
			if err == nil {
				err = tx.Commit()
			}
		}()
	}
	if tx.aborted {
		return nil, 0, &pgconn.PgError{Code: abortedTransaction, Message: "current transaction is aborted"}
	}
	words := strings.Fields(query)
	if words[0] == "id" {
		tx.id = words[1]
		c.db.begins[tx.id]++
		return nil, 0, nil
	}
	key := words[1]
	tx.touched[key] = true
	if c.db.atStatement() || c.db.eager && tx.behind() {
		tx.aborted = true
		return nil, 0, conflictError("OC000")
	}
	value, there := tx.state[key]
	switch words[0] {
	case "get":
		if there {
			rows = []int{value}
		}
		return rows, 0, nil
	case "add":
		n, err := strconv.Atoi(words[2])
		if err != nil {
			return nil, 0, err
		}
		for _, arg := range args {
			n += int(arg.Value.([]byte)[0])
		}
		tx.state[key] = value + n
		return nil, 1, nil
	case "insert":
		if there {
			tx.aborted = true
			return nil, 0, &pgconn.PgError{Code: "23505", Message: "duplicate key value"}
		}
		tx.state[key] = 1
		return nil, 1, nil
	case "clear":
		delete(tx.state, key)
		if there {
			return nil, 1, nil
		}
		return nil, 0, nil
	}
	return nil, 0, fmt.Errorf("no statement: %q", query)
}

func (t *modelTx) behind() bool {
	for key := range t.touched {
		if t.c.db.changed[key] > t.start {
			return true
		}
	}
	return false
}

func (t *modelTx) Commit() error {
	db := t.c.db
	t.end()
	if t.c.dead {
		return errLost
	}
	db.yield()
	if t.aborted {
		return errors.New("commit unexpectedly resulted in rollback")
	}
	if t.behind() {
		return conflictError("OC000")
	}
	if db.conflict() {
		return conflictError("OC001")
	}
	fate := db.unknown()
	if fate != answered {
		t.c.dead = true
	}
	if fate == lostBefore {
		return errLost
	}
	db.commits = append(db.commits, t.id)
	for key := range t.touched {
		db.changed[key] = len(db.commits)
		if value, there := t.state[key]; there {
			db.state[key] = value
		} else {
			delete(db.state, key)
		}
	}
	if fate == lostAfter {
		return errLost
	}
	return nil
}

func (t *modelTx) Rollback() error {
	t.end()
	return nil
}

func (t *modelTx) end() {
	if t.finished {
		panic("a transaction was ended twice")
	}
	t.finished = true
	if t.c.tx == t {
		t.c.tx = nil
	}
}

func (c *modelConn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	_, n, err := c.run(query, args)
	return driver.RowsAffected(n), err
}

func (c *modelConn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, _, err := c.run(query, args)
	if err != nil {
		return nil, err
	}
	return &modelRows{values: rows}, nil
}

type modelRows struct{ values []int }

func (r *modelRows) Columns() []string { return []string{"value"} }
func (r *modelRows) Close() error      { return nil }
func (r *modelRows) Next(dest []driver.Value) error {
	if len(r.values) == 0 {
		return io.EOF
	}
	dest[0], r.values = int64(r.values[0]), r.values[1:]
	return nil
}

func (c *modelConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}
func (c *modelConn) Close() error                             { c.dead = true; return nil }
func (c *modelConn) Ping(context.Context) error               { return nil }
func (c *modelConn) CheckNamedValue(*driver.NamedValue) error { return nil }
func (c *modelConn) Prepare(string) (driver.Stmt, error) {
	panic("prepared below: the record is bypassed")
}
func (c *modelConn) PrepareContext(context.Context, string) (driver.Stmt, error) {
	panic("prepared below: the record is bypassed")
}

var _ session.Conn = (*modelConn)(nil)
