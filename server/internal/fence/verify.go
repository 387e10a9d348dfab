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
