package replay

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// transaction is an open one with its record.
type transaction struct {
	c     *conn
	ctx   context.Context //nolint:containedctx // the driver's Commit has none of its own
	opts  driver.TxOptions
	inner driver.Tx // nil once a replay that was given up rolled it back
	began time.Time

	record   []step
	bytes    int
	tooLarge bool
	// failed is a statement that failed: the transaction cannot be committed any more, so there is nothing to replay.
	failed  bool
	gaveUp  *pgconn.PgError // the conflict that was handed on
	replays int
}

// step is one statement that was answered.
type step struct {
	call   call
	answer answer
}

// run runs a statement of the transaction. One that conflicts takes the transaction with it: what came before is run again, and if all of
// that is answered as before, this statement gets its first answer.
func (t *transaction) run(ctx context.Context, s call) (answer, error) {
	if t.gaveUp != nil {
		return answer{}, &pgconn.PgError{Severity: "ERROR", Code: abortedTransaction, Message: "current transaction is aborted: " + t.gaveUp.Message}
	}
	// The arguments are kept as they are now: the caller may write into them before a replay.
	kept := s.frozen()
	a, err := t.settle(ctx, AtStatement, func() (answer, error) { return kept.on(ctx, t.c.inner) })
	if err != nil {
		t.failed, t.record = true, nil
		return answer{}, err
	}
	t.add(step{kept, a})
	return a, nil
}

// Commit commits, and replays while the answer is a conflict.
func (t *transaction) Commit() error {
	_, err := t.settle(t.ctx, AtCommit, func() (answer, error) {
		if t.gaveUp != nil {
			return answer{}, t.gaveUp
		}
		inner := t.inner
		t.inner = nil // whatever the answer is, there is nothing to roll back
		return answer{}, inner.Commit()
	})
	t.c.tx, t.record = nil, nil
	t.c.o.Observer.Ended(outcome(err, t.replays), t.c.o.Now().Sub(t.began))
	return err
}

// settle runs the last step, a statement or the commit, and replays what came before it for as long as a conflict is the answer.
func (t *transaction) settle(ctx context.Context, where Where, last func() (answer, error)) (answer, error) {
	a, err := last()
	for isConflict(err) && !t.failed && t.gaveUp == nil {
		t.c.o.Observer.Conflicted(where)
		conflict := err
		why := t.again(ctx)
		if why == "" {
			var same bool
			if same, err = t.rerun(ctx); err == nil && same {
				a, err = last()
				continue
			} else if isConflict(err) {
				continue
			}
			why = whyNot(err)
		}
		t.giveUp(why, conflict)
		if why == Lost {
			return answer{}, err
		}
		return answer{}, conflict
	}
	return a, err
}

func (t *transaction) add(s step) {
	if t.failed || t.tooLarge {
		return
	}
	if t.bytes += s.bytes(); t.bytes > t.c.o.MaxRecordedBytes {
		t.tooLarge, t.record = true, nil
		return
	}
	t.record = append(t.record, s)
}

// again rolls back what is left, waits, and counts one replay; or says why there is none.
func (t *transaction) again(ctx context.Context) Reason {
	if t.tooLarge {
		return TooLarge
	}
	t.rollback()
	if why := t.c.wait(ctx, t.replays); why != "" {
		return why
	}
	t.replays++
	t.c.o.Observer.Replayed()
	return ""
}

// rerun begins anew and runs the record, to the first answer that is not the same.
func (t *transaction) rerun(ctx context.Context) (same bool, err error) {
	if t.inner, err = t.c.inner.BeginTx(t.ctx, t.opts); err != nil {
		t.inner = nil
		return false, err
	}
	for _, s := range t.record {
		a, err := s.call.on(ctx, t.c.inner)
		if err != nil || !a.equal(s.answer) {
			return false, err
		}
	}
	return true, nil
}

// whyNot classifies a replay that did not get the same answers. A recorded statement was answered, so that it fails now is another answer.
func whyNot(err error) Reason {
	if err != nil && sqlState(err) == "" {
		return Lost
	}
	return Changed
}

func (t *transaction) giveUp(why Reason, conflict error) {
	t.c.o.Observer.GaveUp(why)
	t.rollback()
	t.record = nil
	if refused, ok := conflict.(*pgconn.PgError); ok { //nolint:errorlint // isConflict found it; a wrapped one is kept by its text
		t.gaveUp = refused
	} else {
		t.gaveUp = &pgconn.PgError{Severity: "ERROR", Code: Conflict, Message: conflict.Error()}
	}
}

func (t *transaction) rollback() {
	if t.inner != nil {
		_ = t.inner.Rollback() // the connection's own state tells whether it can be used again
		t.inner = nil
	}
}

// Rollback ends the transaction and its record.
func (t *transaction) Rollback() error {
	inner := t.inner
	t.c.tx, t.record, t.inner = nil, nil, nil
	ended := RolledBack
	if t.gaveUp != nil {
		ended = Conflicted
	}
	t.c.o.Observer.Ended(ended, t.c.o.Now().Sub(t.began))
	if inner == nil {
		return nil
	}
	return inner.Rollback()
}
