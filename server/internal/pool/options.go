package pool

import (
	"math/rand/v2"
	"time"

	"go.temporal.io/server/common/log"

	"auroral/server/internal/policy"
)

// Options say how a pool behaves. Zero values get the defaults named.
type Options struct {
	Name           string              // in logs and errors
	Target         int                 // connections kept open; on demand: the most there are
	Reservoir      int                 // further ones kept ahead of need
	OnDemand       bool                // keep nothing, open when a caller needs one: Temporal's brief stores at start-up
	Lifetime       time.Duration       // of a connection, below DSQL's 60 minutes; 55m
	Jitter         float64             // share of the lifetime over which expiries spread; none
	AcquireTimeout time.Duration       // how long a caller waits at most; 30s
	MaxOpening     int                 // openings at once, after the warm-up; 4
	PingAfter      time.Duration       // silence after which a connection is asked for an answer before it is lent; 1s, as pgx's own driver
	ProbeAfter     time.Duration       // silence after which the keeper asks an idle one, so that a burst finds none dead; 1m
	PingTimeout    time.Duration       // of either; 5s
	Warmup         policy.WarmupConfig // retries and back-off; Target is set from above. The keeper backs off alike
	Rand           func() float64      // uniform in [0, 1)
	Observer       Observer
	Logger         log.Logger
}

func (o Options) withDefaults() Options {
	o.Lifetime = orDefault(o.Lifetime, 55*time.Minute)
	o.AcquireTimeout = orDefault(o.AcquireTimeout, 30*time.Second)
	o.MaxOpening = orDefault(o.MaxOpening, 4)
	o.PingAfter = orDefault(o.PingAfter, time.Second)
	o.ProbeAfter = orDefault(o.ProbeAfter, time.Minute)
	o.PingTimeout = orDefault(o.PingTimeout, 5*time.Second)
	o.Warmup.Target = o.Target
	o.Warmup.MaxRetries = orDefault(o.Warmup.MaxRetries, 5)
	o.Warmup.FirstBackoff = orDefault(o.Warmup.FirstBackoff, 200*time.Millisecond)
	o.Warmup.MaxBackoff = orDefault(o.Warmup.MaxBackoff, 5*time.Second)
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Logger == nil {
		o.Logger = log.NewNoopLogger()
	}
	return o
}

func orDefault[T comparable](value, otherwise T) T {
	var none T
	if value == none {
		return otherwise
	}
	return value
}

// CloseReason says why a connection of the pool was closed; it is a metric's tag.
type CloseReason string

// The reasons.
const (
	Expired  CloseReason = "expired"  // its lifetime was over
	Lost     CloseReason = "lost"     // it broke while lent, or came back in a transaction
	Dropped  CloseReason = "dropped"  // a caller's context ended in the midst of a statement, which ends a connection of pgx
	Stale    CloseReason = "stale"    // it was found dead before anything was sent on it
	Shutdown CloseReason = "shutdown" // the pool was closed
)

// Observer hears what the pool does. It is called outside the pool's lock, from many goroutines.
type Observer interface {
	PoolState(Stats)          // at most once a second, when something changed, and every ten seconds
	PoolWaited(time.Duration) // a caller had to wait for a connection, in vain or not
	PoolClosed(CloseReason)   // a connection was closed
	PoolWarmed(WarmResult)    // the warm-up ended
	StartupConnection(error)  // an on-demand pool opened a connection, or failed to
}

type silent struct{}

func (silent) PoolState(Stats)          {}
func (silent) PoolWaited(time.Duration) {}
func (silent) PoolClosed(CloseReason)   {}
func (silent) PoolWarmed(WarmResult)    {}
func (silent) StartupConnection(error)  {}

// WarmResult is how a warm-up ended.
type WarmResult struct {
	policy.WarmupResult
	Took time.Duration
}

// Stats is a pool at one moment, with its counts since the start.
type Stats struct {
	Name     string
	OnDemand bool

	Target, Open, InUse, Idle, Opening int
	Waiting                            int // callers in the queue
	Waits                              int64
	WaitTime                           time.Duration // the sum of all waits that ended
	Closed                             map[CloseReason]int64
	Warm                               WarmResult
}
