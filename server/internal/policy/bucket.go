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

// The ends of what a bucket can be: slower than one token a day or larger than all connections of a cluster has no use.
const (
	slowest = 24 * time.Hour
	largest = 10_000
)

// NewBucket makes a bucket that is full at now. The rate is in tokens a second, at least one a day (zero and below count as that). The burst
// is within 1 and 10,000 (what is outside counts as the nearest): a bucket that holds no token lets nothing through ever.
func NewBucket(ratePerS float64, burst int, now time.Duration) *Bucket {
	interval := slowest
	if nanos := math.Ceil(float64(time.Second) / ratePerS); ratePerS > 0 && nanos < float64(slowest) {
		interval = max(time.Duration(nanos), 1)
	}
	return &Bucket{interval: interval, slack: time.Duration(min(max(burst, 1), largest)-1) * interval, fullAt: now}
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
