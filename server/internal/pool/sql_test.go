package pool

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"auroral/server/internal/session"
)

// These go through a real *sql.DB: what matters is when database/sql ends a use.

func TestEveryEndOfATransactionGivesTheConnectionBack(t *testing.T) {
	ends := map[string]func(t *testing.T, db *sql.DB){
		"commit": func(t *testing.T, db *sql.DB) {
			tx := begin(t, t.Context(), db)
			must(t, tx.Commit())
		},
		"rollback": func(t *testing.T, db *sql.DB) {
			tx := begin(t, t.Context(), db)
			must(t, tx.Rollback())
		},
		"context between two statements": func(t *testing.T, db *sql.DB) {
			ctx, cancel := context.WithCancel(t.Context())
			begin(t, ctx, db)
			cancel()
		},
		"rows left open": func(t *testing.T, db *sql.DB) {
			tx := begin(t, t.Context(), db)
			rows, err := tx.QueryContext(t.Context(), "rows") //nolint:sqlclosecheck // that is the point
			must(t, err)
			rows.Next()
			must(t, tx.Commit())
			if rows.Next() {
				t.Error("rows outlive their transaction")
			}
		},
		"refused statement": func(t *testing.T, db *sql.DB) {
			tx := begin(t, t.Context(), db)
			_, err := tx.ExecContext(t.Context(), "refused 23505")
			if _, ok := err.(*pgconn.PgError); !ok { //nolint:errorlint // as Temporal asks
				t.Errorf("got %T", err)
			}
			must(t, tx.Rollback())
		},
		"refused commit": func(t *testing.T, db *sql.DB) {
			tx := begin(t, t.Context(), db)
			must(t, tx.Commit())
			if err := tx.Rollback(); !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("got %v", err)
			}
		},
		"panic of the caller": func(t *testing.T, db *sql.DB) {
			defer func() { _ = recover() }()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel() // a request's context ends with it
			begin(t, ctx, db)
			panic("in the closure")
		},
		"encoding error": func(t *testing.T, db *sql.DB) {
			tx := begin(t, t.Context(), db)
			if _, err := tx.ExecContext(t.Context(), "encode"); err == nil || err.Error() != "cannot encode" {
				t.Errorf("got %v", err)
			}
			must(t, tx.Rollback())
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				p := warmed(t, s, options(2))
				db := sql.OpenDB(p.Connector())
				for range 10 { // more often than there are connections
					end(t, db)
					synctest.Wait()
				}
				full(t, s, p)
				if len(s.conns) != 2 {
					t.Errorf("%d connections were opened for 2", len(s.conns))
				}
				finish(t, s, p, db)
			})
		})
	}
}

func TestEveryEndOfAStatementGivesTheConnectionBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(2))
		db := sql.OpenDB(p.Connector())
		ctx := t.Context()
		prepared, err := db.PrepareContext(ctx, "select")
		must(t, err)
		for range 10 {
			_, err := db.ExecContext(ctx, "insert", 1)
			must(t, err)
			_, err = prepared.ExecContext(ctx, 1, "two")
			must(t, err)
			must(t, db.PingContext(ctx))

			var id int
			must(t, db.QueryRowContext(ctx, "rows").Scan(&id)) // leaves rows unread
			rows, err := db.QueryContext(ctx, "rows")
			must(t, err)
			if got := p.Stats().InUse; got != 1 {
				t.Errorf("%d in use while rows are open", got)
			}
			must(t, rows.Close())
			rows, err = prepared.QueryContext(ctx)
			must(t, err)
			for rows.Next() {
				must(t, rows.Scan(&id))
			}
			must(t, rows.Err())

			if _, err := db.ExecContext(ctx, "refused 23505"); err == nil {
				t.Error("no error")
			}
			if _, err := db.ExecContext(ctx, "insert", "unfit"); err == nil || err.Error() != "unfit" {
				t.Errorf("an unfit argument gave %v", err)
			}
			queryCtx, cancel := context.WithCancel(ctx)
			rows, err = db.QueryContext(queryCtx, "rows") //nolint:sqlclosecheck // its context ends it
			must(t, err)
			cancel()
			synctest.Wait()
			if rows.Next() {
				t.Error("rows outlive their context")
			}
		}
		synctest.Wait()
		full(t, s, p)
		if len(s.conns) != 2 {
			t.Errorf("%d connections were opened for 2", len(s.conns))
		}
		must(t, prepared.Close())
		finish(t, s, p, db)
	})
}

func TestOneSessionStaysTheSameConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(3))
		db := sql.OpenDB(p.Connector())
		one, err := db.Conn(t.Context())
		must(t, err)
		if p.Stats().InUse != 0 {
			t.Error("a ticket took a connection before it was used")
		}
		ids := map[int64]bool{}
		for range 5 {
			_, err := db.ExecContext(t.Context(), "others")
			must(t, err)
			result, err := one.ExecContext(t.Context(), "mine")
			must(t, err)
			id, err := result.RowsAffected()
			must(t, err)
			ids[id] = true
		}
		if len(ids) != 1 {
			t.Errorf("a session went over %d connections", len(ids))
		}
		must(t, one.Close())
		full(t, s, p)

		one, err = db.Conn(t.Context())
		must(t, err)
		_, err = one.ExecContext(t.Context(), "begin") // left open: nobody else may get it
		must(t, err)
		must(t, one.Close())
		synctest.Wait()
		full(t, s, p)
		if len(s.conns) != 4 || s.live[s.conns[0]] {
			t.Error("a connection in a transaction was kept")
		}

		func() { // a panic within the driver
			defer func() { _ = recover() }()
			_, _ = db.ExecContext(t.Context(), "panic")
		}()
		synctest.Wait()
		full(t, s, p)
		if len(s.conns) != 5 {
			t.Error("a connection was kept after a panic in its driver")
		}
		finish(t, s, p, db)
	})
}

func TestALostConnectionIsToldAsLostAndReplaced(t *testing.T) {
	losses := map[string]func(t *testing.T, s *server, db *sql.DB) error{
		"statement": func(t *testing.T, s *server, db *sql.DB) error {
			s.kill()
			_, err := db.ExecContext(t.Context(), "insert")
			return err
		},
		"statement in a transaction": func(t *testing.T, s *server, db *sql.DB) error {
			tx := begin(t, t.Context(), db)
			s.kill()
			_, err := tx.ExecContext(t.Context(), "insert")
			if _, again := tx.ExecContext(t.Context(), "insert"); again == nil || again.Error() != err.Error() {
				t.Errorf("the next statement says %v", again)
			}
			if err := tx.Commit(); err == nil {
				t.Error("a lost transaction was committed")
			}
			return err
		},
		"unsent statement in a transaction": func(t *testing.T, s *server, db *sql.DB) error {
			tx := begin(t, t.Context(), db)
			for c := range s.live {
				c.unsent = true
			}
			s.kill()
			_, err := tx.ExecContext(t.Context(), "insert")
			must(t, tx.Rollback())
			return err
		},
		"commit": func(t *testing.T, s *server, db *sql.DB) error {
			tx := begin(t, t.Context(), db)
			s.kill()
			return tx.Commit()
		},
		"unsent commit": func(t *testing.T, s *server, db *sql.DB) error {
			tx := begin(t, t.Context(), db)
			for c := range s.live {
				c.unsent = true
			}
			s.kill()
			return tx.Commit()
		},
		"rows": func(t *testing.T, _ *server, db *sql.DB) error {
			rows, err := db.QueryContext(t.Context(), "rows lost")
			must(t, err)
			for rows.Next() {
			}
			return rows.Err()
		},
		"session ended by the server": func(t *testing.T, _ *server, db *sql.DB) error {
			_, err := db.ExecContext(t.Context(), "fatal 57P01")
			return err
		},
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				p := warmed(t, s, options(1))
				db := sql.OpenDB(p.Connector())
				err := lose(t, s, db)
				if _, ok := err.(*session.LostError); !ok { //nolint:errorlint // nothing may be around it
					t.Errorf("got %T %v", err, err)
				}
				synctest.Wait()
				full(t, s, p)
				if len(s.conns) != 2 || s.committed != 0 {
					t.Errorf("%d connections, %d commits", len(s.conns), s.committed)
				}
				finish(t, s, p, db)
			})
		})
	}
}

func TestAStaleConnectionIsExchangedInSilence(t *testing.T) {
	uses := map[string]func(t *testing.T, db *sql.DB) error{
		"begin": func(t *testing.T, db *sql.DB) error {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				return err
			}
			return tx.Commit()
		},
		"ping": func(t *testing.T, db *sql.DB) error { return db.PingContext(t.Context()) },
		"unsent statement": func(t *testing.T, db *sql.DB) error {
			_, err := db.ExecContext(t.Context(), "insert")
			return err
		},
		"unsent query": func(t *testing.T, db *sql.DB) error {
			var id int
			return db.QueryRowContext(t.Context(), "rows").Scan(&id)
		},
	}
	for name, use := range uses {
		for _, silence := range []time.Duration{0, 30 * time.Second} {
			t.Run(name+" after "+silence.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, seen := newServer(t), &watcher{}
					o := options(3)
					o.Observer = seen
					p := warmed(t, s, o)
					db := sql.OpenDB(p.Connector())
					for c := range s.live {
						c.unsent = strings.HasPrefix(name, "unsent")
					}
					pass(silence)
					s.kill()
					must(t, use(t, db))
					pass(2 * time.Minute)
					full(t, s, p)
					if seen.closed[Stale] != 3 || len(seen.closed) != 1 {
						t.Errorf("closed %v", seen.closed)
					}
					finish(t, s, p, db)
				})
			})
		}
	}
}

