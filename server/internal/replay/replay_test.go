package replay

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"testing"
	"time"

	"auroral/server/internal/session"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

// refuseFirst refuses the first n commits.
func refuseFirst(db *database, n int) {
	db.conflict = func() bool { n--; return n >= 0 }
}

func begin(t *testing.T, c session.Conn) driver.Tx {
	t.Helper()
	tx, err := c.BeginTx(ctx, driver.TxOptions{})
	require.NoError(t, err)
	return tx
}

func exec(t *testing.T, c session.Conn, query string, args ...[]byte) {
	t.Helper()
	var named []driver.NamedValue
	for i, a := range args {
		named = append(named, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	_, err := c.ExecContext(ctx, query, named)
	require.NoError(t, err)
}

func requireConflict(t *testing.T, err error) {
	t.Helper()
	refused, ok := err.(*pgconn.PgError) //nolint:errorlint // as Temporal's store looks at it
	require.True(t, ok, "%T: %v", err, err)
	require.Equal(t, Conflict, refused.Code)
}

func TestAConflictAtCommitIsReplayedWithGrowingWaits(t *testing.T) {
	db, told := newDatabase(), newCounts()
	refuseFirst(db, 3)
	o := options(5, told)
	var waits []time.Duration
	o.Sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	c := Wrap(&modelConn{db: db}, o)
	tx := begin(t, c)
	exec(t, c, "add a 2")
	require.NoError(t, tx.Commit())
	require.Equal(t, map[string]int{"a": 2}, db.state)
	require.Equal(t, []time.Duration{time.Millisecond, 2 * time.Millisecond, 4 * time.Millisecond}, waits)
	require.Equal(t, map[Outcome]int{CommittedByReplay: 1}, told.ended)
	require.Equal(t, 3, told.conflicts)
}

func TestTheConflictItselfIsHandedOn(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(o *Options, db *database)
		why    Reason
	}{
		"limit": {func(o *Options, _ *database) { o.Limit = 2 }, Exhausted},
		"off":   {func(o *Options, _ *database) { o.Limit = 0 }, Exhausted},
		"large": {func(o *Options, _ *database) { o.MaxRecordedBytes = 100 }, TooLarge},
		"changed": {func(o *Options, db *database) {
			o.Sleep = func(context.Context, time.Duration) error { db.state["a"] = 7; return nil }
		}, Changed},
		"over": {func(o *Options, _ *database) {
			o.Sleep = func(context.Context, time.Duration) error { return context.Canceled }
		}, Deadline},
	} {
		t.Run(name, func(t *testing.T) {
			db, told := newDatabase(), newCounts()
			refuseFirst(db, 100)
			o := options(5, told)
			tt.change(&o, db)
			c := Wrap(&modelConn{db: db}, o)
			tx := begin(t, c)
			_, _, err := do(ctx, c, true, "get a")
			require.NoError(t, err)
			requireConflict(t, tx.Commit())
			require.Equal(t, map[Reason]int{tt.why: 1}, told.gaveUp)
			require.Equal(t, map[Outcome]int{Conflicted: 1}, told.ended)
			require.Empty(t, db.commits)
			exec(t, Wrap(&modelConn{db: newDatabase()}, o), "add a 1")
			begin(t, c) // nothing was left open
		})
	}
}

func TestNoReplayWithoutTimeForItsWait(t *testing.T) {
	db, told := newDatabase(), newCounts()
	refuseFirst(db, 1)
	o := options(5, told)
	o.Sleep = func(context.Context, time.Duration) error { t.Error("waited"); return nil }
	now := time.Now().Add(time.Hour)
	o.Now = func() time.Time { return now }
	short, cancel := context.WithDeadline(ctx, now.Add(time.Millisecond))
	defer cancel()
	c := Wrap(&modelConn{db: db}, o)
	tx, err := c.BeginTx(short, driver.TxOptions{})
	require.NoError(t, err)
	exec(t, c, "add a 1")
	requireConflict(t, tx.Commit())
	require.Equal(t, map[Reason]int{Deadline: 1}, told.gaveUp)
}

func TestAnUnknownOutcomeIsNeverRetried(t *testing.T) {
	for _, lost := range []fate{lostBefore, lostAfter} {
		for _, refused := range []int{0, 1} { // also when the commit that is lost is a replay's
			db, told := newDatabase(), newCounts()
			refuseFirst(db, refused)
			db.unknown = func() fate { return lost }
			c := Wrap(&modelConn{db: db}, options(5, told))
			tx := begin(t, c)
			exec(t, c, "add a 1")
			require.ErrorIs(t, tx.Commit(), errLost)
			require.Equal(t, refused, told.replays)
			require.Equal(t, map[Outcome]int{Failed: 1}, told.ended)

			db.unknown = func() fate { return lost }
			alone := Wrap(&modelConn{db: db}, options(5, told))
			_, err := alone.ExecContext(ctx, "add b 1", nil)
			require.ErrorIs(t, err, errLost)
			require.Equal(t, refused, told.replays)
		}
	}
}

func TestAStatementAloneIsRunAgain(t *testing.T) {
	db, told := newDatabase(), newCounts()
	refuseFirst(db, 2)
	c := Wrap(&modelConn{db: db}, options(2, told))
	exec(t, c, "add a 3")
	require.Equal(t, map[string]int{"a": 3}, db.state)
	require.Equal(t, 2, told.replays)

	refuseFirst(db, 3)
	_, err := c.ExecContext(ctx, "add a 3", nil)
	requireConflict(t, err)
	require.Equal(t, map[string]int{"a": 3}, db.state)
}

func TestAConflictAtAStatementReplaysWhatCameBefore(t *testing.T) {
	db, told := newDatabase(), newCounts()
	c := Wrap(&modelConn{db: db}, options(5, told))
	tx := begin(t, c)
	exec(t, c, "add a 1")
	refusals := 2
	db.atStatement = func() bool { refusals--; return refusals == 0 || refusals == 1 }
	answer, _, err := do(ctx, c, true, "get a")
	require.NoError(t, err)
	require.Equal(t, "1 ", answer)
	require.NoError(t, tx.Commit())
	require.Equal(t, map[string]int{"a": 1}, db.state)
	require.Equal(t, 2, told.replays)
}

func TestAfterAConflictWasHandedOnNothingRunsOutsideTheTransaction(t *testing.T) {
	db, told := newDatabase(), newCounts()
	c := Wrap(&modelConn{db: db}, options(0, told))
	tx := begin(t, c)
	db.atStatement = func() bool { return true }
	_, err := c.ExecContext(ctx, "add a 1", nil)
	requireConflict(t, err)
	db.atStatement = func() bool { return false }
	_, err = c.ExecContext(ctx, "add a 1", nil)
	require.Equal(t, abortedTransaction, sqlState(err))
	requireConflict(t, tx.Commit())
	require.Empty(t, db.commits)
	exec(t, c, "add a 1")
	require.Len(t, db.commits, 1)
}

func TestAFailedStatementEndsTheRecord(t *testing.T) {
	db, told := newDatabase(), newCounts()
	db.state["a"] = 1
	c := Wrap(&modelConn{db: db}, options(5, told))
	tx := begin(t, c)
	_, err := c.ExecContext(ctx, "insert a", nil)
	require.Equal(t, "23505", sqlState(err))
	_, err = c.ExecContext(ctx, "add b 1", nil)
	require.Equal(t, abortedTransaction, sqlState(err))
	require.Error(t, tx.Commit())
	require.Zero(t, told.replays)

	// Also where the server tells a conflict after it.
	inner := &modelConn{db: db}
	c = Wrap(inner, options(5, told))
	tx = begin(t, c)
	_, err = c.ExecContext(ctx, "insert a", nil)
	require.Equal(t, "23505", sqlState(err))
	inner.tx.aborted = false
	refuseFirst(db, 1)
	requireConflict(t, tx.Commit())
	require.Zero(t, told.replays)
}

func TestRollbackLeavesNoRecord(t *testing.T) {
	db, told := newDatabase(), newCounts()
	c := Wrap(&modelConn{db: db}, options(5, told))
	tx := begin(t, c)
	exec(t, c, "add a 1")
	require.NoError(t, tx.Rollback())
	refuseFirst(db, 1)
	tx = begin(t, c)
	exec(t, c, "add b 1")
	require.NoError(t, tx.Commit())
	require.Equal(t, map[string]int{"b": 1}, db.state)
	require.Equal(t, map[Outcome]int{RolledBack: 1, CommittedByReplay: 1}, told.ended)
}

func TestTheRecordHoldsItsOwnBytes(t *testing.T) {
	type id []byte
	arg, text := []byte("xyz"), "before"
	kept := call{args: []driver.NamedValue{{Value: arg}, {Value: id(arg)}, {Value: &text}, {Value: []string{text}}, {Value: (*string)(nil)}}}.frozen()
	arg[0], text = '!', "after"
	require.Equal(t, []byte("xyz"), kept.args[0].Value)
	require.Equal(t, id("xyz"), kept.args[1].Value)
	require.Equal(t, "before", *kept.args[2].Value.(*string))
	require.Equal(t, []string{"before"}, kept.args[3].Value)
	require.Nil(t, kept.args[4].Value)

	db := newDatabase()
	refuseFirst(db, 1)
	c := Wrap(&modelConn{db: db}, options(5, nil))
	tx := begin(t, c)
	reused := []byte{3}
	exec(t, c, "add a 0", reused)
	reused[0] = 9
	require.NoError(t, tx.Commit())
	require.Equal(t, map[string]int{"a": 3}, db.state)
}

func TestPreparedStatementsAreRecorded(t *testing.T) {
	db := newDatabase()
	refuseFirst(db, 1)
	pool := sql.OpenDB(only{Wrap(&modelConn{db: db}, options(5, nil))})
	defer func() { require.NoError(t, pool.Close()) }()
	tx, err := pool.BeginTx(ctx, nil)
	require.NoError(t, err)
	s, err := tx.PrepareContext(ctx, "add a 4")
	require.NoError(t, err)
	_, err = s.ExecContext(ctx)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, tx.Commit())
	require.Equal(t, map[string]int{"a": 4}, db.state)
}

