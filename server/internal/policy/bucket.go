package policy

import (
	"math"
	"time"
)

// Bucket is a token bucket: at most burst + rate × t openings in any stretch of t seconds.
//
// It keeps one time instead of a fraction of a token: when the bucket will be full again. Each token pushes that by one interval
// (1 s / rate, rounded up to a nanosecond); a token is there while the bucket is full again within burst - 1 intervals. Whole
// nanoseconds have no rounding that could add up over days.
type Bucket struct {
	interval time.Duration
	slack    time.Duration
	fullAt   time.Duration
}

// NewBucket makes a bucket that is full at now. The rate is in tokens a second and above zero; a burst below 1 is taken as 1, since
// a bucket that holds no token lets nothing through ever.
func NewBucket(ratePerS float64, burst int, now time.Duration) *Bucket {
	interval := interval(ratePerS)
	slots := time.Duration(max(burst, 1) - 1)
	slack := time.Duration(math.MaxInt64 / 4)
	if slots == 0 || interval <= slack/slots {
		slack = slots * interval
	}
	return &Bucket{interval: interval, slack: slack, fullAt: now}
}

// interval is the time between two tokens, at least a nanosecond and at most some 73 years.
func interval(ratePerS float64) time.Duration {
	nanos := math.Ceil(float64(time.Second) / ratePerS)
	if !(nanos < math.MaxInt64/4) { // also a rate of zero, below zero or NaN
		return math.MaxInt64 / 4
	}
	return max(time.Duration(nanos), 1)
}

// Take takes a token and returns 0, or takes none and returns how long to wait before asking again. A waiter has no place in a queue: the caller
// keeps the order, by asking for one opening after the other.
func (b *Bucket) Take(now time.Duration) (wait time.Duration) {
	full := max(b.fullAt, now)
	if early := full - now - b.slack; early > 0 {
		return early
	}
	b.fullAt = full + b.interval
	return 0
}
