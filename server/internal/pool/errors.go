package pool

import (
	"errors"
	"fmt"
	"time"
)

// ErrClosed is any use of a pool that was closed.
var ErrClosed = errors.New("dsql: the connection pool is closed")

// NoConnectionError is a caller that got no connection in time.
type NoConnectionError struct {
	Stats   Stats         // when it gave up
	Waited  time.Duration // until then
	Refusal error         // why the last opening failed, when none has succeeded since
	Err     error         // the end of the caller's context; nil when the pool's own time-out ended the wait
}

// Error says how the pool stood, and what to look at.
func (e *NoConnectionError) Error() string {
	s := e.Stats
	text := fmt.Sprintf("dsql: no connection within %s: %d of %d open, %d in use, %d opening, %d waiting",
		e.Waited.Round(time.Millisecond), s.Open, s.Target, s.InUse, s.Opening, s.Waiting)
	switch {
	case e.Refusal != nil:
		text += "; the last opening failed: " + e.Refusal.Error()
	case e.Err != nil:
		text += "; " + e.Err.Error()
	case s.InUse >= s.Target:
		text += "; all are in use: raise TEMPORAL_SQL_MAX_CONNS or lower the persistence rate limits"
	}
	return text
}

// Unwrap gives the end of the caller's context. The refusal is not unwrapped: it may hold a bare network error, for which
// Temporal closes its pool (see session.LostError).
func (e *NoConnectionError) Unwrap() error { return e.Err }