type only struct{ c driver.Conn }

func (o only) Connect(context.Context) (driver.Conn, error) { return o.c, nil }
func (o only) Driver() driver.Driver                        { return nil }

func TestATransactionByTextIsLeftAlone(t *testing.T) {
	db, told := newDatabase(), newCounts()
	c := Wrap(&modelConn{db: db}, options(5, told)).(*conn)
	require.True(t, c.controls(" begin;"))
	require.True(t, c.controls("add a 1"))
	require.True(t, c.controls("COMMIT"))
	require.False(t, c.controls("add a 1"))
	db.atStatement = func() bool { return true }
	c.manual = true
	_, err := c.ExecContext(ctx, "add a 1", nil)
	requireConflict(t, err)
	require.Zero(t, told.replays)
}

// typed are rows of a driver that reuses its buffer and gives UUIDs as text, as pgx does.
type typed struct {
	buffer []byte
	left   int
	fail   error
}

func (r *typed) Columns() []string { return []string{"id", "data"} }
func (r *typed) Close() error      { return nil }
func (r *typed) ColumnTypeDatabaseTypeName(i int) string {
	return []string{"UUID", "BYTEA"}[i]
}

func (r *typed) Next(dest []driver.Value) error {
	if r.left--; r.left < 0 {
		if r.fail != nil {
			return r.fail
		}
		return io.EOF
	}
	r.buffer[0]++
	dest[0], dest[1] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8", r.buffer
	return nil
}

