package policy

import "time"

// WarmupConfig says how a pool is filled at the start.
type WarmupConfig struct {
	Target                   int           // connections
	MaxRetries               int           // attempts for one connection, the first included; below 1 counts as 1
	FirstBackoff, MaxBackoff time.Duration // see Backoff
}

// WarmupGiveUp is how many connections in a row may fail while none is open. A cluster that cannot be reached then costs
// WarmupGiveUp × MaxRetries attempts and not Target × MaxRetries (of up to 10 s each by default: 42 minutes).
const WarmupGiveUp = 3

// WarmupAction is what to do next.
type WarmupAction int

// What to do next.
const (
	WarmupOpen WarmupAction = iota // open one connection, then say Opened or Failed
	WarmupWait                     // wait, then ask again
	WarmupDone                     // nothing more to do
)

// String names it as the conformance vectors do.
func (a WarmupAction) String() string { return [...]string{"open", "wait", "done"}[a] }

// WarmupStep is one step of the warm-up.
type WarmupStep struct {
	Action WarmupAction
	Wait   time.Duration // of WarmupWait
}

// WarmupResult says how far the warm-up came.
//
// One that ended incomplete does not stop the server: the keeper goes on with what is missing, and a server with 49 connections is worth more
// than a restart that asks DSQL for 50. Only where not one connection could be opened is it an error: see Usable.
type WarmupResult struct {
	Target, Created, Failed, Attempts int
}

// Complete is whether every connection was opened.
func (r WarmupResult) Complete() bool { return r.Created >= r.Target }

// Usable is whether a server can start with what was opened.
func (r WarmupResult) Usable() bool { return r.Created > 0 || r.Target <= 0 }

// Warmup fills a pool one connection after the other. Each failure is followed by a back-off, that of a connection given up too, so
// that no opening ever follows a refused one at once.
type Warmup struct {
	config   WarmupConfig
	result   WarmupResult
	failures int // of the connection at hand
	wait     time.Duration
}

// NewWarmup starts a warm-up.
func NewWarmup(config WarmupConfig) *Warmup {
	return &Warmup{config: config, result: WarmupResult{Target: config.Target}}
}

// Next says what to do. It says WarmupOpen until it is told how the opening ended, and each wait once.
func (w *Warmup) Next() WarmupStep {
	r := w.result
	if r.Created+r.Failed >= r.Target || (r.Created == 0 && r.Failed >= WarmupGiveUp) {
		return WarmupStep{Action: WarmupDone}
	}
	if wait := w.wait; wait > 0 {
		w.wait = 0
		return WarmupStep{Action: WarmupWait, Wait: wait}
	}
	return WarmupStep{Action: WarmupOpen}
}

// Opened notes that the connection at hand is open.
func (w *Warmup) Opened() {
	w.result.Attempts++
	w.result.Created++
	w.failures = 0
}

// Failed notes that an attempt failed.
func (w *Warmup) Failed(u float64) {
	w.result.Attempts++
	w.failures++
	w.wait = Backoff(w.failures, w.config.FirstBackoff, w.config.MaxBackoff, u)
	if w.failures >= w.config.MaxRetries {
		w.result.Failed++
		w.failures = 0
	}
}

// Result says how far it came.
func (w *Warmup) Result() WarmupResult { return w.result }