func TestAServerThatEndsEverySessionIsNotTriedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.deadBorn = true
		p := warmed(t, s, options(20))
		db := sql.OpenDB(p.Connector())
		err := db.PingContext(t.Context())
		var lost *session.LostError
		if !errors.As(err, &lost) {
			t.Errorf("got %v", err)
		}
		if ended := p.Stats().Closed; ended[Stale] != maxStale || ended[Lost] != 1 {
			t.Errorf("closed %v", ended)
		}
		finish(t, s, p, db)
	})
}

func TestACallerWhoGivesUpInAStatementCostsOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := newServer(t), &watcher{}
		o := options(3)
		o.Observer = seen
		p := warmed(t, s, o)
		db := sql.OpenDB(p.Connector())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		tx := begin(t, ctx, db)
		_, err := tx.ExecContext(ctx, "sleep 1m")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		_ = tx.Rollback()
		synctest.Wait()
		full(t, s, p)
		if seen.closed[Dropped] != 1 || len(s.conns) != 4 {
			t.Errorf("closed %v, opened %d", seen.closed, len(s.conns))
		}
		finish(t, s, p, db)
	})
}

func TestManyDatabasesShareOnePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(5))
		var users sync.WaitGroup
		for range 4 {
			users.Go(func() {
				for range 20 { // what Temporal does after an error: away with the old one while it is in use
					db := sql.OpenDB(p.Connector())
					tx, err := db.BeginTx(t.Context(), nil)
					must(t, err)
					closed := make(chan error)
					go func() { closed <- db.Close() }()
					time.Sleep(time.Millisecond)
					_, err = tx.ExecContext(t.Context(), "sleep 1ms")
					must(t, err)
					must(t, tx.Commit())
					must(t, <-closed)
				}
			})
		}
		users.Wait()
		synctest.Wait()
		full(t, s, p)
		if len(s.conns) != 5 || s.committed != 80 {
			t.Errorf("%d connections, %d commits", len(s.conns), s.committed)
		}
		finish(t, s, p)
	})
}

func TestExhaustionIsOneErrorAfterOneTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(2))
		db := sql.OpenDB(p.Connector())
		one, two := begin(t, t.Context(), db), begin(t, t.Context(), db)
		began := time.Now()
		_, err := db.BeginTx(t.Context(), nil)
		var none *NoConnectionError
		if !errors.As(err, &none) || time.Since(began) != 30*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err = db.ExecContext(ctx, "insert"); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &none) {
			t.Errorf("got %v", err)
		}
		must(t, one.Commit())
		must(t, two.Commit())
		must(t, db.PingContext(t.Context()))
		full(t, s, p)
		if stats := p.Stats(); stats.Waits != 2 || stats.WaitTime != 31*time.Second {
			t.Errorf("%+v", stats)
		}
		finish(t, s, p, db)
	})
}

func TestClosingWaitsForWhatIsLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(3))
		db := sql.OpenDB(p.Connector())
		tx := begin(t, t.Context(), db)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 connections") {
			t.Errorf("got %v", err)
		}
		if err := db.PingContext(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if s.open() != 1 {
			t.Errorf("%d are open", s.open())
		}
		must(t, tx.Commit())
		finish(t, s, p, db)
	})
}

func TestAfterSilenceAConnectionIsAskedBeforeItIsLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := newServer(t), &watcher{}
		o := options(3)
		o.Observer = seen
		p := warmed(t, s, o)
		db := sql.OpenDB(p.Connector())
		pass(30 * time.Second)
		_, err := db.ExecContext(t.Context(), "insert")
		must(t, err)
		_, err = db.ExecContext(t.Context(), "insert") // the same connection, and not asked again
		must(t, err)
		if got := s.conns[0].queries; !slices.Equal(got, []string{"ping", "insert", "insert"}) {
			t.Errorf("sent %v", got)
		}
		pass(20 * time.Second)
		s.kill()
		_, err = db.ExecContext(t.Context(), "insert") // would be lost if it were sent
		must(t, err)
		synctest.Wait()
		full(t, s, p)
		if seen.closed[Stale] != 3 || len(seen.closed) != 1 {
			t.Errorf("closed %v", seen.closed)
		}
		finish(t, s, p, db)
	})
}

func begin(t *testing.T, ctx context.Context, db *sql.DB) *sql.Tx { //nolint:revive // t first, as everywhere
	t.Helper()
	tx, err := db.BeginTx(ctx, nil)
	must(t, err)
	if tx == nil {
		t.FailNow()
	}
	_, err = tx.ExecContext(ctx, "insert")
	must(t, err)
	return tx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