func TestRowsAreOwnedAndUUIDsAreBytes(t *testing.T) {
	a, err := drain(&typed{buffer: []byte{0}, left: 2})
	require.NoError(t, err)
	id := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	require.Equal(t, [][]driver.Value{{id[:], []byte{1}}, {id[:], []byte{2}}}, a.rows)
	require.Equal(t, "UUID", (&cursor{answer: a}).ColumnTypeDatabaseTypeName(0))

	_, err = drain(&typed{buffer: []byte{0}, left: 1, fail: conflictError("OC001")})
	requireConflict(t, err)
}

func TestAnswersDifferInAnythingThatAClientCanSee(t *testing.T) {
	now := time.Now()
	base := answer{columns: []string{"a"}, rows: [][]driver.Value{{[]byte{1}, now, int64(1), nil}}}
	same := answer{columns: []string{"a"}, rows: [][]driver.Value{{[]byte{1}, now.UTC(), int64(1), nil}}}
	require.True(t, base.equal(same))
	for _, other := range []answer{
		{columns: []string{"a"}},
		{columns: []string{"b"}, rows: base.rows},
		{columns: []string{"a"}, rows: base.rows, affected: 1},
		{columns: []string{"a"}, rows: [][]driver.Value{{[]byte{2}, now, int64(1), nil}}},
		{columns: []string{"a"}, rows: [][]driver.Value{{[]byte{1}, now.Add(1), int64(1), nil}}},
		{columns: []string{"a"}, rows: [][]driver.Value{{[]byte{1}, now, "1", nil}}},
		{columns: []string{"a"}, rows: [][]driver.Value{{[]byte{1}, now, int64(1), []byte(nil)}}},
	} {
		require.False(t, base.equal(other), "%v", other)
	}
}

func TestTheSizeOfARecordCountsItsBytes(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 1000)
	s := step{call: call{args: []driver.NamedValue{{Value: big}}}, answer: answer{rows: [][]driver.Value{{big, string(big)}}}}
	require.Greater(t, s.bytes(), 3000)
	require.Less(t, s.bytes(), 3400)
}

func TestALostConnectionInAReplayIsToldAsThat(t *testing.T) {
	db, told := newDatabase(), newCounts()
	refuseFirst(db, 1)
	inner := &modelConn{db: db}
	o := options(5, told)
	o.Sleep = func(context.Context, time.Duration) error { inner.dead = true; return nil }
	c := Wrap(inner, o)
	tx := begin(t, c)
	exec(t, c, "add a 1")
	require.True(t, errors.Is(tx.Commit(), errLost))
	require.Equal(t, map[Reason]int{Lost: 1}, told.gaveUp)
	require.Empty(t, db.commits)
}
