//go:build live

package schema

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	temporalsql "go.temporal.io/server/common/persistence/sql"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/resolver"
)

// server is a plain PostgreSQL, given as AURORAL_TEST_POSTGRES=postgres://user@host:port/database.
func server(t *testing.T) string {
	t.Helper()
	dsn := os.Getenv("AURORAL_TEST_POSTGRES")
	if dsn == "" {
		t.Fatal("expected AURORAL_TEST_POSTGRES=postgres://user@host:port/database of a PostgreSQL for tests, found nothing")
	}
	return dsn
}

// database makes an empty database and drops it afterwards.
func database(t *testing.T) *pgx.ConnConfig {
	t.Helper()
	parsed, err := pgx.ParseConfig(server(t))
	require.NoError(t, err)
	admin := stdlib.OpenDB(*parsed)
	t.Cleanup(func() { _ = admin.Close() })
	name := fmt.Sprintf("schema_test_%d_%d", os.Getpid(), rand.Uint32())
	_, err = admin.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		require.NoError(t, err)
	})
	own := parsed.Copy()
	own.Database = name
	return own
}

func runner(db *sql.DB, d Dialect) *Runner {
	return &Runner{
		DB: db, Dialect: d, Report: func(string) {}, Rand: func() float64 { return 0 },
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func open(t *testing.T, config *pgx.ConnConfig) *sql.DB {
	t.Helper()
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// snapshot is all that a plan makes: the catalogue, and the rows but for their times.
type snapshot struct {
	Catalog  Catalog
	Rows     []string
	Finished int // entries in the journal
}

func take(t *testing.T, db *sql.DB) snapshot {
	t.Helper()
	ctx := context.Background()
	catalog, err := ReadCatalog(ctx, db)
	require.NoError(t, err)
	s := snapshot{Catalog: catalog}
	for _, query := range []string{
		"SELECT 'namespace_metadata', partition_id::text || ' ' || notification_version FROM namespace_metadata",
		"SELECT 'version', concat_ws(' ', version_partition, curr_version, min_compatible_version) FROM schema_version WHERE db_name = current_database()",
		`SELECT 'history', concat_ws(' ', version_partition, old_version, new_version, manifest_md5, description,
			year = EXTRACT(YEAR FROM update_time), month = EXTRACT(MONTH FROM update_time)) FROM schema_update_history ORDER BY update_time`,
	} {
		require.NoError(t, each(ctx, db, query, func(scan func(...any) error) error {
			var table, row string
			err := scan(&table, &row)
			s.Rows = append(s.Rows, table+": "+row)
			return err
		}))
	}
	require.NoError(t, db.QueryRow("SELECT count(*) FROM auroral_schema_journal").Scan(&s.Finished))
	return s
}

func TestSetup(t *testing.T) {
	source := embedded(t)
	plan, err := SetupPlan(source)
	require.NoError(t, err)
	db := open(t, database(t))
	ctx := context.Background()
	require.NoError(t, runner(db, Postgres).Run(ctx, plan))
	once := take(t, db)
	require.Equal(t, []string{
		"namespace_metadata: 54321 1",
		"version: 0 1.19 1.0",
		"history: 0 0 1.19  initial version t t",
	}, once.Rows)
	require.Equal(t, len(plan.Steps), once.Finished)
	require.Empty(t, once.Catalog.Differences(plan.After))
	require.Empty(t, once.Catalog.KeyTypeProblems())

	require.NoError(t, runner(db, Postgres).Run(ctx, plan), "a second run does nothing")
	require.Equal(t, once, take(t, db))

	// A lost journal is no harm: the catalogue and the statements' own conditions tell.
	_, err = db.Exec("DROP TABLE auroral_schema_journal")
	require.NoError(t, err)
	require.NoError(t, runner(db, Postgres).Run(ctx, plan))
	require.Equal(t, once, take(t, db))
}

// The server's own check, as it runs at its start, with the stock plugin.
func TestTheServerTakesTheVersion(t *testing.T) {
	source := embedded(t)
	own := database(t)
	db := open(t, own)
	verify := func() error {
		return temporalsql.VerifyCompatibleVersion(config.Persistence{
			DefaultStore: "main",
			DataStores: map[string]config.DataStore{"main": {SQL: &config.SQL{
				PluginName: "postgres12_pgx", DatabaseName: own.Database, User: own.User, Password: own.Password,
				ConnectAddr: net.JoinHostPort(own.Host, strconv.Itoa(int(own.Port))), ConnectProtocol: "tcp",
			}}},
		}, resolver.NewNoopResolver(), log.NewNoopLogger())
	}
	require.Error(t, verify(), "an empty database")
	setUpAt(t, db, source, Version{1, 18})
	require.ErrorContains(t, verify(), "1.18")
	plan, err := UpdatePlan(source, Version{1, 18})
	require.NoError(t, err)
	require.NoError(t, runner(db, Postgres).Run(context.Background(), plan))
	require.NoError(t, verify())
}

func setUpAt(t *testing.T, db *sql.DB, source Source, version Version) {
	t.Helper()
	plan, err := SetupPlanAt(source, version)
	require.NoError(t, err)
	require.NoError(t, runner(db, Postgres).Run(context.Background(), plan))
}

// From each version that can be updated, the previous release's first of all, the result is that of a fresh set-up.
func TestUpdateEqualsSetup(t *testing.T) {
	source := embedded(t)
	ctx := context.Background()
	fresh := open(t, database(t))
	plan, err := SetupPlan(source)
	require.NoError(t, err)
	require.NoError(t, runner(fresh, Postgres).Run(ctx, plan))
	want := take(t, fresh)
	versions := 0
	for i, release := range source.Releases {
		if release.Version.Compare(source.OldestUpdatable()) < 0 || i == len(source.Releases)-1 {
			continue
		}
		versions++
		t.Run(release.Version.String(), func(t *testing.T) {
			db := open(t, database(t))
			setUpAt(t, db, source, release.Version)
			before, err := ReadCatalog(ctx, db)
			require.NoError(t, err)
			require.NotEqual(t, want.Catalog, before)
			plan, err := UpdatePlan(source, release.Version)
			require.NoError(t, err)
			require.NoError(t, runner(db, Postgres).Run(ctx, plan))
			got := take(t, db)
			require.Equal(t, want.Catalog, got.Catalog)
			require.Equal(t, want.Rows[:2], got.Rows[:2])
			history := []string{fmt.Sprintf("history: 0 0 %s  initial version t t", release.Version)}
			old := release.Version
			for _, next := range source.Releases[i+1:] {
				history = append(history, fmt.Sprintf("history: 0 %s %s %s %s t t", old, next.Version, next.ManifestMD5, next.Description))
				old = next.Version
			}
			require.Equal(t, history, got.Rows[2:])
		})
	}
	require.Equal(t, 3, versions)
}

func TestAForeignTableIsNotTouched(t *testing.T) {
	plan, err := SetupPlan(embedded(t))
	require.NoError(t, err)
	db := open(t, database(t))
	_, err = db.Exec("CREATE TABLE shards (shard_id INTEGER PRIMARY KEY, range_id TEXT)")
	require.NoError(t, err)
	err = runner(db, Postgres).Run(context.Background(), plan)
	var check *CheckError
	require.ErrorAs(t, err, &check)
	require.ErrorContains(t, err, "column shards.range_id is text, expected bigint not null")
	require.ErrorContains(t, err, "column shards.data is missing")
}

func TestKeyTypesOfALiveDatabase(t *testing.T) {
	db := open(t, database(t))
	_, err := db.Exec(`CREATE TABLE a (id BYTEA PRIMARY KEY, other BYTEA UNIQUE, data BYTEA, n INT); CREATE INDEX i ON a (n, data);
		CREATE TABLE b (id UUID PRIMARY KEY, data BYTEA); CREATE UNIQUE INDEX j ON b (id) INCLUDE (data)`)
	require.NoError(t, err)
	catalog, err := ReadCatalog(context.Background(), db)
	require.NoError(t, err)
	require.Equal(t, []string{
		"column a.other is bytea and part of the key of a_other_key",
		"column a.id is bytea and part of the key of a_pkey",
		"column a.data is bytea and part of the key of i",
	}, catalog.KeyTypeProblems())
}

// conflicting answers 40001 to the first few attempts of every statement that writes.
type conflicting struct {
	driver.Connector
	each  int
	tries map[string]int
}

func (c *conflicting) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conflictingConn{conn.(*stdlib.Conn), c}, nil
}

type conflictingConn struct {
	*stdlib.Conn
	c *conflicting
}

func (c *conflictingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	key := fmt.Sprint(query, args)
	if c.c.tries[key]++; c.c.tries[key] <= c.c.each {
		return nil, &pgconn.PgError{Code: "40001", Message: "schema has been updated by another transaction, please retry: (OC001)"}
	}
	return c.Conn.ExecContext(ctx, query, args)
}

func TestConflictsAreRetriedAndBounded(t *testing.T) {
	plan, err := SetupPlan(embedded(t))
	require.NoError(t, err)
	config := database(t)
	db := sql.OpenDB(&conflicting{stdlib.GetConnector(*config), 2, map[string]int{}})
	defer func() { _ = db.Close() }()
	r := runner(db, Postgres)
	var waits []time.Duration
	r.Sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	require.NoError(t, r.Run(context.Background(), plan))
	require.Greater(t, len(waits), 2*len(plan.Steps))
	require.Equal(t, []time.Duration{50 * time.Millisecond, 100 * time.Millisecond}, waits[:2])

	forever := sql.OpenDB(&conflicting{stdlib.GetConnector(*config), 1 << 30, map[string]int{}})
	defer func() { _ = forever.Close() }()
	r = runner(forever, Postgres)
	attempts := 1
	r.Sleep = func(context.Context, time.Duration) error { attempts++; return nil }
	require.ErrorContains(t, r.Run(context.Background(), plan), "OC001")
	require.Equal(t, conflictLimit, attempts)
}

func TestStatusNamesWhatIsMissing(t *testing.T) {
	source := embedded(t)
	ctx := context.Background()
	db := open(t, database(t))
	status, err := ReadStatus(ctx, db, source, ARNs{}, Postgres)
	require.NoError(t, err)
	require.False(t, status.OK)
	require.Empty(t, status.InstalledVersion)
	require.Contains(t, status.PendingSteps, "create table executions")

	setUpAt(t, db, source, Version{1, 18})
	status, err = ReadStatus(ctx, db, source, ARNs{}, Postgres)
	require.NoError(t, err)
	require.Equal(t, "1.18", status.InstalledVersion)
	require.Equal(t, []string{"create table current_chasm_executions", "wait until every index is valid", "record version 1.19 in the history", "record version 1.19"}, status.PendingSteps)

	plan, err := UpdatePlan(source, Version{1, 18})
	require.NoError(t, err)
	require.NoError(t, runner(db, Postgres).Run(ctx, plan))
	_, err = db.Exec("DROP INDEX cm_idx_lasthb; ALTER TABLE queue DROP COLUMN message_encoding; DROP TABLE shard_fences")
	require.NoError(t, err)
	status, err = ReadStatus(ctx, db, source, ARNs{}, Postgres)
	require.NoError(t, err)
	require.False(t, status.OK)
	require.Empty(t, status.PendingSteps)
	require.Equal(t, []string{"table shard_fences is missing", "column queue.message_encoding is missing", "index cm_idx_lasthb is missing"}, status.Differences)

	_, err = db.Exec("ALTER TABLE queue ADD COLUMN message_encoding VARCHAR(16) NOT NULL")
	require.NoError(t, err)
	plan, err = PlanFor(source, Installed{"", "1.19"})
	require.NoError(t, err)
	rows := take(t, db).Rows
	require.NoError(t, runner(db, Postgres).Run(ctx, plan), "what a database of the newest version lacks is made again")
	require.Equal(t, rows, take(t, db).Rows)
	status, err = ReadStatus(ctx, db, source, ARNs{}, Postgres)
	require.NoError(t, err)
	require.Empty(t, status.Differences)
}

// Roles are of the whole server: the test leaves none behind, and must not run beside another on the same server.
func TestRoles(t *testing.T) {
	source := embedded(t)
	ctx := context.Background()
	config := database(t)
	db := open(t, config)
	dropRoles := func() {
		for _, role := range []string{ServerRole, OperatorRole} {
			_, _ = db.Exec("DROP OWNED BY " + role)
			_, _ = db.Exec("DROP ROLE " + role)
		}
	}
	dropRoles()
	defer dropRoles()
	setUpAt(t, db, source, Version{1, 18})
	plan, err := UpdatePlan(source, Version{1, 18})
	require.NoError(t, err)
	old, err := SetupPlanAt(source, Version{1, 18})
	require.NoError(t, err)

	access, err := ReadAccess(ctx, db, Postgres)
	require.NoError(t, err)
	require.Empty(t, UpgradeGrants(access, plan.TableNames()), "no role, no grants")
	require.NoError(t, runner(db, Postgres).Grant(ctx, Grants(&access, old.TableNames(), ARNs{}, Postgres)))
	access, err = ReadAccess(ctx, db, Postgres)
	require.NoError(t, err)
	require.Empty(t, Grants(&access, old.TableNames(), ARNs{}, Postgres), "a second run does nothing")

	require.NoError(t, runner(db, Postgres).Run(ctx, plan))
	access, err = ReadAccess(ctx, db, Postgres)
	require.NoError(t, err)
	grants := UpgradeGrants(access, plan.TableNames())
	require.Len(t, grants, 1)
	require.Contains(t, grants[0].Missing, "on current_chasm_executions")
	status, err := ReadStatus(ctx, db, source, ARNs{}, Postgres)
	require.NoError(t, err)
	require.False(t, status.OK)
	require.NoError(t, runner(db, Postgres).Grant(ctx, grants))
	status, err = ReadStatus(ctx, db, source, ARNs{}, Postgres)
	require.NoError(t, err)
	require.True(t, status.OK, "%+v", status)

	as := func(role string) *sql.DB {
		c := config.Copy()
		c.RuntimeParams["role"] = role // not its own login: that may need a password
		return open(t, c)
	}
	// A buffered event takes its number from the identity column's sequence, on which the role has no grant of its own.
	_, err = as(ServerRole).Exec(`INSERT INTO buffered_events (shard_id, namespace_id, workflow_id, run_id, data, data_encoding)
		VALUES (1, gen_random_uuid(), 'w', gen_random_uuid(), '', 'x')`)
	require.NoError(t, err)
	_, err = as(ServerRole).Exec("CREATE TABLE stray (n INT)")
	require.Equal(t, "42501", sqlState(err), "the server owns no schema")
	operator := as(OperatorRole)
	_, err = operator.Exec("DELETE FROM cluster_membership")
	require.NoError(t, err)
	_, err = operator.Exec("CREATE TABLE " + ProbeSchema + ".probe (n INT PRIMARY KEY); DROP TABLE " + ProbeSchema + ".probe")
	require.NoError(t, err)
	for _, query := range []string{"SELECT FROM executions", "SELECT FROM history_node", "DELETE FROM schema_version", "UPDATE cluster_membership SET role = 1"} {
		_, err = operator.Exec(query)
		require.Equal(t, "42501", sqlState(err), query)
	}
}

func TestNewerAndOlderVersionsAreRefused(t *testing.T) {
	source := embedded(t)
	_, err := PlanFor(source, Installed{"x", "1.20"})
	require.ErrorContains(t, err, "knows 1.19 at most")
	_, err = PlanFor(source, Installed{"x", "1.15"})
	require.ErrorContains(t, err, "updates begin at 1.16")
	_, err = PlanFor(source, Installed{"x", "1.16.5"})
	require.ErrorContains(t, err, "1.16.5")
	_, err = UpdatePlan(source, Version{0, 9})
	require.ErrorContains(t, err, "between 1.16 and 1.19")
	require.False(t, strings.Contains(fmt.Sprint(err), "%!"))
}
