// Package telemetry holds the metrics of this module, in Temporal's own registry, so that one scrape has all.
package telemetry

import (
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/server/common/metrics"

	"auroral/server/internal/connect"
	"auroral/server/internal/pool"
	"auroral/server/internal/replay"
	"auroral/server/internal/session"
)

// Recorder hears the pool, the dialer and the replays of one store, and records what they tell.
type Recorder struct {
	handler  metrics.Handler
	now      func() time.Time
	signedAt atomic.Int64 // nanoseconds since the epoch; 0: no token yet
}

var (
	_ pool.Observer    = (*Recorder)(nil)
	_ connect.Observer = (*Recorder)(nil)
	_ replay.Observer  = (*Recorder)(nil)
)

// New records with a handler, which must carry a service name, as all that Temporal gives to a store do: Temporal's Prometheus
// reporter keeps one set of label names for each metric, and drops with a warning what comes with another.
func New(handler metrics.Handler) *Recorder { return &Recorder{handler: handler, now: time.Now} }

// PoolState records how a pool stands. The state of a brief pool would hide that of the service's own.
func (r *Recorder) PoolState(s pool.Stats) {
	if s.OnDemand {
		return
	}
	for def, value := range map[gaugeDef]int{
		poolTarget: s.Target, poolOpen: s.Open, poolInUse: s.InUse, poolIdle: s.Idle, poolOpening: s.Opening, poolWaiting: s.Waiting,
	} {
		def.With(r.handler).Record(float64(value))
	}
	r.recordTokenAge()
}

// PoolWaited records a caller's wait.
func (r *Recorder) PoolWaited(d time.Duration) {
	poolWaits.With(r.handler).Record(1)
	poolWaitLatency.With(r.handler).Record(d)
}

// PoolClosed records the end of a connection.
func (r *Recorder) PoolClosed(reason pool.CloseReason) {
	poolClosed.With(r.handler).Record(1, label("reason", string(reason)))
}

// PoolWarmed records a warm-up.
func (r *Recorder) PoolWarmed(result pool.WarmResult) {
	warmupLatency.With(r.handler).Record(result.Took)
	warmupConnections.With(r.handler).Record(int64(result.Created), label("outcome", opened))
	warmupConnections.With(r.handler).Record(int64(result.Failed), label("outcome", refused))
}

// StartupConnection records a connection of a brief pool.
func (r *Recorder) StartupConnection(err error) {
	startupConnections.With(r.handler).Record(1, label("outcome", either(err == nil, opened, refused)))
}

// ConnectDone records an attempt to connect.
func (r *Recorder) ConnectDone(took time.Duration, reason session.Reason) {
	outcome, why := label("outcome", opened), label("reason", "none")
	if reason != connect.Opened {
		outcome, why = label("outcome", refused), label("reason", string(reason))
	}
	connects.With(r.handler).Record(1, outcome, why)
	connectLatency.With(r.handler).Record(took, outcome, why)
}

// ConnectWaited records a limiter's wait.
func (r *Recorder) ConnectWaited(limiter connect.Limiter, wait time.Duration) {
	limiterWaitLatency.With(r.handler).Record(wait, label("limiter", string(limiter)))
}

// ConnectUncounted records an opening without the counter.
func (r *Recorder) ConnectUncounted() { limiterFailures.With(r.handler).Record(1) }

// ConnectTokenSigned records a token.
func (r *Recorder) ConnectTokenSigned(_ time.Duration, err error) {
	tokens.With(r.handler).Record(1, label("outcome", either(err == nil, "signed", "failed")))
	if err == nil {
		r.signedAt.Store(r.now().UnixNano())
		r.recordTokenAge()
	}
}

func (r *Recorder) recordTokenAge() {
	if signedAt := r.signedAt.Load(); signedAt != 0 {
		tokenAge.With(r.handler).Record(r.now().Sub(time.Unix(0, signedAt)).Seconds())
	}
}

// Conflicted records a conflict.
func (r *Recorder) Conflicted(where replay.Where) {
	conflicts.With(r.handler).Record(1, label("where", string(where)))
}

// Replayed records a replay.
func (r *Recorder) Replayed() { replays.With(r.handler).Record(1) }

// GaveUp records a conflict handed on.
func (r *Recorder) GaveUp(reason replay.Reason) {
	exhausted.With(r.handler).Record(1, label("reason", string(reason)))
}

// Ended records a transaction's time.
func (r *Recorder) Ended(outcome replay.Outcome, took time.Duration) {
	transactionLatency.With(r.handler).Record(took, label("outcome", string(outcome)))
}

const (
	opened  = "opened"
	refused = "refused"
)

// label makes a label. One of Temporal's two reporters makes underscores of hyphens: so that both show the same, so do we.
func label(key, value string) metrics.Tag {
	return metrics.StringTag(key, strings.ReplaceAll(value, "-", "_"))
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
