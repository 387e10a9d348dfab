package replay

import (
	"time"

	"auroral/server/internal/policy"
)

// Where says which answer told a conflict.
type Where string

// Where a conflict is told. DSQL tells most at the commit, PostgreSQL in REPEATABLE READ at the statement.
const (
	AtCommit    Where = "commit"
	AtStatement Where = "statement"
)

// Reason says why a conflict was handed on instead of replayed.
type Reason string

// The reasons.
const (
	Changed   Reason = "changed"   // an answer was not the same
	Exhausted Reason = "limit"     // Options.Limit replays met a conflict each
	Deadline  Reason = "deadline"  // the context is over, or would be before the next replay
	TooLarge  Reason = "too-large" // more than Options.MaxRecordedBytes
	Lost      Reason = "lost"      // the connection failed in the replay, before its commit was sent
)

// Outcome is how a transaction ended.
type Outcome string

// The outcomes.
const (
	Committed         Outcome = "committed"
	CommittedByReplay Outcome = "replayed"
	RolledBack        Outcome = "rolled-back"
	Conflicted        Outcome = "conflict" // handed on; nothing was written
	Failed            Outcome = "failed"   // of a commit: unknown whether it was written
)

// Observer is told what happened; the metrics are one. It must not block.
type Observer interface {
	Conflicted(Where)
	Replayed()
	GaveUp(Reason)
	Ended(Outcome, time.Duration) // a transaction, or a statement alone that met a conflict
}

type silent struct{}

func (silent) Conflicted(Where)             {}
func (silent) Replayed()                    {}
func (silent) GaveUp(Reason)                {}
func (silent) Ended(Outcome, time.Duration) {}

func outcome(err error, replays int) Outcome {
	switch {
	case isConflict(err):
		return Conflicted
	case err != nil:
		return Failed
	case replays > 0:
		return CommittedByReplay
	default:
		return Committed
	}
}

func backoff(attempt int, o Options) time.Duration {
	return policy.Backoff(attempt, o.FirstBackoff, o.MaxBackoff, o.Rand())
}
