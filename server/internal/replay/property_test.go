package replay

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"
)

// A client runs its transactions one after the other on a connection of its own. What a transaction writes depends on what it read, so that a
// replay that let a changed answer pass would leave a state that no order of the transactions explains.

type operation struct {
	query bool
	text  string
}

// program is a transaction's statements. The amount of an "add" is multiplied by what the last "get" gave.
type program struct {
	id         string
	operations []operation
}

type seen struct {
	answers []string
	end     error
	conn    bool // ended by the connection
}

func programs(t *rapid.T) [][]program {
	key := rapid.SampledFrom([]string{"a", "b", "c"})
	op := rapid.Custom(func(t *rapid.T) operation {
		switch rapid.SampledFrom([]string{"get", "get", "add", "add", "insert", "clear"}).Draw(t, "kind") {
		case "get":
			return operation{true, "get " + key.Draw(t, "key")}
		case "add":
			return operation{false, fmt.Sprintf("add %s %d", key.Draw(t, "key"), rapid.IntRange(1, 5).Draw(t, "n"))}
		case "insert":
			return operation{false, "insert " + key.Draw(t, "key")}
		default:
			return operation{false, "clear " + key.Draw(t, "key")}
		}
	})
	clients := make([][]program, rapid.IntRange(2, 4).Draw(t, "clients"))
	for c := range clients {
		for p := range rapid.IntRange(1, 3).Draw(t, "transactions") {
			ops := rapid.SliceOfN(op, 1, 4).Draw(t, "operations")
			clients[c] = append(clients[c], program{fmt.Sprintf("%d.%d", c, p), ops})
		}
	}
	return clients
}

// run runs a program through any connection.
func (p program) run(c driver.Conn) (s seen) {
	ctx := context.Background()
	tx, err := c.(driver.ConnBeginTx).BeginTx(ctx, driver.TxOptions{})
	if err != nil {
		return seen{end: err, conn: true}
	}
	if _, err := c.(driver.ExecerContext).ExecContext(ctx, "id "+p.id, nil); err != nil {
		_ = tx.Rollback()
		return seen{end: err}
	}
	last := 1
	for _, op := range p.operations {
		text := op.text
		if text[:3] == "add" {
			text += fmt.Sprintf("%d", 1+last%7) // appended as a digit: depends on what was read
		}
		answer, value, err := do(ctx, c, op.query, text)
		if err != nil {
			_ = tx.Rollback()
			s.end = err
			return s
		}
		if op.query {
			last = value
		}
		s.answers = append(s.answers, answer)
	}
	s.end = tx.Commit()
	return s
}

func do(ctx context.Context, c driver.Conn, query bool, text string) (answer string, value int, err error) {
	if !query {
		result, err := c.(driver.ExecerContext).ExecContext(ctx, text, nil)
		if err != nil {
			return "", 0, err
		}
		n, _ := result.RowsAffected()
		return fmt.Sprintf("%d rows", n), 0, nil
	}
	rows, err := c.(driver.QueryerContext).QueryContext(ctx, text, nil)
	if err != nil {
		return "", 0, err
	}
	dest := make([]driver.Value, 1)
	for err = rows.Next(dest); err == nil; err = rows.Next(dest) {
		answer += fmt.Sprint(dest[0], " ")
		value = int(dest[0].(int64))
	}
	if err != io.EOF {
		return "", 0, err
	}
	return answer, value, nil
}

// turns lets one goroutine run at a time and gives the word to whom the test draws: the interleaving is the test's own.
type turns struct {
	word map[int]chan bool
	back chan int // a client that yields; -1-n when client n is done
}

func (s *turns) yield(client int) {
	s.back <- client
	<-s.word[client]
}

func (s *turns) run(t *rapid.T, bodies []func()) {
	waiting := []int{}
	for n := range bodies {
		s.word[n] = make(chan bool)
	}
	for n, body := range bodies {
		go func() {
			<-s.word[n]
			body()
			s.back <- -1 - n
		}()
		waiting = append(waiting, n)
	}
	for len(waiting) > 0 {
		at := rapid.IntRange(0, len(waiting)-1).Draw(t, "turn")
		n := waiting[at]
		s.word[n] <- true
		if said := <-s.back; said < 0 {
			waiting = slices.Delete(waiting, at, at+1)
		}
	}
}

type counts struct {
	conflicts, replays int
	gaveUp             map[Reason]int
	ended              map[Outcome]int
}

func newCounts() *counts { return &counts{gaveUp: map[Reason]int{}, ended: map[Outcome]int{}} }

func (c *counts) Conflicted(Where)                 { c.conflicts++ }
func (c *counts) Replayed()                        { c.replays++ }
func (c *counts) GaveUp(r Reason)                  { c.gaveUp[r]++ }
func (c *counts) Ended(o Outcome, _ time.Duration) { c.ended[o]++ }

func options(limit int, o Observer) Options {
	return Options{
		Limit: limit, FirstBackoff: time.Millisecond, MaxBackoff: time.Second, MaxRecordedBytes: 1 << 20,
		Rand: func() float64 { return 0.5 }, Now: func() time.Time { return time.Unix(0, 0) },
		Sleep: func(context.Context, time.Duration) error { return nil }, Observer: o,
	}
}

