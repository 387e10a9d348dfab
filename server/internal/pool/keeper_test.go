package pool

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"auroral/server/internal/session"
)

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

func TestARefusedOpeningIsNotTakenForAnAnswer(t *testing.T) {
	refused := &session.RefusedError{Reason: session.TooFast, Err: &pgconn.PgError{Code: "53400"}}
	err := &NoConnectionError{Refusal: refused}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		t.Error("a caller without a connection must not take the refusal for an answer to its statement")
	}
}
