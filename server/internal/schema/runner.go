package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Bounds of a run.
const (
	conflictLimit   = 12 // attempts of one statement that answers 40001; with the back-off below about half a minute
	firstBackoff    = 100 * time.Millisecond
	largestBackoff  = 5 * time.Second
	indexPoll       = time.Second
	DefaultIndexMax = 30 * time.Minute // how long Run waits for the indexes of a plan
)

// Runner runs plans against a database, one statement a transaction.
type Runner struct {
	DB      *sql.DB
	Dialect Dialect
	Report  func(line string)                                // a line of progress
	Sleep   func(ctx context.Context, d time.Duration) error // between attempts and polls
	Rand    func() float64                                   // uniform in [0, 1): the back-off's jitter
	// IndexMax bounds the wait for indexes; zero means DefaultIndexMax.
	IndexMax time.Duration
}

// Sleep waits for d or until ctx is over.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CheckError is a database that is not as it should be: exit status 1.
type CheckError struct{ Problems []string }

// check is a CheckError of one problem.
func check(format string, args ...any) error {
	return &CheckError{[]string{fmt.Sprintf(format, args...)}}
}

// Error lists every problem.
func (e *CheckError) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0]
	}
	return "the schema is not as expected:\n  " + strings.Join(e.Problems, "\n  ")
}

// Run does what is left of a plan and then compares the database with what the plan makes.
//
// It may be killed at any moment: the next Run goes on. A step is done if the journal says so, or if the catalogue shows its effect.
func (r *Runner) Run(ctx context.Context, plan Plan) error {
	if err := r.Try(ctx, "create table "+journalTable.Name, func() error {
		_, err := r.DB.ExecContext(ctx, journalTable.SQL(r.Dialect))
		return err
	}); err != nil {
		return err
	}
	catalog, err := r.catalog(ctx)
	if err != nil {
		return err
	}
	var j journal
	if err := r.Try(ctx, "read the journal", func() (err error) {
		j, err = readJournal(ctx, r.DB, catalog, plan, r.Dialect)
		return err
	}); err != nil {
		return err
	}
	jobs := map[string]string{} // index → job that builds it
	for number, step := range plan.Steps {
		if j.done[number] {
			continue
		}
		done, err := catalog.shows(step)
		if err != nil {
			return err
		}
		if done {
			r.Report(step.Title + ": there already")
			if err := r.enter(ctx, j, number, step); err != nil {
				return err
			}
			continue
		}
		if err := r.step(ctx, plan, j, number, step, jobs); err != nil {
			return err
		}
		r.Report(step.Title)
	}
	catalog, err = r.catalog(ctx)
	if err != nil {
		return err
	}
	if problems := slices.Concat(catalog.Differences(plan.After), catalog.KeyTypeProblems()); len(problems) > 0 {
		return &CheckError{problems}
	}
	return nil
}

func (r *Runner) step(ctx context.Context, plan Plan, j journal, number int, step Step, jobs map[string]string) error {
	switch step.Kind {
	case Rows:
		return r.Try(ctx, step.Title, func() error { return r.rows(ctx, j, number, step) })
	case Await:
		if err := r.await(ctx, plan, jobs); err != nil {
			return err
		}
	case IndexBuild:
		name := step.Statement.(CreateIndex).Name
		err := r.ddl(ctx, step, func() error {
			job, err := r.build(ctx, step.SQL(r.Dialect))
			jobs[name] = job
			return err
		})
		if err != nil {
			return err
		}
	case DDL:
		err := r.ddl(ctx, step, func() error {
			_, err := r.DB.ExecContext(ctx, step.SQL(r.Dialect))
			return err
		})
		if err != nil {
			return err
		}
	}
	return r.enter(ctx, j, number, step)
}

// ddl runs one DDL statement. One that another run has just made is taken for done if the catalogue agrees.
func (r *Runner) ddl(ctx context.Context, step Step, do func() error) error {
	err := r.Try(ctx, step.Title, do)
	switch sqlState(err) {
	case "42P07", "42701", "42710", "42P01", "42703": // made twice: table or index, column, object; dropped twice: table, column
		catalog, readErr := r.catalog(ctx)
		if readErr != nil {
			return err
		}
		if done, _ := catalog.shows(step); done {
			return nil
		}
	}
	return err
}

// rows puts a step's rows and its journal entry in one transaction, so that both are there or neither.
func (r *Runner) rows(ctx context.Context, j journal, number int, step Step) error {
	tx, err := r.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, step.SQL(r.Dialect)); err != nil {
		return err
	}
	if err := j.enter(ctx, tx, number, step, r.Dialect); err != nil {
		return err
	}
	return tx.Commit()
}

