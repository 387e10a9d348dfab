package schema

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
)

// journal is the database's own record of the steps of one plan. It tells a run that resumes where it was, and an operator what ran when; what a killed run
// left undone between a statement and its entry is told by the catalogue.
type journal struct {
	digest string
	done   map[int]bool
}

const journalInsert = `INSERT INTO auroral_schema_journal (plan_digest, step, statement_digest, title, done_at)
  VALUES ($1, $2, $3, $4, clock_timestamp() AT TIME ZONE 'UTC') ON CONFLICT DO NOTHING`

// readJournal reads what is done of a plan; there may be no journal yet.
func readJournal(ctx context.Context, db Querier, catalog Catalog, plan Plan, d Dialect) (journal, error) {
	j := journal{plan.Digest(d), map[int]bool{}}
	if _, ok := catalog.Tables[journalTable.Name]; !ok {
		return j, nil
	}
	err := each(ctx, db, `SELECT step, statement_digest FROM auroral_schema_journal WHERE plan_digest = `+quote(j.digest), func(scan func(...any) error) error {
		var step int
		var digest string
		if err := scan(&step, &digest); err != nil {
			return err
		}
		if step < 0 || step >= len(plan.Steps) || digest != statementDigest(plan.Steps[step], d) {
			return check("step %d in auroral_schema_journal is not of the plan that it names: somebody changed its rows", step)
		}
		j.done[step] = true
		return nil
	})
	return j, err
}

func statementDigest(s Step, d Dialect) string {
	digest := sha256.Sum256([]byte(s.SQL(d)))
	return hex.EncodeToString(digest[:])
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// enter records a step.
func (j journal) enter(ctx context.Context, db execer, number int, s Step, d Dialect) error {
	_, err := db.ExecContext(ctx, journalInsert, j.digest, number, statementDigest(s, d), s.Title)
	return err
}
