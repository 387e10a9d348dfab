package telemetry

import "go.temporal.io/server/common/metrics"

// Kind is what a metric is to Prometheus.
type Kind string

// The kinds. A timer is a histogram of seconds.
const (
	Gauge   Kind = "gauge"
	Counter Kind = "counter"
	Timer   Kind = "timer"
)

// Metric is one metric of ours, as the reference describes it.
type Metric struct {
	Name   string
	Kind   Kind
	Labels []string // beside those of Temporal's handler (service_name)
	Help   string
}

// all is every metric, in the order of their definitions.
var all []Metric

// Metrics lists every metric of this module.
func Metrics() []Metric { return append([]Metric(nil), all...) }

type (
	gaugeDef interface {
		With(metrics.Handler) metrics.GaugeIface
	}
	counterDef interface {
		With(metrics.Handler) metrics.CounterIface
	}
	timerDef interface {
		With(metrics.Handler) metrics.TimerIface
	}
)

// The names. Nothing else in this module spells one.
var (
	poolTarget      = gauge("dsql_pool_target", "connections that the pool keeps open")
	poolOpen        = gauge("dsql_pool_open", "connections that are open; below the target the keeper is replacing some")
	poolInUse       = gauge("dsql_pool_in_use", "connections lent to a statement or a transaction")
	poolIdle        = gauge("dsql_pool_idle", "connections that are open and not lent")
	poolOpening     = gauge("dsql_pool_opening", "openings under way, those that wait for a limiter included")
	poolWaiting     = gauge("dsql_pool_waiting", "callers who wait for a connection")
	poolWaits       = counter("dsql_pool_waits", "times a caller found no idle connection")
	poolWaitLatency = timer("dsql_pool_wait_latency", "how long those callers waited, in vain or not")
	poolClosed      = counter("dsql_pool_closed", "connections closed: `expired` (lifetime over), `lost` (broke in use), "+
		"`stale` (found dead before use), `dropped` (a caller gave up in the midst of a statement), `shutdown`", "reason")

	connects = counter("dsql_connects", "attempts to connect: `opened`, or `refused` with a reason: `rate` (53400), `connections` (53300), "+
		"`auth`, `timeout`, `network`, `other`; `none` where opened", "outcome", "reason")
	connectLatency = timer("dsql_connect_latency", "one attempt: token, dial, TLS and login; without the limiters", "outcome", "reason")

	warmupLatency      = timer("dsql_warmup_latency", "a whole warm-up")
	warmupConnections  = counter("dsql_warmup_connections", "connections of a warm-up: `opened`, or `refused` after all its attempts", "outcome")
	startupConnections = counter("dsql_startup_connections",
		"connections of the brief stores that Temporal opens while it starts: `opened`, `refused`", "outcome")

	tokenAge = gauge("dsql_token_age", "seconds since the IAM token now in use was signed")
	tokens   = counter("dsql_tokens", "IAM tokens: `signed`, or `failed` for want of credentials", "outcome")

	limiterWaitLatency = timer("dsql_limiter_wait_latency", "how long an opening waited: `start` (the process's random delay), "+
		"`local` (token bucket), `shared` (counter in DynamoDB)", "limiter")
	limiterFailures = counter("dsql_limiter_failures", "openings that went on under the local limiter alone, as the counter in DynamoDB could not be asked")

	conflicts = counter("dsql_transaction_conflicts", "40001 (OC000, OC001), told at the `commit` or at a `statement`", "where")
	replays   = counter("dsql_transaction_replays", "transactions run again after a conflict")
	exhausted = counter("dsql_transaction_replays_exhausted", "conflicts handed on to Temporal: `changed` (an answer was not the same), `limit`, "+
		"`deadline`, `too_large` (to record), `lost` (the connection)", "reason")
	transactionLatency = timer("dsql_transaction_latency", "a transaction from begin to end: `committed`, `replayed` (and committed), "+
		"`rolled_back`, `conflict`, `failed`", "outcome")
)

func note(name string, kind Kind, help string, labels []string) metrics.WithDescription {
	all = append(all, Metric{Name: name, Kind: kind, Labels: labels, Help: help})
	return metrics.WithDescription(help)
}

func gauge(name, help string, labels ...string) gaugeDef {
	return metrics.NewGaugeDef(name, note(name, Gauge, help, labels))
}

func counter(name, help string, labels ...string) counterDef {
	return metrics.NewCounterDef(name, note(name, Counter, help, labels))
}

func timer(name, help string, labels ...string) timerDef {
	return metrics.NewTimerDef(name, note(name, Timer, help, labels))
}
