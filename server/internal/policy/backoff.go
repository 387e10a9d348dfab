package policy

import "time"

// StartDelay is how long a process waits before its first opening, so that tasks that start together do not connect together: max × u.
func StartDelay(enabled bool, max time.Duration, u float64) time.Duration {
	if !enabled || max <= 0 {
		return 0
	}
	return scale(max, u)
}

// Backoff is the wait after the attempt-th failure in a row (from 1): first × 2^(attempt-1), at most max, then × (0.5 + u). The cap comes
// before the jitter, so that waits at the cap still spread: the longest is 1.5 × max.
func Backoff(attempt int, first, max time.Duration, u float64) time.Duration {
	base := min(first, max)
	for ; attempt > 1 && base > 0 && base < max; attempt-- {
		if base > max/2 {
			base = max
		} else {
			base *= 2
		}
	}
	return scale(base, 0.5+u)
}

// Leave is what a Holdoff allows.
type Leave int

// What a Holdoff allows.
const (
	Free  Leave = iota // go on as usual
	Held               // not now
	Probe              // one at a time, to see whether it works again
)

// String names it as the conformance vectors do.
func (l Leave) String() string { return [...]string{"free", "held", "probe"}[l] }

// Holdoff keeps from something that fails: held for a back-off after a failure, then one probe at a time, free again after a
// success. The keeper uses it after refused openings, the counter per second after an unreachable table.
type Holdoff struct {
	First, Max time.Duration // of the back-off
	failures   int
	until      time.Duration
}

// Leave says what is allowed now.
func (h *Holdoff) Leave(now time.Duration) Leave {
	switch {
	case h.failures == 0:
		return Free
	case now < h.until:
		return Held
	default:
		return Probe
	}
}

// Failed notes a failure and returns the wait from now. One that comes while already held belongs to what was under way before, and
// lengthens nothing: four openings that fail together are one step of the back-off.
func (h *Holdoff) Failed(now time.Duration, u float64) (wait time.Duration) {
	if h.failures > 0 && now < h.until {
		return h.until - now
	}
	h.failures++
	wait = Backoff(h.failures, h.First, h.Max, u)
	h.until = now + wait
	return wait
}

// Succeeded notes a success.
func (h *Holdoff) Succeeded() { h.failures, h.until = 0, 0 }

// Failures is how many steps the back-off has gone.
func (h *Holdoff) Failures() int { return h.failures }
