package pool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"auroral/server/internal/session"
)

func TestWarmupOpensOneAfterTheOtherAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, book, seen := newServer(t), newBook(), &watcher{}
		s.openTakes = 100 * time.Millisecond
		o := options(50)
		o.Logger, o.Observer = book, seen
		p := New(s, o)
		result, err := p.Warm(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if result.Created != 50 || result.Failed != 0 || result.Took != 5*time.Second || !result.Complete() {
			t.Errorf("%+v", result)
		}
		if s.together != 1 {
			t.Errorf("%d openings at once", s.together)
		}
		if first, want := book.lines[0], "Starting DSQL pool warmup pool=test target_connections=50"; first != want {
			t.Errorf("logged %q, want %q", first, want)
		}
		if last, want := book.lines[1], "DSQL pool warmup complete pool=test connections_created=50 connections_failed=0"; !strings.HasPrefix(last, want) {
			t.Errorf("logged %q, want %q", last, want)
		}
		if len(seen.warm) != 1 || seen.warm[0] != result {
			t.Errorf("observed %v", seen.warm)
		}
		full(t, s, p)
		finish(t, s, p)
	})
}

func TestWarmupRetriesWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.refuse = func(attempt int) error {
			if attempt >= 3 && attempt <= 5 {
				return &session.RefusedError{Reason: session.TooFast, Err: errors.New("53400")}
			}
			return nil
		}
		o := options(4)
		o.Rand = half
		p := warmed(t, s, o)
		want := []time.Duration{0, 0, 0, 200, 600, 1400, 1400} // ms: waits of 200, 400 and 800 × (0.5 + 0.5)
		got := make([]time.Duration, len(s.attempts))
		for i, at := range s.attempts {
			got[i] = at / time.Millisecond
		}
		if !slices.Equal(got, want) {
			t.Errorf("attempts at %v ms, want %v", got, want)
		}
		full(t, s, p)
		finish(t, s, p)
	})
}

func TestIncompleteWarmupIsCompletedByTheKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.refuse = func(attempt int) error {
			if attempt >= 3 && attempt <= 8 {
				return errors.New("no")
			}
			return nil
		}
		o := options(5)
		o.Rand = half
		o.Warmup.MaxRetries = 3
		p := warmed(t, s, o)
		if r := p.Stats().Warm; r.Created != 3 || r.Failed != 2 || r.Attempts != 9 {
			t.Errorf("%+v", r)
		}
		pass(time.Minute)
		full(t, s, p)
		finish(t, s, p)
	})
}

func TestWarmupWithoutOneConnectionFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		denied := errors.New("unable to accept connection, access denied")
		s.refuse = func(int) error { return &session.RefusedError{Reason: session.Denied, Err: denied} }
		p := New(s, options(50))
		_, err := p.Warm(t.Context())
		if !errors.Is(err, denied) {
			t.Errorf("got %v", err)
		}
		attempts := s.tried()
		pass(time.Hour)
		if s.tried() != attempts {
			t.Error("the keeper started")
		}
		finish(t, s, p)
	})
}

func TestWarmupEndsWithItsContextAndWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.openTakes = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		p := New(s, options(50))
		result, err := p.Warm(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || result.Created != 3 {
			t.Errorf("got %+v, %v", result, err)
		}
		finish(t, s, p)

		p = New(s, options(50))
		go func() {
			pass(3500 * time.Millisecond)
			finish(t, s, p)
		}()
		if _, err := p.Warm(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := p.Warm(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestMassExpiryIsSpreadAndNeverBelowTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := newServer(t), &watcher{}
		s.openTakes = 300 * time.Millisecond
		o := options(50)
		o.Observer = seen
		p := warmed(t, s, o)
		s.watch()
		pass(2 * time.Hour)
		if s.least < 50 {
			t.Errorf("down to %d connections", s.least)
		}
		if s.most > 50+4 {
			t.Errorf("up to %d connections", s.most)
		}
		if s.together > 4 {
			t.Errorf("%d openings at once", s.together)
		}
		// The first generation ends within the last tenth of its lifetime.
		replaced := s.conns[50:100]
		first, last := replaced[0].opened, replaced[49].opened
		if first < 49*time.Minute || last > 56*time.Minute {
			t.Errorf("replaced between %s and %s", first, last)
		}
		if inAMinute := mostWithin(replaced, time.Minute); inAMinute > 15 {
			t.Errorf("%d replaced within a minute", inAMinute)
		}
		if seen.closed[Expired] < 100 || len(seen.closed) != 1 {
			t.Errorf("closed %v", seen.closed)
		}
		for c := range s.live {
			if age := time.Since(s.began) - c.opened; age > 56*time.Minute {
				t.Errorf("a connection is %s old", age)
			}
		}
		full(t, s, p)
		finish(t, s, p)
	})
}

