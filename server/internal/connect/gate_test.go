package connect

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"auroral/server/internal/session"
)

// heard is an observer that keeps what it is told.
type heard struct {
	mu        sync.Mutex
	done      []session.Reason
	waits     map[Limiter][]time.Duration
	uncounted int
	signed    []error
}

func (h *heard) ConnectDone(_ time.Duration, reason session.Reason) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, reason)
}

func (h *heard) ConnectWaited(limiter Limiter, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waits == nil {
		h.waits = map[Limiter][]time.Duration{}
	}
	h.waits[limiter] = append(h.waits[limiter], wait)
}

func (h *heard) ConnectUncounted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uncounted++
}

func (h *heard) ConnectTokenSigned(_ time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signed = append(h.signed, err)
}

// sharedFunc is a shared limit that a test plays.
type sharedFunc func(ctx context.Context, unixSecond int64) (bool, error)

func (f sharedFunc) Take(ctx context.Context, unixSecond int64) (bool, error) {
	return f(ctx, unixSecond)
}

func half() float64 { return 0.5 }

// pass goes through a gate n times, one after the other, and returns when each came through.
func pass(t *testing.T, g *Gate, n int) []time.Duration {
	t.Helper()
	start := time.Now()
	var at []time.Duration
	for range n {
		if err := g.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		at = append(at, time.Since(start))
	}
	return at
}

func TestGateDelaysTheStartOnceForAllPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		observer := &heard{}
		gate := NewGate(GateOptions{RatePerS: 1000, Burst: 10, Stagger: true, StaggerMaxDelay: 4 * time.Second, Rand: half, Observer: observer})
		var passed sync.WaitGroup
		start := time.Now()
		for range 3 { // three pools that open their first connection at once
			passed.Go(func() {
				if err := gate.Pass(t.Context()); err != nil || time.Since(start) != 2*time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		}
		passed.Wait()
		if at := pass(t, gate, 1); at[0] != 0 {
			t.Errorf("the fourth waited %v", at[0])
		}
		if got := observer.waits[StartDelay]; !slices.Equal(got, []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second}) {
			t.Errorf("told of waits %v", got)
		}
	})
}

func TestGateLetsOpeningsThroughInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := NewGate(GateOptions{RatePerS: 10, Burst: 2})
		var order []int
		var mu sync.Mutex
		var passed sync.WaitGroup
		for i := range 6 {
			passed.Go(func() {
				if err := gate.Pass(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			synctest.Wait() // until this one waits or is through
		}
		start := time.Now()
		passed.Wait()
		if !slices.IsSorted(order) || len(order) != 6 || time.Since(start) != 400*time.Millisecond {
			t.Fatalf("%v within %v", order, time.Since(start))
		}
	})
}

func TestGateLetsACallerGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := sharedFunc(func(context.Context, int64) (bool, error) { return false, nil })
		for about, options := range map[string]GateOptions{
			"start delay":  {RatePerS: 1, Burst: 1, Stagger: true, StaggerMaxDelay: time.Hour},
			"local bucket": {RatePerS: 0.0001, Burst: 1},
			"counter":      {RatePerS: 1, Burst: 2, Shared: full},
		} {
			options.Rand = half
			gate := NewGate(options)
			if about == "local bucket" {
				pass(t, gate, 1)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			if err := gate.Pass(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", about, err)
			}
			cancel()
			ctx, cancel = context.WithCancel(t.Context())
			cancel()
			if err := gate.Pass(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", about, err)
			}
		}
	})
}

func TestARefusedOpeningAsksInTheNextSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := map[int64]int{}
		observer := &heard{}
		gate := NewGate(GateOptions{RatePerS: 1000, Burst: 100, Rand: half, Observer: observer, Shared: sharedFunc(func(_ context.Context, second int64) (bool, error) {
			if second != time.Now().Unix() {
				t.Errorf("counted in %d at %d", second, time.Now().Unix())
			}
			if taken[second] == 2 {
				return false, nil
			}
			taken[second]++
			return true, nil
		})})
		// The bubble's clock starts at a whole second. Refused at 0: again after 1 s and half of 200 ms.
		got := pass(t, gate, 5)
		want := []time.Duration{0, 0, 1100 * time.Millisecond, 1100 * time.Millisecond, 2100 * time.Millisecond}
		if !slices.Equal(got, want) || observer.uncounted != 0 || len(observer.waits[Shared]) != 5 {
			t.Fatalf("%v, want %v; %+v", got, want, observer)
		}
	})
}

// An outage costs its time-out once, then nothing but a single probe after each wait; when the table is back, it counts again.
func TestAnOutageOfTheCounterCostsItsTimeoutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, down := 0, true
		observer := &heard{}
		gate := NewGate(GateOptions{RatePerS: 1000, Burst: 1000, Rand: half, Observer: observer, Shared: sharedFunc(func(ctx context.Context, _ int64) (bool, error) {
			asked++
			if down {
				<-ctx.Done()
				return false, ctx.Err()
			}
			return true, nil
		})})
		if at := pass(t, gate, 50); at[0] != counterTimeout || at[49] != counterTimeout || asked != 1 || observer.uncounted != 50 {
			t.Fatalf("the first after %v, the last after %v, asked %d times, %d uncounted", at[0], at[49], asked, observer.uncounted)
		}
		time.Sleep(counterHoldoff)
		var probed sync.WaitGroup
		var slow atomic.Int64
		start := time.Now()
		for range 10 {
			probed.Go(func() {
				if err := gate.Pass(t.Context()); err != nil {
					t.Error(err)
				}
				if time.Since(start) > 0 {
					slow.Add(1)
				}
			})
		}
		probed.Wait()
		if asked != 2 || slow.Load() != 1 {
			t.Fatalf("asked %d times, %d openings waited for the probe", asked, slow.Load())
		}
		down = false
		time.Sleep(2 * counterHoldoff)
		before := observer.uncounted
		pass(t, gate, 20)
		if asked != 22 || observer.uncounted != before {
			t.Fatalf("asked %d times, %d uncounted since", asked, observer.uncounted-before)
		}
	})
}

func TestACallerWhoLeavesSaysNothingAboutTheCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := true
		gate := NewGate(GateOptions{RatePerS: 1000, Burst: 1000, Rand: half, Shared: sharedFunc(func(ctx context.Context, _ int64) (bool, error) {
			if stuck {
				<-ctx.Done()
				return false, ctx.Err()
			}
			return true, nil
		})})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := gate.Pass(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		stuck = false
		observer := &heard{}
		gate.options.Observer = observer
		pass(t, gate, 1)
		if observer.uncounted != 0 {
			t.Fatal("the table is left alone because a caller left")
		}
	})
}
