package connect

import (
	"time"

	"auroral/server/internal/session"
)

// Limiter is what an opening waits for; it is a metric's tag.
type Limiter string

// The limiters.
const (
	StartDelay Limiter = "start"
	Local      Limiter = "local"
	Shared     Limiter = "shared"
)

// Opened is the reason told for an opening that did not fail.
const Opened session.Reason = ""

// Observer hears what happens to openings. It is called from many goroutines.
type Observer interface {
	// ConnectDone is one dial, its token included and the limiters not: how long it took, and why it failed (or Opened).
	ConnectDone(took time.Duration, reason session.Reason)
	// ConnectWaited is how long an opening waited for a limiter, 0 included; the start delay is told by those that waited for it.
	ConnectWaited(limiter Limiter, wait time.Duration)
	// ConnectUncounted is an opening that went on without the counter, as its table was unreachable, throttled or left alone.
	ConnectUncounted()
	// ConnectTokenSigned is a new token and how long it is valid, or the error.
	ConnectTokenSigned(valid time.Duration, err error)
}

type silent struct{}

func (silent) ConnectDone(time.Duration, session.Reason)   {}
func (silent) ConnectWaited(Limiter, time.Duration)        {}
func (silent) ConnectUncounted()                           {}
func (silent) ConnectTokenSigned(_ time.Duration, _ error) {}