func (r *Runner) enter(ctx context.Context, j journal, number int, step Step) error {
	return r.Try(ctx, "journal of: "+step.Title, func() error { return j.enter(ctx, r.DB, number, step, r.Dialect) })
}

// Try runs a statement, again where it met a conflict: 40001 says that it was not done (OC000: rows, OC001: another session's DDL, which reads meet too).
// After any other error its outcome may be unknown, and the next run finds out.
func (r *Runner) Try(ctx context.Context, title string, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil {
			return nil
		}
		if sqlState(err) != "40001" || attempt == conflictLimit {
			return fmt.Errorf("%s: %w", title, err)
		}
		wait := min(firstBackoff<<(attempt-1), largestBackoff)
		wait = time.Duration(float64(wait) * (0.5 + r.Rand()))
		r.Report(fmt.Sprintf("%s: conflict (%v), again in %v", title, err, wait.Round(time.Millisecond)))
		if err := r.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (r *Runner) catalog(ctx context.Context) (catalog Catalog, err error) {
	err = r.Try(ctx, "read the catalogue", func() (err error) {
		catalog, err = ReadCatalog(ctx, r.DB)
		return err
	})
	return catalog, err
}

// sqlState is the SQLSTATE of a server's error, or empty.
func sqlState(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// build starts an index; DSQL answers the job that goes on with it.
func (r *Runner) build(ctx context.Context, statement string) (job string, err error) {
	if r.Dialect != DSQL {
		_, err = r.DB.ExecContext(ctx, statement)
		return "", err
	}
	rows, err := r.DB.QueryContext(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	if rows.Next() {
		if err := rows.Scan(&job); err != nil {
			return "", err
		}
	}
	return job, rows.Err()
}

// await polls until every index of the schema is valid and its job has ended. It does not CALL sys.wait_for_job: that holds one transaction open, which DSQL
// ends after five minutes, and an index that an earlier run began has left us no job id.
func (r *Runner) await(ctx context.Context, plan Plan, jobs map[string]string) error {
	longest := r.IndexMax
	if longest == 0 {
		longest = DefaultIndexMax
	}
	reported := ""
	for waited := time.Duration(0); ; waited += indexPoll {
		catalog, err := r.catalog(ctx)
		if err != nil {
			return err
		}
		var known []job
		if r.Dialect == DSQL {
			if err := r.Try(ctx, "read the jobs", func() (err error) {
				known, err = readJobs(ctx, r.DB)
				return err
			}); err != nil {
				return err
			}
		}
		pending, problems := builds(plan.After.Indexes, catalog, known, jobs)
		if len(problems) > 0 {
			return &CheckError{problems}
		}
		if len(pending) == 0 {
			return nil
		}
		if now := strings.Join(pending, ", "); now != reported {
			r.Report("waiting for indexes: " + now)
			reported = now
		}
		if waited >= longest {
			return check("not valid after %v: %s; run the same command again to go on waiting", longest, strings.Join(pending, ", "))
		}
		if err := r.Sleep(ctx, indexPoll); err != nil {
			return err
		}
	}
}

// shows says whether the database already has what the step makes. Something else under its name is an error: this tool changes no table that it did not make.
func (c Catalog) shows(step Step) (bool, error) {
	var problems []string
	switch s := step.Statement.(type) {
	case CreateTable:
		if _, ok := c.Tables[s.Name]; !ok {
			return false, nil
		}
		problems = c.tableDifferences(s)
	case CreateIndex:
		if _, ok := c.Indexes[s.Name]; !ok {
			return false, nil
		}
		problems = c.indexDifferences(s)
	case AddColumn:
		got, ok := c.Tables[s.Table][s.Column.Name]
		if !ok {
			return false, nil
		}
		if want := s.Column.expected(nil); got.Type != want.Type {
			problems = []string{fmt.Sprintf("column %s.%s is %s, expected %s", s.Table, s.Column.Name, got.Type, want.Type)}
		}
	case DropColumn:
		_, ok := c.Tables[s.Table][s.Column]
		return !ok, nil
	case DropTable:
		_, ok := c.Tables[s.Name]
		return !ok, nil
	default: // defaults are set again, rows are put once anyhow
		return false, nil
	}
	if len(problems) > 0 {
		return false, &CheckError{problems}
	}
	return true, nil
}
