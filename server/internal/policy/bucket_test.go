package policy

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whenever it is asked, a bucket lets at most burst + rate × t through in any t seconds, and a waiter gets its token when it was told.
func TestBucketHoldsItsRateInEverySpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.01, 2000).Draw(t, "rate")
		burst := rapid.IntRange(1, 50).Draw(t, "burst")
		now := time.Duration(0)
		bucket := NewBucket(rate, burst, now)
		var taken []time.Duration
		for range rapid.IntRange(1, 200).Draw(t, "asks") {
			now += time.Duration(rapid.Int64Range(0, int64(2*float64(time.Second)/rate)).Draw(t, "step"))
			wait := bucket.Take(now)
			if wait < 0 {
				t.Fatalf("a wait of %v", wait)
			}
			if wait > 0 {
				if wait > 1 && bucket.Take(now+wait-1) == 0 {
					t.Fatalf("a token before the wait of %v was over", wait)
				}
				now += wait
				if again := bucket.Take(now); again != 0 {
					t.Fatalf("told to wait %v, then %v more", wait, again)
				}
			}
			taken = append(taken, now)
		}
		for i := range taken {
			for j := i; j < len(taken); j++ {
				bound := float64(burst) + rate*(taken[j]-taken[i]).Seconds()
				if got := float64(j - i + 1); got > bound+1e-6 {
					t.Fatalf("%v tokens within %v, want at most %v", got, taken[j]-taken[i], bound)
				}
			}
		}
	})
}

func TestBucketOfExtremes(t *testing.T) {
	for _, rate := range []float64{0, math.Copysign(0, -1), -1, math.NaN(), math.Inf(-1), 1e-300} {
		bucket := NewBucket(rate, 3, 0)
		for i := range 3 {
			if wait := bucket.Take(0); wait != 0 {
				t.Fatalf("rate %v: token %d of the burst waits %v", rate, i, wait)
			}
		}
		if wait := bucket.Take(0); wait != 24*time.Hour {
			t.Fatalf("rate %v: a fourth token after %v, want a day", rate, wait)
		}
	}
	if bucket := NewBucket(math.Inf(1), 1, 0); bucket.Take(0) != 0 || bucket.Take(1) != 0 {
		t.Fatal("an infinite rate waits")
	}
	if bucket := NewBucket(0, math.MaxInt, 0); bucket.slack != 9_999*24*time.Hour {
		t.Fatalf("the largest burst overflows: %v", bucket.slack)
	}
}
