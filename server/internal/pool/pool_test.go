package pool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"auroral/server/internal/session"
)

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
