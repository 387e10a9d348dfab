package policy

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func duration(lo, hi time.Duration) *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.Int64Range(int64(lo), int64(hi)), func(n int64) time.Duration { return time.Duration(n) })
}

var unit = rapid.Map(rapid.Float64Range(0, 1), func(u float64) float64 { return min(u, 0x1.fffffffffffffp-1) })

func TestBackoffGrowsToItsCapAndSpreadsAroundIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := duration(1, time.Minute).Draw(t, "first")
		longest := duration(1, time.Hour).Draw(t, "max")
		attempt := rapid.IntRange(-2, 100_000).Draw(t, "attempt")
		u := unit.Draw(t, "u")
		middle := Backoff(attempt, first, longest, 0.5)
		if middle > longest || middle < min(first, longest) || Backoff(attempt+1, first, longest, 0.5) < middle {
			t.Fatalf("attempt %d: %v", attempt, middle)
		}
		if wait := Backoff(attempt, first, longest, u); wait < middle/2-1 || wait > middle*3/2 {
			t.Fatalf("%v is not within 50 and 150 %% of %v", wait, middle)
		}
		if attempt >= 50 && middle != longest {
			t.Fatalf("attempt %d waits %v, not %v", attempt, middle, longest)
		}
	})
}

func TestStartDelayIsBelowItsMax(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		longest := duration(-time.Hour, time.Hour).Draw(t, "max")
		delay := StartDelay(rapid.Bool().Draw(t, "enabled"), longest, unit.Draw(t, "u"))
		if delay < 0 || delay > max(longest, 0) {
			t.Fatalf("%v", delay)
		}
	})
}

// While it fails, a holdoff lets through no more than one attempt in each half of a first wait; after a success it is free.
func TestHoldoffBoundsAttempts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		holdoff := Holdoff{First: time.Second, Max: 8 * time.Second}
		now, last := time.Duration(0), -time.Hour
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now += duration(0, 2*time.Second).Draw(t, "step")
			leave := holdoff.Leave(now)
			if leave == Held {
				continue
			}
			if leave == Probe && now-last < 500*time.Millisecond {
				t.Fatalf("a probe %v after a failure", now-last)
			}
			if rapid.Bool().Draw(t, "works") {
				holdoff.Succeeded()
				if holdoff.Leave(now) != Free || holdoff.Failures() != 0 {
					t.Fatal("not free after a success")
				}
				continue
			}
			wait := holdoff.Failed(now, unit.Draw(t, "u"))
			if wait < 500*time.Millisecond || wait > 12*time.Second || holdoff.Leave(now) != Held || holdoff.Leave(now+wait) != Probe {
				t.Fatalf("wait %v", wait)
			}
			last = now
		}
	})
}
