package policy

import "time"

// Expiry is when a connection ends: opened + lifetime × (1 - jitter × u). Connections that were opened together end spread over
// jitter × lifetime (5.5 minutes by default).
func Expiry(opened, lifetime time.Duration, jitter, u float64) time.Duration {
	return opened + lifetime - scale(lifetime, jitter*u)
}

// Due is whether a connection has reached its end.
func Due(now, expires time.Duration) bool { return now >= expires }

// KeeperState is a pool at one moment.
type KeeperState struct {
	Target     int // connections that the pool must have
	Reservoir  int // further ones that it keeps ahead of need
	Open       int // connections there are, idle or lent, due or not
	Ready      int // those of them that are not due
	DueIdle    int // those that are due and idle: only these can be retired
	Opening    int // openings under way
	MaxOpening int // how many may be under way at once; see MaxOpening
}

// KeeperDecision is what to do now.
type KeeperDecision struct {
	Open   int // openings to begin
	Retire int // due and idle connections to close
}

// Keep decides what to open and what to close.
//
// It opens first and closes after: a connection that is due is replaced while it is still there, and retired only while Target others stay. So
// by its own doing a pool never falls below Target, and has at most MaxOpening more than Target + Reservoir, openings under way
// included. Connections that end without it (broken, closed by DSQL) are simply no longer in the state.
func Keep(s KeeperState) KeeperDecision {
	full := s.Target + s.Reservoir
	toOpen := min(
		full-s.Ready-s.Opening,
		s.MaxOpening-s.Opening,
		full+s.MaxOpening-s.Open-s.Opening,
	)
	return KeeperDecision{
		Open:   max(toOpen, 0),
		Retire: max(min(s.DueIdle, s.Open-s.Target), 0),
	}
}

// MaxOpening is how many openings the keeper may have under way: usual ones, one after a refusal until an opening succeeds, none while held.
func MaxOpening(leave Leave, usual int) int {
	switch leave {
	case Held:
		return 0
	case Probe:
		return min(usual, 1)
	default:
		return usual
	}
}