// TestReplayedTransactionsAreSerial runs clients in any interleaving, with conflicts, refused statements and lost commits.
func TestReplayedTransactionsAreSerial(t *testing.T) {
	totals := newCounts()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 4).Draw(t, "limit")
		clients := programs(t)
		schedule := &turns{word: map[int]chan bool{}, back: make(chan int)}
		db := newDatabase()
		db.eager = rapid.Bool().Draw(t, "eager")
		chance := rapid.SampledFrom([]int{0, 0, 10, 30})
		// Chance is drawn ahead: rapid's draws belong to the test's own goroutine.
		conflicts, statements := draws(t, chance.Draw(t, "commits refused %")), draws(t, chance.Draw(t, "statements refused %"))
		lost := draws(t, chance.Draw(t, "commits lost %"))
		db.conflict, db.atStatement = conflicts, statements
		fates := 0
		db.unknown = func() fate {
			if !lost() {
				return answered
			}
			fates++
			return lostBefore + fate(fates%2)
		}
		result := map[string]seen{}
		current := -1
		db.yield = func() { schedule.yield(current) }
		var bodies []func()
		told := newCounts()
		for n, list := range clients {
			bodies = append(bodies, func() {
				c := &modelConn{db: db}
				wrapped := Wrap(&turning{modelConn: c, mine: func() { current = n }}, options(limit, told))
				current = n
				for _, p := range list {
					s := p.run(wrapped)
					result[p.id] = s
					current = n
					if c.dead {
						c = &modelConn{db: db}
						wrapped = Wrap(&turning{modelConn: c, mine: func() { current = n }}, options(limit, told))
					}
					if c.tx != nil {
						panic("a connection is given back with an open transaction")
					}
				}
			})
		}
		schedule.run(t, bodies)

		check(t, db, clients, result)
		for id, n := range db.begins {
			if n > limit+1 {
				t.Fatalf("transaction %s began %d times with a limit of %d replays", id, n, limit)
			}
		}
		totals.conflicts += told.conflicts
		totals.replays += told.replays
		for why, n := range told.gaveUp {
			totals.gaveUp[why] += n
		}
		for how, n := range told.ended {
			totals.ended[how] += n
		}
	})
	t.Logf("%d conflicts, %d replays, given up %v, ended %v", totals.conflicts, totals.replays, totals.gaveUp, totals.ended)
	if totals.ended[CommittedByReplay] == 0 || totals.gaveUp[Changed] == 0 || totals.gaveUp[Exhausted] == 0 || totals.ended[Failed] == 0 {
		t.Error("the interleavings did not reach every end: the property proves too little")
	}
}

// turning says before each step whose it is, so that the database's yield gives the word of the right client.
type turning struct {
	*modelConn
	mine func()
}

func (c *turning) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.mine()
	tx, err := c.modelConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &turningTx{tx, c.mine}, nil
}

func (c *turning) ExecContext(ctx context.Context, q string, a []driver.NamedValue) (driver.Result, error) {
	c.mine()
	return c.modelConn.ExecContext(ctx, q, a)
}

func (c *turning) QueryContext(ctx context.Context, q string, a []driver.NamedValue) (driver.Rows, error) {
	c.mine()
	return c.modelConn.QueryContext(ctx, q, a)
}

type turningTx struct {
	driver.Tx
	mine func()
}

func (t *turningTx) Commit() error {
	t.mine()
	return t.Tx.Commit()
}

func draws(t *rapid.T, percent int) func() bool {
	list := rapid.SliceOfN(rapid.IntRange(0, 99), 40, 40).Draw(t, "chance")
	at := 0
	return func() bool {
		at++
		return list[at%len(list)] < percent
	}
}

// check holds what committed against a database that runs one transaction after the other.
func check(t *rapid.T, db *database, clients [][]program, result map[string]seen) {
	byID := map[string]program{}
	for _, list := range clients {
		for _, p := range list {
			byID[p.id] = p
		}
	}
	serial := newDatabase()
	committed := map[string]int{}
	for _, id := range db.commits {
		committed[id]++
		again := byID[id].run(&modelConn{db: serial})
		if again.end != nil {
			t.Fatalf("transaction %s committed, but in the order of the commits it fails: %v", id, again.end)
		}
		if !slices.Equal(again.answers, result[id].answers) {
			t.Fatalf("transaction %s was told %q, but what it committed answers %q", id, result[id].answers, again.answers)
		}
	}
	if !maps.Equal(serial.state, db.state) {
		t.Fatalf("the state %v is not that of the committed transactions in order, %v", db.state, serial.state)
	}
	for id, s := range result {
		n := committed[id]
		var refused *pgconn.PgError
		switch {
		case n > 1:
			t.Fatalf("transaction %s committed %d times", id, n)
		case s.end == nil && n != 1:
			t.Fatalf("transaction %s was told that it committed, and did not", id)
		case errors.As(s.end, &refused) && n != 0:
			t.Fatalf("transaction %s was told %v, and committed", id, s.end)
		}
	}
}
