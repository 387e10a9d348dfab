//go:build live

package suites

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
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

	"auroral/server/internal/plugin"
	"auroral/server/internal/servicetag"
)

const clusterName = "suites"

// asHistory makes a store that of a service, whose pool is warmed and kept. The older suites open theirs as the start-up does.
var asHistory = servicetag.Wrap(metrics.NoopMetricsHandler).WithTags(metrics.ServiceNameTag(primitives.HistoryService))

// database is a database of one test's own, with Temporal's schema.
type database struct {
	cfg    *config.SQL
	logger log.Logger
}

// fresh copies the template database, which holds the schema, and drops the copy at the test's end.
func fresh(t *testing.T) *database {
	t.Helper()
	name := "t_" + strings.ToLower(shuffle.String("abcdefghijklmnop"))
	direct(t, fmt.Sprintf(`CREATE DATABASE %s TEMPLATE %s OWNER %s`, name, must("AURORAL_SUITE_TEMPLATE"), must("AURORAL_SUITE_OWNER")))
	t.Cleanup(func() { direct(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return &database{cfg: configuration(name), logger: log.NewNoopLogger()}
}

// configuration is what a server would read: the plugin dsql takes the rest from DSQL_*, the stock one its address from here.
func configuration(database string) *config.SQL {
	cfg := &config.SQL{PluginName: must("AURORAL_SUITE_PLUGIN"), DatabaseName: database, ConnectProtocol: "tcp", TaskScanPartitions: 4}
	if cfg.PluginName != plugin.Name {
		at, err := pgx.ParseConfig(must("AURORAL_TEST_POSTGRES"))
		if err != nil {
			panic(err)
		}
		cfg.User, cfg.Password = at.User, at.Password
		cfg.ConnectAddr = net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port)))
		cfg.MaxConns, cfg.MaxIdleConns = 10, 10
	}
	return cfg
}

func (d *database) factory(t *testing.T) *sql.Factory {
	f := sql.NewFactory(*d.cfg, resolver.NewNoopResolver(), clusterName, d.logger, asHistory, serialization.NewSerializer())
	t.Cleanup(f.Close)
	return f
}

func (d *database) db(t *testing.T) sqlplugin.DB {
	db := got(t)(sql.NewSQLDB(sqlplugin.DbKindMain, d.cfg, resolver.NewNoopResolver(), d.logger, asHistory))
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