// pass lets time pass, and what it sets off come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func mostWithin(conns []*conn, window time.Duration) (most int) {
	for i := range conns {
		n := 0
		for _, c := range conns[i:] {
			if c.opened < conns[i].opened+window {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func TestKilledConnectionsAreFoundAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := newServer(t), &watcher{}
		o := options(50)
		o.Observer = seen
		p := warmed(t, s, o)
		pass(10 * time.Minute)
		s.kill()
		// Nobody uses one: the keeper's own probes find them all, before a burst does.
		pass(o.withDefaults().ProbeAfter + time.Second)
		if len(s.conns) != 100 || seen.closed[Stale] != 50 {
			t.Errorf("%d connections opened, closed %v", len(s.conns), seen.closed)
		}
		full(t, s, p)
		finish(t, s, p)
	})
}

func TestRefusalsAreHeldOffAndHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, book := newServer(t), newBook()
		o := options(50)
		o.Logger = book
		p := warmed(t, s, o)
		s.refuseUntil(2 * time.Minute)
		s.kill()
		before := s.tried()
		pass(2*time.Minute - time.Second)
		// About a minute passes until the probes find the dead; then a back-off of up to 5 s × 150 %.
		if refused := s.tried() - before; refused < 10 || refused > 30 {
			t.Errorf("%d attempts while DSQL refused", refused)
		}
		pass(time.Minute)
		full(t, s, p)
		if !slices.ContainsFunc(book.lines, func(line string) bool { return strings.HasPrefix(line, "DSQL accepts connections again") }) {
			t.Error("the end of the refusals is not logged")
		}
		finish(t, s, p)
	})
}

func TestAQuietKeeperSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(10))
		looks := 0
		began := s.tried()
		pass(30 * time.Minute)
		for _, c := range s.conns {
			looks += len(c.queries)
		}
		if want := 10 * 30; looks < want*9/10 || looks > want { // one probe a minute each
			t.Errorf("%d probes in half an hour, want about %d", looks, want)
		}
		if s.tried() != began {
			t.Error("a quiet pool opened connections")
		}
		finish(t, s, p)
	})
}

func TestReservoirIsOpenAheadOfNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		o := options(10)
		o.Reservoir = 3
		p := warmed(t, s, o)
		pass(time.Second)
		if got := p.Stats().Open; got != 13 {
			t.Errorf("%d open, want 10 and 3 more", got)
		}
		finish(t, s, p)
	})
}

func TestOnDemandOpensWhenNeededAndTellsRefusalsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := newServer(t), &watcher{}
		s.openTakes = 100 * time.Millisecond
		o := options(2)
		o.OnDemand, o.Observer = true, seen
		p := New(s, o)
		if _, err := p.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if s.tried() != 0 {
			t.Fatal("opened without need")
		}
		held := []*member{}
		for range 2 {
			m, err := p.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, m)
		}
		if len(seen.startup) != 2 {
			t.Errorf("observed %v", seen.startup)
		}
		_, err := p.acquire(t.Context())
		var none *NoConnectionError
		if !errors.As(err, &none) || none.Waited != 30*time.Second || !strings.Contains(err.Error(), "all are in use") {
			t.Errorf("got %v", err)
		}
		p.giveBack(held[0], Lost)
		s.refuse = func(int) error { return &session.RefusedError{Reason: session.Denied, Err: errors.New("denied")} }
		began := time.Now()
		_, err = p.acquire(t.Context())
		if !errors.As(err, &none) || time.Since(began) != 100*time.Millisecond || !strings.Contains(err.Error(), "denied") {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		p.giveBack(held[1], "")
		finish(t, s, p)
	})
}

func TestObserverIsToldAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := newServer(t), &watcher{}
		o := options(5)
		o.Observer, o.ProbeAfter = seen, time.Hour
		p := warmed(t, s, o)
		pass(10 * time.Second)
		quiet := seen.told()
		for range 1000 {
			m, err := p.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			pass(10 * time.Millisecond)
			p.giveBack(m, "")
		}
		if told := seen.told() - quiet; told < 9 || told > 11 {
			t.Errorf("told %d times in ten busy seconds", told)
		}
		busy := seen.told()
		pass(100 * time.Second)
		if told := seen.told() - busy; told < 9 || told > 12 {
			t.Errorf("told %d times in a hundred quiet seconds", told)
		}
		finish(t, s, p)
		if last := seen.states[len(seen.states)-1]; last.Open != 0 {
			t.Errorf("told at last: %+v", last)
		}
	})
}

func TestPgErrorsOfAnOpeningKeepTheirType(t *testing.T) {
	refused := &session.RefusedError{Reason: session.TooFast, Err: &pgconn.PgError{Code: "53400"}}
	err := &NoConnectionError{Refusal: refused}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		t.Error("a caller without a connection must not take the refusal for an answer to its statement")
	}
}

func TestALongLoanOutlivesItsExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(5))
		s.watch()
		m, err := p.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pass(58 * time.Minute)
		if !s.live[m.conn.(*conn)] { //nolint:revive // the fake's own type
			t.Error("a lent connection was closed")
		}
		if stats := p.Stats(); stats.Open != 6 || stats.Idle != 5 {
			t.Errorf("its replacement is not there: %+v", stats)
		}
		p.giveBack(m, "")
		synctest.Wait()
		full(t, s, p)
		if s.least < 5 {
			t.Errorf("down to %d", s.least)
		}
		finish(t, s, p)
	})
}

