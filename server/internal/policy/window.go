package policy

import (
	"fmt"
	"time"
)

// WindowTTL is how long the counter of one second stays in the table.
const WindowTTL = 180 * time.Second

// WindowKey names the counter of one second: dsqlconnect#<endpoint>#<unix_second>.
func WindowKey(endpoint string, unixSecond int64) string {
	return fmt.Sprintf("dsqlconnect#%s#%d", endpoint, unixSecond)
}

// WindowExpires is the Unix second from which the counter of a second may be deleted.
func WindowExpires(unixSecond int64) int64 { return unixSecond + int64(WindowTTL/time.Second) }

// UnixSecond is the second that a wall-clock time (since the Unix epoch) is counted in.
func UnixSecond(nowUnix time.Duration) int64 {
	second := int64(nowUnix / time.Second)
	if nowUnix%time.Second < 0 {
		second--
	}
	return second
}

// The first refused asks again within afterRefusal of the next second's begin; each further refusal halves that, down to afterRefusalLeast.
const (
	afterRefusal      = 200 * time.Millisecond
	afterRefusalLeast = 25 * time.Millisecond
)

// AfterRefusal is how long to wait after the refusals-th refusal in a row (from 1) by the counter of the second that nowUnix is in: until
// the next second begins, and a jitter.
//
// The wait does not grow, it shrinks: newcomers ask all through a second, the refused in its first 200 ms, and the longer one has waited the
// earlier. A back-off that grows would let newcomers pass those who wait.
func AfterRefusal(nowUnix time.Duration, refusals int, u float64) time.Duration {
	next := time.Duration(UnixSecond(nowUnix)+1) * time.Second
	spread := afterRefusal
	for ; refusals > 1 && spread > afterRefusalLeast; refusals-- {
		spread /= 2
	}
	return next - nowUnix + scale(spread, u)
}

// WindowBound is the largest number of openings that counters per second let through in any span, with clocks at most skew off on either
// side: (⌈span + 2 × skew⌉ + 1) × limit, as a span of that many seconds touches at most one whole second more. With true clocks that is
// twice the limit in a sliding second.
//
// Against DSQL's bucket (100/s, burst 1,000) a limit of 100 leaves: in t seconds at most 100 × (t + 2 × skew + 2), which 1,000 + 100 × t
// covers while the clocks are less than 4 s off. Where openings reach DSQL up to d after they were counted, while 2 × skew + d ≤ 8 s.
func WindowBound(limit int, span, skew time.Duration) int {
	seconds := int((span + 2*skew + time.Second - 1) / time.Second)
	return (seconds + 1) * limit
}
