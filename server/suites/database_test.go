//go:build live

package suites

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/serialization"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/common/shuffle"

	_ "auroral/server/internal/plugin"
)

const clusterName = "suites"

// database is a database of one test's own, with Temporal's schema.
type database struct {
	cfg    *config.SQL
	logger log.Logger
}

// fresh copies the template database, which holds the schema, and drops the copy at the test's end.
func fresh(t *testing.T) *database {
	t.Helper()
	prepare(t)
	name := "t_" + strings.ToLower(shuffle.String("abcdefghijklmnop"))
	direct(t, fmt.Sprintf(`CREATE DATABASE %s TEMPLATE %s OWNER %s`, name, target.template, target.owner))
	direct(t, fmt.Sprintf(`ALTER DATABASE %s SET default_transaction_isolation TO 'repeatable read'`, name))
	t.Cleanup(func() { direct(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	cfg := target.cfg
	cfg.DatabaseName = name
	return &database{cfg: &cfg, logger: log.NewNoopLogger()}
}

func (d *database) factory(t *testing.T) *sql.Factory {
	f := sql.NewFactory(*d.cfg, resolver.NewNoopResolver(), clusterName, d.logger, metrics.NoopMetricsHandler, serialization.NewSerializer())
	t.Cleanup(f.Close)
	return f
}

func (d *database) db(t *testing.T) sqlplugin.DB {
	db := got(t)(sql.NewSQLDB(sqlplugin.DbKindMain, d.cfg, resolver.NewNoopResolver(), d.logger, metrics.NoopMetricsHandler))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (d *database) shards(t *testing.T) persistence.ShardStore {
	return store[persistence.ShardStore](t)(d.factory(t).NewShardStore())
}

func (d *database) executions(t *testing.T) persistence.ExecutionStore {
	return store[persistence.ExecutionStore](t)(d.factory(t).NewExecutionStore())
}

func (d *database) tasks(t *testing.T) persistence.TaskStore {
	return store[persistence.TaskStore](t)(d.factory(t).NewTaskStore())
}

func (d *database) fairTasks(t *testing.T) persistence.TaskStore {
	return store[persistence.TaskStore](t)(d.factory(t).NewFairTaskStore())
}

func got(t *testing.T) func(sqlplugin.DB, error) sqlplugin.DB { return store[sqlplugin.DB](t) }

func store[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// cluster is what the older suites set up and tear down.
type cluster struct {
	t *testing.T
	d *database
}

func (c *cluster) SetupTestDatabase()    { c.d = fresh(c.t) }
func (c *cluster) TearDownTestDatabase() {}

func (c *cluster) Config() config.Persistence {
	return config.Persistence{
		DefaultStore:         "main",
		DataStores:           map[string]config.DataStore{"main": {SQL: c.d.cfg}},
		NumHistoryShards:     4,
		TransactionSizeLimit: dynamicconfig.GetIntPropertyFn(primitives.DefaultTransactionSizeLimit),
	}
}

// target is what the suites run against: chosen once by the environment.
var target struct {
	once     sync.Once
	err      error
	cfg      config.SQL
	template string
	owner    string
}

func direct(t *testing.T, statement string) {
	t.Helper()
	if err := execDirect(context.Background(), "postgres", statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// execDirect runs a statement as PostgreSQL's superuser, behind the double's back.
func execDirect(ctx context.Context, database, statement string) error {
	cfg, err := pgx.ParseConfig(must("AURORAL_TEST_POSTGRES"))
	if err != nil {
		return err
	}
	cfg.Database = database
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	_, err = c.Exec(ctx, statement)
	return err
}

func must(variable string) string {
	value := os.Getenv(variable)
	if value == "" {
		panic(variable + " is not set: the suites need a PostgreSQL, and the double in front of it; pytest starts both")
	}
	return value
}
