//go:build live

package pool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	"go.temporal.io/server/common/clock"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"

	"auroral/server/internal/session"
)

// These hold the pool against pgx and a real PostgreSQL: what the fake connection pretends is what they do.

// postgres is a database of the test's own, and an opener whose sessions are known by their application_name.
func postgres(t *testing.T) (session.Opener, *sql.DB, string) {
	t.Helper()
	address := os.Getenv("AURORAL_TEST_POSTGRES")
	if address == "" {
		t.Fatal("AURORAL_TEST_POSTGRES is not set: postgres://user@host:port/database of a PostgreSQL whose user may end sessions")
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	admin := sql.OpenDB(stdlib.GetConnector(*config))
	t.Cleanup(func() { _ = admin.Close() })
	name := fmt.Sprintf("auroral-pool-%d", rand.Uint32())
	table := fmt.Sprintf("pool_test_%d", rand.Uint32())
	execute(t, admin, "CREATE TABLE "+table+" (id TEXT PRIMARY KEY)")
	t.Cleanup(func() { execute(t, admin, "DROP TABLE "+table) })
	ours := config.Copy()
	ours.RuntimeParams["application_name"] = name
	connector := stdlib.GetConnector(*ours)
	t.Cleanup(func() {
		eventually(t, "all sessions end", func() bool { return backends(t, admin, name) == 0 })
	})
	return session.OpenerFunc(func(ctx context.Context) (session.Conn, error) {
		c, err := connector.Connect(ctx)
		if err != nil {
			return nil, &session.RefusedError{Reason: session.Network, Err: err}
		}
		return c.(*stdlib.Conn), nil
	}), admin, name + " " + table
}

func names(both string) (application, table string) {
	_, _ = fmt.Sscan(both, &application, &table)
	return application, table
}

func execute(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRowContext(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func backends(t *testing.T, db *sql.DB, application string) int {
	t.Helper()
	return count(t, db, "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", application)
}

func terminate(t *testing.T, db *sql.DB, application string) int {
	t.Helper()
	return count(t, db, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", application)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Errorf("in vain waited that %s", what)
}

func shut(t *testing.T, p *Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	must(t, p.Close(ctx))
}

func TestLiveSessionsEndedAmongWritersLoseNothingThatWasTold(t *testing.T) {
	opener, admin, both := postgres(t)
	application, table := names(both)
	p := New(opener, options(8))
	_, err := p.Warm(t.Context())
	must(t, err)
	db := sql.OpenDB(p.Connector())
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var told, lost, unknown atomic.Int64
	var written sync.Map
	for range 16 {
		writers.Go(func() {
			for ctx.Err() == nil {
				id := fmt.Sprint(rand.Uint64())
				err := write(db, table, id)
				var gone *session.LostError
				switch {
				case err == nil:
					told.Add(1)
					written.Store(id, true)
				case errors.As(err, &gone):
					lost.Add(1)
				default:
					unknown.Add(1)
					t.Errorf("a writer met %T %v", err, err)
				}
			}
		})
	}
	for range 5 {
		time.Sleep(200 * time.Millisecond)
		terminate(t, admin, application)
	}
	time.Sleep(200 * time.Millisecond)
	stop()
	writers.Wait()
	eventually(t, "the pool is whole", func() bool { s := p.Stats(); return s.Idle == 8 && s.Open == 8 && s.Opening == 0 })
	if n := backends(t, admin, application); n != 8 {
		t.Errorf("%d sessions on the server", n)
	}
	t.Logf("%d committed, %d lost; closed %v", told.Load(), lost.Load(), p.Stats().Closed)
	if told.Load() < 100 || lost.Load() == 0 {
		t.Error("the test did not exercise much")
	}
	written.Range(func(id, _ any) bool {
		if count(t, admin, "SELECT count(*) FROM "+table+" WHERE id = $1", id) != 1 {
			t.Errorf("%v was told as written and is not there", id)
		}
		return true
	})
	if rows := count(t, admin, "SELECT count(*) FROM "+table); int64(rows) > told.Load()+lost.Load() {
		t.Errorf("%d rows of %d told and %d lost", rows, told.Load(), lost.Load())
	}
	must(t, db.Close())
	shut(t, p)
}

// write inserts once: a second run of the same insert would break the key and show.
func write(db *sql.DB, table, id string) error {
	if rand.IntN(2) == 0 {
		_, err := db.ExecContext(context.Background(), "INSERT INTO "+table+" VALUES ($1)", id)
		return err
	}
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(context.Background(), "INSERT INTO "+table+" VALUES ($1)", id); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func TestLiveIdleSessionsEndedAreExchangedInSilence(t *testing.T) {
	opener, admin, both := postgres(t)
	application, _ := names(both)
	o := options(5)
	o.PingAfter = time.Millisecond
	p := New(opener, o)
	_, err := p.Warm(t.Context())
	must(t, err)
	db := sql.OpenDB(p.Connector())
	for range 3 {
		time.Sleep(5 * time.Millisecond)
		eventually(t, "they are gone, replacements of the last round too", func() bool {
			terminate(t, admin, application)
			return backends(t, admin, application) == 0
		})
		if n := count(t, db, "SELECT 7"); n != 7 {
			t.Errorf("got %d", n)
		}
	}
	must(t, db.Close())
	shut(t, p)
}

func TestLiveCallerWhoGivesUpBetweenStatementsCostsNoConnection(t *testing.T) {
	opener, admin, both := postgres(t)
	application, table := names(both)
	p := New(opener, options(2))
	_, err := p.Warm(t.Context())
	must(t, err)
	db := sql.OpenDB(p.Connector())
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		tx, err := db.BeginTx(ctx, nil)
		must(t, err)
		_, err = tx.ExecContext(ctx, "INSERT INTO "+table+" VALUES ($1)", fmt.Sprint("gone", i))
		must(t, err)
		cancel()
		if err := tx.Commit(); err == nil {
			t.Error("committed after the end of its context")
		}
	}
	eventually(t, "all are back", func() bool { return p.Stats().Idle == 2 })
	if ended := p.Stats().Closed; len(ended) != 0 {
		t.Errorf("closed %v", ended)
	}
	if n := count(t, admin, "SELECT count(*) FROM "+table); n != 0 {
		t.Errorf("%d rows of transactions given up", n)
	}

	// In the midst of a statement pgx closes the connection; the keeper opens another.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "SELECT pg_sleep(5)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	eventually(t, "it is replaced", func() bool { s := p.Stats(); return s.Idle == 2 && s.Closed[Dropped] == 1 })
	eventually(t, "its statement ends on the server", func() bool { return backends(t, admin, application) == 2 })
	must(t, db.Close())
	shut(t, p)
}

func TestLiveTemporalKeepsItsPoolWhenSessionsEnd(t *testing.T) {
	opener, admin, both := postgres(t)
	application, table := names(both)
	p := New(opener, options(3))
	_, err := p.Warm(t.Context())
	must(t, err)
	var opened atomic.Int64
	handle := sqlplugin.NewDatabaseHandle(sqlplugin.DbKindMain,
		func() (*sqlx.DB, error) {
			opened.Add(1)
			return sqlx.NewDb(sql.OpenDB(p.Connector()), "pgx"), nil
		},
		func(error) bool { return false },
		log.NewNoopLogger(), metrics.NoopMetricsHandler, clock.NewRealTimeSource())
	losses := 0
	for i := range 30 {
		db, err := handle.DB()
		must(t, err)
		tx, err := db.BeginTxx(t.Context(), nil)
		must(t, err)
		terminate(t, admin, application)
		_, err = tx.ExecContext(t.Context(), "INSERT INTO "+table+" VALUES ($1)", fmt.Sprint(i))
		if handle.ConvertError(err) != nil {
			losses++
		}
		_ = handle.ConvertError(tx.Rollback())
	}
	if opened.Load() != 1 || losses != 30 {
		t.Errorf("Temporal opened its pool %d times, after %d losses", opened.Load(), losses)
	}
	handle.Close()
	shut(t, p)
}