func TestSlowOpeningsHoldNobodyUpWhoseConnectionIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(3))
		s.openTakes = 20 * time.Second
		m, err := p.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.giveBack(m, Lost)
		pass(time.Second)
		if stats := p.Stats(); stats.Opening != 1 || stats.Open != 2 {
			t.Errorf("%+v", stats)
		}
		began := time.Now()
		held := []*member{}
		for i, want := range []time.Duration{0, 0, 19 * time.Second} {
			m, err := p.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited != want {
				t.Errorf("caller %d waited %s, want %s", i, waited, want)
			}
			held = append(held, m)
		}
		for _, m := range held {
			p.giveBack(m, "")
		}
		finish(t, s, p)
	})
}

func TestClosingCancelsOpenings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(3))
		s.openTakes = time.Hour
		m, err := p.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.giveBack(m, Lost)
		pass(time.Second)
		began := time.Now()
		finish(t, s, p)
		if took := time.Since(began); took != 0 {
			t.Errorf("closing took %s", took)
		}
	})
}

func TestAnOpeningThatOutlastsThePoolIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		deaf := session.OpenerFunc(func(context.Context) (session.Conn, error) { return s.Open(context.Background()) })
		p := New(deaf, options(3))
		if _, err := p.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.openTakes = 10 * time.Second
		m, err := p.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.giveBack(m, Lost)
		pass(time.Second)
		finish(t, s, p)
		if len(s.conns) != 4 {
			t.Errorf("%d connections were opened, the last during the end", len(s.conns))
		}
	})
}

func TestAGrantToWhoHasJustGivenUpGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := warmed(t, s, options(1))
		m, err := p.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		over, cancel := context.WithCancel(t.Context())
		granted := make(chan struct{})
		gone := &waiter{wake: func() { close(granted) }}
		p.mu.Lock()
		p.ledger.enqueue(gone)
		p.mu.Unlock()
		next := make(chan *member)
		go func() {
			m, err := p.acquire(t.Context())
			if err != nil {
				t.Error(err)
			}
			next <- m
		}()
		synctest.Wait()
		p.giveBack(m, "") // grants it to the first
		cancel()          // in the same moment
		if got, err := p.await(over, gone, granted, time.Hour); got != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v", got, err)
		}
		if got := <-next; got != m {
			t.Error("the next in the queue did not get it")
		}
		p.giveBack(m, "")
		full(t, s, p)

		// The same while the pool closes: it must not come to rest in a closed pool.
		if m, err = p.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		granted = make(chan struct{})
		gone = &waiter{wake: func() { close(granted) }}
		p.mu.Lock()
		p.ledger.enqueue(gone)
		p.mu.Unlock()
		p.giveBack(m, "")
		ended, end := context.WithCancel(t.Context())
		end()
		_ = p.Close(ended)
		if _, err := p.await(over, gone, granted, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		finish(t, s, p)
	})
}

// Many callers, some of whom give up at any moment, among kills and refusals: nothing is lent twice (the fake sees to that), nothing
// leaks, and the pool is whole afterwards.
func TestCrowdAmongFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := newServer(t), &watcher{}
		s.openTakes = 50 * time.Millisecond
		o := options(10)
		o.Observer = seen
		o.Lifetime = 5 * time.Second
		p := warmed(t, s, o)
		db := sql.OpenDB(p.Connector())
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		var crowd sync.WaitGroup
		var done, failed atomic.Int64
		for range 25 {
			crowd.Go(func() {
				for ctx.Err() == nil {
					patience := time.Duration(rand.IntN(200)+1) * time.Millisecond
					mine, leave := context.WithTimeout(ctx, patience)
					if err := transact(mine, db); err != nil {
						failed.Add(1)
						time.Sleep(time.Duration(rand.IntN(50)+1) * time.Millisecond)
					} else {
						done.Add(1)
					}
					leave()
				}
			})
		}
		for i := range 9 {
			time.Sleep(4 * time.Second)
			s.kill()
			if i%3 == 2 {
				s.refuseUntil(time.Since(s.began) + 2*time.Second)
			}
		}
		crowd.Wait()
		pass(3 * time.Minute)
		full(t, s, p)
		if int64(s.committed) < done.Load() {
			t.Errorf("%d callers were told of a commit, %d were made", done.Load(), s.committed)
		}
		if done.Load() < 1000 || failed.Load() < 100 || seen.closed[Expired] == 0 || seen.closed[Lost] == 0 || seen.closed[Dropped] == 0 {
			t.Errorf("the test did not exercise much: %d done, %d failed, closed %v", done.Load(), failed.Load(), seen.closed)
		}
		finish(t, s, p, db)
	})
}

func transact(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("sleep %dms", rand.IntN(30))); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
	return tx.Commit()
}
