//go:build live

package schema

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
)

var errKilled = errors.New("killed")

// deadly opens connections that die at the n-th statement, before or after the server has run it. A transaction that is open then is lost.
type deadly struct {
	driver.Connector
	left  atomic.Int64
	after bool
}

func (d *deadly) Connect(ctx context.Context) (driver.Conn, error) {
	if d.left.Load() <= 0 {
		return nil, errKilled
	}
	conn, err := d.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &dyingConn{conn.(*stdlib.Conn), d}, nil
}

type dyingConn struct {
	*stdlib.Conn
	death *deadly
}

// run counts a statement and says whether the process lives on; where it dies, the connection ends as that of a killed process does.
func (c *dyingConn) run(do func() error) error {
	left := c.death.left.Add(-1)
	if left < 0 || left == 0 && !c.death.after {
		_ = c.Conn.Close()
		return errKilled
	}
	err := do()
	if left == 0 {
		_ = c.Conn.Close()
		return errKilled
	}
	return err
}

func (c *dyingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	err = c.run(func() (err error) { result, err = c.Conn.ExecContext(ctx, query, args); return err })
	return result, err
}

func (c *dyingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.run(func() (err error) { rows, err = c.Conn.QueryContext(ctx, query, args); return err })
	return rows, err
}

func (c *dyingConn) BeginTx(ctx context.Context, options driver.TxOptions) (tx driver.Tx, err error) {
	err = c.run(func() (err error) { tx, err = c.Conn.BeginTx(ctx, options); return err })
	return &dyingTx{tx, c}, err
}

type dyingTx struct {
	driver.Tx
	conn *dyingConn
}

func (t *dyingTx) Commit() error { return t.conn.run(t.Tx.Commit) }

// killEverywhere runs a plan once for each of its statements, killed there, and again to the end; all must end alike.
func killEverywhere(t *testing.T, prepare func(*sql.DB), plan Plan, d Dialect) {
	ctx := context.Background()
	whole := database(t)
	prepare(open(t, whole))
	counter := &deadly{Connector: stdlib.GetConnector(*whole)}
	counter.left.Store(1 << 30)
	require.NoError(t, runner(sql.OpenDB(counter), d).Run(ctx, plan))
	statements := (1 << 30) - int(counter.left.Load())
	want := take(t, open(t, whole))
	require.Greater(t, statements, len(plan.Steps))

	// One database serves all kills: the plan's objects are dropped between them, which is faster than a database for each.
	own := database(t)
	db := open(t, own)
	for n := 1; n <= statements; n++ {
		for _, after := range []bool{false, true} {
			_, err := db.Exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
			require.NoError(t, err)
			prepare(db)
			death := &deadly{Connector: stdlib.GetConnector(*own), after: after}
			death.left.Store(int64(n))
			victim := sql.OpenDB(death)
			err = runner(victim, d).Run(ctx, plan)
			_ = victim.Close()
			require.ErrorIs(t, err, errKilled, "at statement %d", n)
			require.NoError(t, runner(db, d).Run(ctx, plan), "resumed after a kill at statement %d, after=%v", n, after)
			require.Equal(t, want, take(t, db), "at statement %d, after=%v", n, after)
		}
	}
	t.Logf("killed before and after each of %d statements", statements)
}

func TestSetupKilledAtEveryStatement(t *testing.T) {
	plan, err := SetupPlan(embedded(t))
	require.NoError(t, err)
	killEverywhere(t, func(*sql.DB) {}, plan, Postgres)
}

func TestUpdateKilledAtEveryStatement(t *testing.T) {
	source := embedded(t)
	from := source.OldestUpdatable()
	plan, err := UpdatePlan(source, from)
	require.NoError(t, err)
	killEverywhere(t, func(db *sql.DB) { setUpAt(t, db, source, from) }, plan, Postgres)
}
