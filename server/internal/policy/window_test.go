package policy

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// counters are the counters per second that all processes share.
type counters struct {
	limit int
	taken map[int64]int
}

func (c *counters) take(nowUnix time.Duration) bool {
	second := UnixSecond(nowUnix)
	if c.taken[second] >= c.limit {
		return false
	}
	c.taken[second]++
	return true
}

func most(taken []time.Duration, span time.Duration) int {
	largest, first := 0, 0
	for i, at := range taken {
		for at-taken[first] >= span {
			first++
		}
		largest = max(largest, i-first+1)
	}
	return largest
}

// However many ask, whenever, with whatever clocks within the skew: no span holds more than the bound.
func TestCountersStayWithinTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		skew := duration(0, 2*time.Second).Draw(t, "skew")
		shared := counters{limit: limit, taken: map[int64]int{}}
		var taken []time.Duration
		now := 1_000 * time.Second
		for range rapid.IntRange(1, 300).Draw(t, "asks") {
			now += duration(0, 300*time.Millisecond).Draw(t, "step")
			if shared.take(now + duration(-skew, skew).Draw(t, "clock")) {
				taken = append(taken, now)
			}
		}
		for _, span := range []time.Duration{time.Nanosecond, time.Second, 1500 * time.Millisecond, 10 * time.Second} {
			if got, bound := most(taken, span), WindowBound(limit, span, skew); got > bound {
				t.Fatalf("%d within %v, the bound is %d", got, span, bound)
			}
		}
	})
}

// The bound is reached, so it cannot be stated lower.
func TestCountersReachTheBound(t *testing.T) {
	for _, c := range []struct {
		about string
		skew  time.Duration
		asks  []struct{ at, clock time.Duration }
		want  int
	}{
		{"the end of one second, the begin of the next", 0, []struct{ at, clock time.Duration }{
			{1900 * time.Millisecond, 0}, {2100 * time.Millisecond, 0},
		}, 200},
		{"and a clock behind and one ahead", 100 * time.Millisecond, []struct{ at, clock time.Duration }{
			{2050 * time.Millisecond, -100 * time.Millisecond}, {2500 * time.Millisecond, 0}, {2950 * time.Millisecond, 100 * time.Millisecond},
		}, 300},
	} {
		shared := counters{limit: 100, taken: map[int64]int{}}
		var taken []time.Duration
		for _, ask := range c.asks {
			for range 150 {
				if shared.take(ask.at + ask.clock) {
					taken = append(taken, ask.at)
				}
			}
		}
		if got := most(taken, time.Second); got != c.want || got != WindowBound(100, time.Second, c.skew) {
			t.Errorf("%s: %d within a second, want %d", c.about, got, c.want)
		}
	}
}

func TestAfterRefusalAsksEarlyInTheNextSecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := duration(-time.Hour, 2_000_000_000*time.Second).Draw(t, "now")
		refusals := rapid.IntRange(0, 100_000).Draw(t, "refusals")
		asks := now + AfterRefusal(now, refusals, unit.Draw(t, "u"))
		if UnixSecond(asks) != UnixSecond(now)+1 || asks-time.Duration(UnixSecond(asks))*time.Second > 200*time.Millisecond {
			t.Fatalf("at %v asked again at %v", now, asks)
		}
	})
}

// A crowd of five seconds' worth meets newcomers at half the limit. As no second passes unused while someone waits, all are through when
// the crowd's 100 and the newcomers' 10 a second fit into 20 a second: after ten seconds, and the one that was under way.
func TestWaitersDoNotStarve(t *testing.T) {
	const (
		limit = 20
		step  = 5 * time.Millisecond
	)
	type waiter struct {
		came, asks time.Duration
		refusals   int
	}
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 0))
		shared := counters{limit: limit, taken: map[int64]int{}}
		waiting := make([]waiter, 5*limit)
		var longest time.Duration
		for now := time.Duration(0); now < 20*time.Second; now += step {
			if now%(2*time.Second/limit) == 0 {
				waiting = append(waiting, waiter{came: now, asks: now})
			}
			left := waiting[:0]
			for _, w := range waiting {
				if w.asks <= now {
					if shared.take(now) {
						longest = max(longest, now-w.came)
						continue
					}
					w.refusals++
					w.asks = now + AfterRefusal(now, w.refusals, random.Float64())
				}
				left = append(left, w)
			}
			waiting = left
		}
		if len(waiting) > 0 || longest > 11*time.Second {
			t.Errorf("seed %d: %d still wait, the longest wait was %v", seed, len(waiting), longest)
		}
	}
}
