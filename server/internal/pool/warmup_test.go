package pool

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
