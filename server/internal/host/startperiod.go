package host

import (
	"fmt"
	"time"
)

// Warmup is what the time until a process is healthy depends on.
type Warmup struct {
	Connections int           // of the pool: TEMPORAL_SQL_MAX_CONNS
	RatePerS    float64       // DSQL_CONNECTION_RATE_LIMIT
	Burst       int           // DSQL_CONNECTION_BURST_LIMIT
	Latency     time.Duration // opening one connection: dial, TLS, sign in
	StaggerMax  time.Duration // DSQL_STAGGERED_STARTUP_MAX_DELAY
	Margin      time.Duration // the rest of the start: schema check, membership, shards; and retries
}

// MostStartPeriod is the longest start period that ECS takes: 300 seconds (API reference, HealthCheck.startPeriod).
const MostStartPeriod = 300 * time.Second

// StartPeriod says for how long failed health checks must not count.
//
// Connections are opened one after the other, each after its token: the pool is full when the slower of both is through.
func StartPeriod(w Warmup) (time.Duration, error) {
	switch {
	case w.Connections < 1:
		return 0, fmt.Errorf("connections: at least 1 was expected, not %d", w.Connections)
	case !(w.RatePerS > 0):
		return 0, fmt.Errorf("rate: more than 0 a second was expected, not %g", w.RatePerS)
	case w.Burst < 1:
		return 0, fmt.Errorf("burst: at least 1 was expected, not %d", w.Burst)
	case w.Latency < 0 || w.StaggerMax < 0 || w.Margin < 0:
		return 0, fmt.Errorf("no negative duration was expected: latency %s, stagger %s, margin %s", w.Latency, w.StaggerMax, w.Margin)
	}
	byLatency := time.Duration(w.Connections) * w.Latency
	beyondBurst := max(0, w.Connections-w.Burst)
	byTokens := time.Duration(float64(beyondBurst)/w.RatePerS*float64(time.Second)) + w.Latency
	period := (w.StaggerMax + max(byLatency, byTokens) + w.Margin + time.Second - 1).Truncate(time.Second)
	if period > MostStartPeriod {
		return 0, fmt.Errorf("%d connections at %g a second after a burst of %d take %s; ECS allows a start period of %s: fewer connections, or a higher rate",
			w.Connections, w.RatePerS, w.Burst, period, MostStartPeriod)
	}
	return period, nil
}
