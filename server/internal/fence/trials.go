package fence

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// reader is how a writer reads its range id.
type reader func(ctx context.Context, tx Reader, shardID int32) (int64, error)

func readerOf(k Kind) reader { return k.Read }

// trial is one dangerous interleaving. It says whether an old owner's write was committed after the take-over.
type trial struct {
	name string
	run  func(v *verifier, ctx context.Context, read reader) (breach bool, seen string, err error)
}

var trials = []trial{
	{"the take-over commits between an old owner's lock and its commit", (*verifier).staleWrite},
	{"an old owner locks after the take-over, in an older snapshot", (*verifier).lateLock},
	{"an old owner locks while the take-over is under way", (*verifier).lockDuringTakeOver},
}

// side is one transaction of a trial.
type side struct {
	v  *verifier
	tx *sql.Tx
}

func (v *verifier) begin(ctx context.Context, db *sql.DB) (*side, error) {
	tx, err := db.BeginTx(ctx, nil)
	return &side{v, tx}, err
}

// GetContext reads one value with the trial's tables.
func (s *side) GetContext(ctx context.Context, dest any, query string, args ...any) error {
	return s.tx.QueryRowContext(ctx, s.v.scratch(query), args...).Scan(dest)
}

// ExecContext writes in the trial's tables.
func (s *side) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.tx.ExecContext(ctx, s.v.scratch(query), args...)
}

// takeOver is a take-over up to its commit.
func (s *side) takeOver(ctx context.Context) error {
	var rangeID int64
	if err := s.GetContext(ctx, &rangeID, lockShard, s.v.shard); err != nil {
		return err
	}
	if _, err := s.ExecContext(ctx, "UPDATE shards SET range_id = $1 WHERE shard_id = $2", rangeID+1, s.v.shard); err != nil {
		return err
	}
	return Replace(ctx, s, int32(s.v.shard), rangeID+1)
}

// finish writes under the range id that was read and commits. A writer that read another range id than its own gives up, as Temporal does.
func (s *side) finish(ctx context.Context, read int64, readErr error) (wrote bool, err error) {
	defer func() { _ = s.tx.Rollback() }()
	if readErr != nil {
		return false, readErr
	}
	if read != s.v.rangeID {
		return false, nil
	}
	s.v.id++
	if _, err := s.tx.ExecContext(ctx, "INSERT INTO "+s.v.tables()[2]+" (id, range_id) VALUES ($1, $2)", s.v.id, read); err != nil {
		return false, err
	}
	if err := s.tx.Commit(); err != nil {
		return false, err
	}
	return true, nil
}

// later is something that may wait for a lock.
type later struct {
	done chan struct{}
	id   int64
	err  error
}

func start(do func() (int64, error)) *later {
	l := &later{done: make(chan struct{})}
	go func() {
		defer close(l.done)
		l.id, l.err = do()
	}()
	return l
}

// waits says whether it is still not done after the verifier's patience.
func (v *verifier) waits(l *later) bool {
	timer := time.NewTimer(v.patience)
	defer timer.Stop()
	select {
	case <-l.done:
		return false
	case <-timer.C:
		return true
	}
}

func (v *verifier) staleWrite(ctx context.Context, read reader) (breach bool, seen string, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	w, err := v.begin(ctx, v.writers)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = w.tx.Rollback() }()
	seenID, err := read(ctx, w, int32(v.shard))
	if err != nil {
		return false, "", err
	}
	taking := start(func() (int64, error) {
		t, err := v.begin(ctx, v.takers)
		if err != nil {
			return 0, err
		}
		defer func() { _ = t.tx.Rollback() }()
		if err := t.takeOver(ctx); err != nil {
			return 0, err
		}
		return 0, t.tx.Commit()
	})
	waited := v.waits(taking)
	took := !waited && taking.err == nil
	wrote, err := w.finish(ctx, seenID, nil)
	<-taking.done
	for _, e := range []error{err, taking.err} {
		if e != nil && !conflict(e) {
			return false, "", e
		}
	}
	switch {
	case took && wrote:
		return true, "both committed", nil
	case took:
		return false, "the take-over committed, the old owner was refused: " + err.Error(), nil
	case waited && wrote:
		return false, "the take-over waited for the owner's write", nil
	case waited:
		return false, "the take-over waited, and the owner was refused: " + err.Error(), nil
	default:
		return false, "the take-over was refused: " + taking.err.Error(), nil
	}
}

func (v *verifier) lateLock(ctx context.Context, read reader) (breach bool, seen string, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	w, err := v.begin(ctx, v.writers)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = w.tx.Rollback() }()
	var snapshot int64
	if err := w.GetContext(ctx, &snapshot, readShard, v.shard); err != nil {
		return false, "", err
	}
	t, err := v.begin(ctx, v.takers)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = t.tx.Rollback() }()
	if err := t.takeOver(ctx); err != nil {
		return false, "", err
	}
	if err := t.tx.Commit(); err != nil {
		return false, "", err
	}
	seenID, readErr := read(ctx, w, int32(v.shard))
	return v.after(ctx, w, seenID, readErr)
}

func (v *verifier) lockDuringTakeOver(ctx context.Context, read reader) (breach bool, seen string, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	t, err := v.begin(ctx, v.takers)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = t.tx.Rollback() }()
	if err := t.takeOver(ctx); err != nil {
		return false, "", err
	}
	w, err := v.begin(ctx, v.writers)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = w.tx.Rollback() }()
	locking := start(func() (int64, error) { return read(ctx, w, int32(v.shard)) })
	v.waits(locking)
	if err := t.tx.Commit(); err != nil {
		<-locking.done
		return false, "", err
	}
	<-locking.done
	return v.after(ctx, w, locking.id, locking.err)
}

// after ends an old owner's write once the take-over has committed.
func (v *verifier) after(ctx context.Context, w *side, read int64, readErr error) (breach bool, seen string, err error) {
	wrote, err := w.finish(ctx, read, readErr)
	switch {
	case wrote:
		return true, "both committed", nil
	case err == nil:
		return false, fmt.Sprintf("the old owner read the new range id, %d", read), nil
	case conflict(err):
		return false, "the take-over committed, the old owner was refused: " + err.Error(), nil
	default:
		return false, "", err
	}
}

func (v *verifier) twoWriters(ctx context.Context, read reader) (conflicts bool, seen string, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	first, err := v.begin(ctx, v.writers)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = first.tx.Rollback() }()
	seenID, err := read(ctx, first, int32(v.shard))
	if err != nil {
		return false, "", err
	}
	second, err := v.begin(ctx, v.takers)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = second.tx.Rollback() }()
	locking := start(func() (int64, error) { return read(ctx, second, int32(v.shard)) })
	waited := v.waits(locking)
	wrote, err := first.finish(ctx, seenID, nil)
	if err != nil || !wrote {
		<-locking.done
		return false, "", fmt.Errorf("the first of two writes of the present owner failed: %w", err)
	}
	<-locking.done
	wrote, err = second.finish(ctx, locking.id, locking.err)
	switch {
	case waited:
		return true, "the second waited for the first", nil
	case wrote:
		return false, "both committed", nil
	case conflict(err):
		return true, "the second was refused: " + err.Error(), nil
	default:
		return false, "", err
	}
}
