package fence

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Finding is what a cluster showed of one fence.
type Finding struct {
	Holds bool
	// WritersConflict is whether two writes of one owner that overlap conflict, or wait for each other.
	WritersConflict bool
	Why             string // the first breach or refusal, where it does not hold
}

// Verdict is what a cluster showed of both.
type Verdict map[Kind]Finding

// Holds says whether a fence kept every old owner out.
func (v Verdict) Holds(k Kind) bool { return v[k].Holds }

const (
	rounds   = 3
	patience = 3 * time.Second // after which a statement is taken to wait for a lock; DSQL has none
	stepTime = 30 * time.Second

	schemaRetries = 5
)

// Verify tries on a real cluster, with two connections and in three tables of its own that it drops, whether each fence keeps an old owner from
// writing. It tells each observation to report, and ends with an error where it could not try. It changes nothing else, and takes some seconds,
// or about a minute where locks wait. open is called for each session that it needs; the sessions' default isolation is what is tried.
func Verify(ctx context.Context, open func(ctx context.Context) (*sql.DB, error), report func(string)) (Verdict, error) {
	return verify(ctx, open, report, patience, readerOf)
}

func verify(ctx context.Context, open func(ctx context.Context) (*sql.DB, error), report func(string), patience time.Duration, of func(Kind) reader) (verdict Verdict, err error) {
	random := make([]byte, 6)
	_, _ = rand.Read(random) // never fails: crypto/rand
	v := &verifier{report: report, patience: patience, prefix: "auroral_fence_" + hex.EncodeToString(random)}
	admin, err := open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = admin.Close() }()
	defer func() {
		// Also after the context is over: nothing is to be left behind.
		drop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		for _, table := range v.tables() {
			_, dropped := admin.ExecContext(drop, "DROP TABLE IF EXISTS "+table)
			err = errors.Join(err, dropped)
		}
	}()
	for i, columns := range []string{
		"shard_id INTEGER PRIMARY KEY, range_id BIGINT NOT NULL",
		"shard_id INTEGER NOT NULL, range_id BIGINT NOT NULL, PRIMARY KEY (shard_id, range_id)",
		"id BIGINT PRIMARY KEY, range_id BIGINT NOT NULL",
	} {
		if _, err := admin.ExecContext(ctx, "CREATE TABLE "+v.tables()[i]+" ("+columns+")"); err != nil {
			return nil, fmt.Errorf("cannot make a table to try the fences in: %w", err)
		}
	}
	// The sessions come after the tables: one that is older may still hold a catalog without them (OC001).
	if v.writers, err = open(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = v.writers.Close() }()
	if v.takers, err = open(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = v.takers.Close() }()

	verdict = Verdict{}
	for _, k := range Kinds {
		if verdict[k], err = v.try(ctx, k, of(k)); err != nil {
			return nil, fmt.Errorf("cannot try %s: %w", k, err)
		}
		report(fmt.Sprintf("%s: %s", k, verdict[k]))
	}
	return verdict, nil
}

// String is one line for an operator.
func (f Finding) String() string {
	if !f.Holds {
		return "does not hold: " + f.Why
	}
	if f.WritersConflict {
		return "holds; writes of one owner that overlap conflict or wait"
	}
	return "holds; writes of one owner do not conflict"
}

type verifier struct {
	report          func(string)
	patience        time.Duration
	prefix          string
	writers, takers *sql.DB
	shard, rangeID  int64 // of the present trial
	id              int64
}

func (v *verifier) tables() []string {
	return []string{v.prefix + "_shards", v.prefix + "_fences", v.prefix + "_writes"}
}

// scratch gives the package's own statements the trial's tables, so that what is tried is what runs.
func (v *verifier) scratch(query string) string {
	return strings.NewReplacer("shard_fences", v.tables()[1], "shards", v.tables()[0]).Replace(query)
}

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

func (v *verifier) try(ctx context.Context, k Kind, read reader) (Finding, error) {
	f := Finding{Holds: true}
	for range rounds {
		for _, tr := range trials {
			breach, seen, err := v.once(ctx, tr, read)
			if unsupported(err) {
				v.report(fmt.Sprintf("%s: the statement is refused: %v", k, err))
				return Finding{Why: err.Error()}, nil
			}
			if err != nil {
				return f, fmt.Errorf("%s: %w", tr.name, err)
			}
			v.report(fmt.Sprintf("%s: %s: %s", k, tr.name, seen))
			if breach {
				return Finding{Why: tr.name + ": " + seen}, nil
			}
		}
	}
	if err := v.newShard(ctx); err != nil {
		return f, err
	}
	conflict, seen, err := v.twoWriters(ctx, read)
	if err != nil {
		return f, err
	}
	f.WritersConflict = conflict
	v.report(fmt.Sprintf("%s: two writes of the present owner: %s", k, seen))
	return f, nil
}

// once runs a trial, again where the schema changed under it (OC001): that refusal says nothing of the fence.
func (v *verifier) once(ctx context.Context, tr trial, read reader) (breach bool, seen string, err error) {
	for range schemaRetries {
		if err = v.newShard(ctx); err == nil {
			breach, seen, err = tr.run(v, ctx, read)
		}
		if !schemaChanged(err) {
			break
		}
	}
	return breach, seen, err
}

// newShard makes a shard at range 1 with its fence row.
func (v *verifier) newShard(ctx context.Context) error {
	v.shard, v.rangeID = v.shard+1, 1
	for _, table := range v.tables()[:2] {
		if _, err := v.takers.ExecContext(ctx, "INSERT INTO "+table+" (shard_id, range_id) VALUES ($1, 1)", v.shard); err != nil {
			return err
		}
	}
	return nil
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

func conflict(err error) bool { return sqlState(err) == "40001" && !schemaChanged(err) }

func schemaChanged(err error) bool {
	return sqlState(err) == "40001" && strings.Contains(err.Error(), "OC001")
}

// unsupported is a statement that the database does not have: a feature (0A000) or a syntax (42601).
func unsupported(err error) bool {
	code := sqlState(err)
	return code == "0A000" || code == "42601"
}

func sqlState(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}
