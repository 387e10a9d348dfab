// Package policy decides when a connection to DSQL may be opened, must be opened and ends. It does nothing itself: a time is a
// time.Duration since any fixed start, randomness is a number u in [0, 1) given by the caller, and the answer to "not yet" is a wait.
//
// All times are whole nanoseconds and every product with a real number is cut off (not rounded), so that another implementation
// gives the same answers to the last digit. server/conformance holds what they must be.
package policy

import "time"

// scale multiplies a duration by a factor of zero or more and cuts the fraction of a nanosecond off.
func scale(d time.Duration, factor float64) time.Duration {
	return time.Duration(float64(d) * factor)
}
