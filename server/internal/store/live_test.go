//go:build live

package store

import (
	"context"
	stdsql "database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"auroral/server/internal/fence"
	"auroral/server/internal/replay"
	"auroral/server/internal/schema"
	"auroral/server/internal/session"

	"github.com/iancoleman/strcase"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/serialization"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/resolver"
)

// The store on PostgreSQL in REPEATABLE READ, with the DSQL schema. AURORAL_TEST_POSTGRES names a server and a user that may create databases.

var ctx = context.Background()

// process is one server process: its own store, and a record of what it sent.
type process struct {
	*sql.Factory
	*record
	db *DB
}

// record notes the statements of a process.
type record struct {
	mu        sync.Mutex
	locking   []string // statements that lock rows
	largest   int64    // the most rows that one transaction modified
	before    func(query string)
	refuse    float64 // the share of commits refused as DSQL refuses them
	conflicts int
	replays   int
	gaveUp    map[replay.Reason]int
}

func (r *record) Conflicted(replay.Where)             { r.locked(func() { r.conflicts++ }) }
func (r *record) Replayed()                           { r.locked(func() { r.replays++ }) }
func (r *record) GaveUp(why replay.Reason)            { r.locked(func() { r.gaveUp[why]++ }) }
func (r *record) Ended(replay.Outcome, time.Duration) {}
func (r *record) locked(do func())                    { r.mu.Lock(); defer r.mu.Unlock(); do() }
func (r *record) locks() (n int)                      { r.locked(func() { n = len(r.locking) }); return n }
func (r *record) largestTransaction() (n int64)       { r.locked(func() { n = r.largest }); return n }

// listening is a connection whose statements are recorded, below the replay.
type listening struct {
	*stdlib.Conn
	record   *record
	open     bool
	modified int64
}

func (c *listening) note(query string) {
	if c.record.before != nil {
		c.record.before(query)
	}
	c.record.locked(func() {
		for _, clause := range []string{" FOR UPDATE", " FOR SHARE", " FOR KEY SHARE", " FOR NO KEY UPDATE"} {
			if strings.Contains(strings.ToUpper(query), clause) {
				c.record.locking = append(c.record.locking, query)
			}
		}
	})
}

func (c *listening) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.note(query)
	result, err := c.Conn.ExecContext(ctx, query, args)
	if err == nil {
		n, _ := result.RowsAffected()
		if c.open {
			n += c.modified
			c.modified = n
		}
		c.record.locked(func() { c.record.largest = max(c.record.largest, n) })
	}
	return result, err
}

func (c *listening) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.note(query)
	return c.Conn.QueryContext(ctx, query, args)
}

func (c *listening) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.open, c.modified = true, 0
	tx, err := c.Conn.BeginTx(ctx, o)
	return listeningTx{tx, c}, err
}

type listeningTx struct {
	driver.Tx
	c *listening
}

func (t listeningTx) Commit() error {
	t.c.open = false
	if refuse := t.c.record.refuse; refuse > 0 && rand.Float64() < refuse {
		_ = t.Tx.Rollback()
		return &pgconn.PgError{Code: replay.Conflict, Message: "change conflicts with another transaction, please retry: (OC000)"}
	}
	return t.Tx.Commit()
}

func (t listeningTx) Rollback() error { t.c.open = false; return t.Tx.Rollback() }

type connector struct {
	cfg    pgx.ConnConfig
	record *record
}

func (c connector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := stdlib.GetConnector(c.cfg).Connect(ctx)
	if err != nil {
		return nil, err
	}
	return replay.Wrap(&listening{Conn: opened.(*stdlib.Conn), record: c.record}, replay.Options{
		Limit: 5, FirstBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, MaxRecordedBytes: 1 << 20,
		Rand: rand.Float64, Now: time.Now, Observer: c.record,
		Sleep: func(ctx context.Context, d time.Duration) error {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}), nil
}

var _ session.Conn = (*listening)(nil)

// cluster is a database with the DSQL schema.
type cluster struct {
	t   *testing.T
	cfg pgx.ConnConfig
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	address := os.Getenv("AURORAL_TEST_POSTGRES")
	if address == "" {
		t.Fatal("AURORAL_TEST_POSTGRES is not set: postgres://user@host:port/database")
	}
	cfg, err := pgx.ParseConfig(address)
	require.NoError(t, err)
	name := fmt.Sprintf("store_test_%d", rand.Uint64())
	admin := stdlib.OpenDB(*cfg)
	_, err = admin.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	own := *cfg
	own.Database = name
	own.RuntimeParams = map[string]string{"default_transaction_isolation": "repeatable read"}
	source, err := schema.Embedded()
	require.NoError(t, err)
	plan, err := schema.SetupPlan(source)
	require.NoError(t, err)
	db := stdlib.OpenDB(own)
	defer func() { require.NoError(t, db.Close()) }()
	for _, step := range plan.Steps {
		if step.Statement == nil {
			continue
		}
		_, err := db.Exec(step.SQL(schema.Postgres))
		require.NoError(t, err, step.Title)
	}
	return &cluster{t, own}
}

// start starts a process with its own connections.
func (c *cluster) start(o Options) *process {
	c.t.Helper()
	r := &record{gaveUp: map[replay.Reason]int{}}
	name := fmt.Sprintf("dsql-%d", rand.Uint64())
	var made *DB
	sql.RegisterPlugin(name, testPlugin(func(kind sqlplugin.DbKind, cfg *config.SQL, s resolver.ServiceResolver, l log.Logger, m metrics.Handler) (sqlplugin.GenericDB, error) {
		stock := *cfg
		stock.PluginName = postgresql.PluginNamePGX
		stock.Connect = func(*config.SQL) (*sqlx.DB, error) {
			pool := stdsql.OpenDB(connector{c.cfg, r})
			pool.SetMaxOpenConns(12)
			db := sqlx.NewDb(pool, "pgx")
			db.MapperFunc(strcase.ToSnake) // as the stock plugin's sessions do
			return db, nil
		}
		inner, err := sql.NewSQLDB(kind, &stock, s, l, m)
		if err != nil {
			return nil, err
		}
		made, err = New(inner, o)
		return made, err
	}))
	cfg := config.SQL{PluginName: name, DatabaseName: c.cfg.Database}
	f := sql.NewFactory(cfg, resolver.NewNoopResolver(), "live", log.NewNoopLogger(), metrics.NoopMetricsHandler, serialization.NewSerializer())
	c.t.Cleanup(f.Close)
	_, err := f.GetDB()
	require.NoError(c.t, err)
	return &process{f, r, made}
}

type testPlugin func(sqlplugin.DbKind, *config.SQL, resolver.ServiceResolver, log.Logger, metrics.Handler) (sqlplugin.GenericDB, error)

func (p testPlugin) CreateDB(k sqlplugin.DbKind, c *config.SQL, r resolver.ServiceResolver, l log.Logger, m metrics.Handler) (sqlplugin.GenericDB, error) {
	return p(k, c, r, l, m)
}
func (testPlugin) GetVisibilityQueryConverter() sqlplugin.VisibilityQueryConverter { return nil }

// count counts rows directly.
func (p *process) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, p.db.q.GetContext(ctx, &n, "SELECT count(*) FROM "+query, args...))
	return n
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return value
	}
}

var fences = []fence.Kind{fence.ForUpdate, fence.KeyShare}
