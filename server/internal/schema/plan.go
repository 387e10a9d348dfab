package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Kind says how a step is run.
type Kind int

// The kinds of steps. On DSQL a transaction holds one DDL statement or rows, never both.
const (
	DDL        Kind = iota // one statement, alone in its transaction
	IndexBuild             // as DDL; on DSQL it goes on building afterwards
	Await                  // wait until every index is valid
	Rows                   // one statement, in one transaction with its entry in the journal
)

// Step is one thing to do, and how one sees that it is done.
type Step struct {
	Kind      Kind
	Title     string
	Statement Statement // nil for Await
}

// Plan is an ordered list of steps.
type Plan struct {
	Name  string // `setup of 1.19`, `update from 1.18 to 1.19`
	Steps []Step
	// After is the DSQL schema that holds once the plan is done.
	After Shape
}

// Digest names the plan: the same steps give the same digest, so that a run resumes only what it began.
func (p Plan) Digest(d Dialect) string {
	hash := sha256.New()
	for _, step := range p.Steps {
		fmt.Fprintf(hash, "%d\x00%s\x00", step.Kind, step.SQL(d))
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// SQL is the step's statement, or what it waits for as a comment.
func (s Step) SQL(d Dialect) string {
	if s.Statement == nil {
		return "-- " + s.Title
	}
	return s.Statement.SQL(d)
}

// Script prints the plan as SQL text, one statement after another.
func (p Plan) Script(d Dialect) string {
	var b strings.Builder
	write := func(s Step) {
		b.WriteString(s.SQL(d))
		if s.Statement != nil {
			b.WriteByte(';')
		}
		b.WriteByte('\n')
	}
	write(Step{Kind: DDL, Statement: journalTable})
	for _, step := range p.Steps {
		write(step)
	}
	return b.String()
}

// text is a statement written out by this package.
type text struct{ sql string }

func (t text) SQL(Dialect) string { return t.sql }

func mustParse(sql string) CreateTable {
	statements, err := Parse(sql)
	if err != nil {
		panic(err)
	}
	return statements[0].(CreateTable)
}

// The tables beside Temporal's schema file. The first two are those of Temporal's schema tool (sqlplugin/postgresql/admin.go): the server reads schema_version
// as it starts. shard_fences is ours: internal/fence.
var (
	versionTable = mustParse(`CREATE TABLE IF NOT EXISTS schema_version(
		version_partition INT NOT NULL, db_name VARCHAR(255) NOT NULL, creation_time TIMESTAMP, curr_version VARCHAR(64), min_compatible_version VARCHAR(64),
		PRIMARY KEY (version_partition, db_name))`)
	historyTable = mustParse(`CREATE TABLE IF NOT EXISTS schema_update_history(
		version_partition INT NOT NULL, year INT NOT NULL, month INT NOT NULL, update_time TIMESTAMP NOT NULL, description VARCHAR(255), manifest_md5 VARCHAR(64),
		new_version VARCHAR(64), old_version VARCHAR(64), PRIMARY KEY (version_partition, year, month, update_time))`)
	fenceTable = mustParse(`CREATE TABLE IF NOT EXISTS shard_fences(
		shard_id INTEGER NOT NULL, range_id BIGINT NOT NULL, PRIMARY KEY (shard_id, range_id))`)
	journalTable = mustParse(`CREATE TABLE IF NOT EXISTS auroral_schema_journal(
		plan_digest VARCHAR(64) NOT NULL, step INTEGER NOT NULL, statement_digest VARCHAR(64) NOT NULL, title VARCHAR(255) NOT NULL, done_at TIMESTAMP NOT NULL,
		PRIMARY KEY (plan_digest, step))`)
)

var ownTables = []CreateTable{versionTable, historyTable, fenceTable}

// SetupPlan makes the schema of the newest version in an empty database.
func SetupPlan(source Source) (Plan, error) {
	return setupPlan(source.Whole, source.Newest())
}

// CompletePlan adds what a database of the newest version lacks, such as a table that a newer release of this program has: the set-up without its
// record of a version.
func CompletePlan(source Source) (Plan, error) {
	plan := Plan{Name: "completion of " + source.Newest().Version.String()}
	derived, err := Derive(source.Whole, Shape{})
	if err != nil {
		return plan, err
	}
	return plan, plan.add(derived)
}

// SetupPlanAt makes the schema as of an older version; tests update from there.
func SetupPlanAt(source Source, version Version) (Plan, error) {
	for _, release := range source.Releases {
		if release.Version != version {
			continue
		}
		shape, err := source.ShapeAt(version)
		if err != nil {
			return Plan{}, err
		}
		return setupPlan(append(shape.Statements(), source.rowsAt(version)...), release)
	}
	return Plan{}, fmt.Errorf("expected a version of the embedded schema, found %s", version)
}

func setupPlan(statements []Statement, release Release) (Plan, error) {
	plan := Plan{Name: "setup of " + release.Version.String()}
	derived, err := Derive(statements, Shape{})
	if err != nil {
		return plan, err
	}
	if err := plan.add(derived); err != nil {
		return plan, err
	}
	plan.addVersion("0", release, "initial version", "")
	return plan, nil
}

// UpdatePlan brings a database from one version to the newest, release by release.
func UpdatePlan(source Source, from Version) (Plan, error) {
	newest := source.Newest().Version
	plan := Plan{Name: fmt.Sprintf("update from %s to %s", from, newest)}
	known := false
	for _, release := range source.Releases {
		known = known || release.Version == from
	}
	if !known {
		return plan, check("expected an installed schema version between %s and %s, found %s", source.OldestUpdatable(), newest, from)
	}
	if oldest := source.OldestUpdatable(); from.Compare(oldest) < 0 {
		return plan, check("the schema is of version %s, and updates begin at %s: DSQL refuses what the versions between them change; "+
			"set up a new cluster and move the workflows there", from, oldest)
	}
	start, err := source.ShapeAt(from)
	if err != nil {
		return plan, err
	}
	installed, err := Derive(start.Statements(), Shape{})
	if err != nil {
		return plan, err
	}
	for _, s := range installed {
		if err := plan.After.Apply(s); err != nil {
			return plan, err
		}
	}
	var derived []Statement
	var releases []Release
	for _, release := range source.Releases {
		if release.Version.Compare(from) <= 0 {
			continue
		}
		before, err := source.ShapeAt(lastVersion(releases, from))
		if err != nil {
			return plan, err
		}
		changes, err := Derive(release.Statements, before)
		if err != nil {
			return plan, fmt.Errorf("v%s: %w", release.Version, err)
		}
		derived = append(derived, changes...)
		releases = append(releases, release)
	}
	if err := plan.add(derived); err != nil {
		return plan, err
	}
	old := from.String()
	for _, release := range releases {
		plan.addVersion(old, release, release.Description, release.ManifestMD5)
		old = release.Version.String()
	}
	return plan, nil
}

// lastVersion is the version that the next release meets.
func lastVersion(done []Release, from Version) Version {
	if len(done) == 0 {
		return from
	}
	return done[len(done)-1].Version
}

// add puts tables first, then indexes and the wait for them, then rows, and refuses a plan in which a half-done run could not be told from a done one.
func (p *Plan) add(derived []Statement) error {
	var indexes, rows []Step
	dropped := map[string]bool{}
	for _, t := range ownTables {
		p.Steps = append(p.Steps, Step{DDL, "create table " + t.Name, t})
		if err := p.After.Apply(t); err != nil {
			return err
		}
	}
	for _, s := range derived {
		step := Step{DDL, title(s), s}
		switch s := s.(type) {
		case CreateIndex:
			step.Kind = IndexBuild
			indexes = append(indexes, step)
		case Insert:
			step.Kind = Rows
			rows = append(rows, step)
		default:
			p.Steps = append(p.Steps, step)
			switch s := s.(type) {
			case DropTable:
				dropped[s.Name] = true
			case DropColumn:
				dropped[s.Table+"."+s.Column] = true
			case CreateTable:
				if dropped[s.Name] {
					return fmt.Errorf("table %s is dropped and made again in one update: split it, a run that resumes could not tell the two apart", s.Name)
				}
			case AddColumn:
				if dropped[s.Table+"."+s.Column.Name] {
					return fmt.Errorf("column %s.%s is dropped and added again in one update: split it, a run that resumes could not tell the two apart", s.Table, s.Column.Name)
				}
			}
		}
		if err := p.After.Apply(s); err != nil {
			return err
		}
	}
	p.Steps = append(p.Steps, indexes...)
	p.Steps = append(p.Steps, Step{Kind: Await, Title: "wait until every index is valid"})
	p.Steps = append(p.Steps, rows...)
	return nil
}

// addVersion records a version as Temporal's schema tool does. The history comes first: where schema_version names a version, all of it is there.
func (p *Plan) addVersion(old string, release Release, description, md5 string) {
	version := release.Version.String()
	// The time is put once into a subquery, so that year, month and time agree.
	history := fmt.Sprintf(`INSERT INTO schema_update_history (version_partition, year, month, update_time, old_version, new_version, manifest_md5, description)
  SELECT 0, EXTRACT(YEAR FROM t.now)::int, EXTRACT(MONTH FROM t.now)::int, t.now, %s, %s, %s, %s
  FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS now) t
  WHERE NOT EXISTS (SELECT 1 FROM schema_update_history WHERE version_partition = 0 AND old_version = %s AND new_version = %s)`,
		quote(old), quote(version), quote(md5), quote(description), quote(old), quote(version))
	current := fmt.Sprintf(`INSERT INTO schema_version (version_partition, db_name, creation_time, curr_version, min_compatible_version)
  VALUES (0, current_database(), clock_timestamp() AT TIME ZONE 'UTC', %s, %s)
  ON CONFLICT (version_partition, db_name) DO UPDATE
  SET creation_time = excluded.creation_time, curr_version = excluded.curr_version, min_compatible_version = excluded.min_compatible_version`,
		quote(version), quote(release.MinVersion))
	p.Steps = append(p.Steps,
		Step{Rows, "record version " + version + " in the history", text{history}},
		Step{Rows, "record version " + version, text{current}})
}

func title(s Statement) string {
	switch s := s.(type) {
	case CreateTable:
		return "create table " + s.Name
	case CreateIndex:
		return "create index " + s.Name
	case AddColumn:
		return fmt.Sprintf("add column %s.%s", s.Table, s.Column.Name)
	case DropColumn:
		return fmt.Sprintf("drop column %s.%s", s.Table, s.Column)
	case SetDefault:
		return fmt.Sprintf("set the default of %s.%s", s.Table, s.Column)
	case DropTable:
		return "drop table " + s.Name
	case Insert:
		return "put rows into " + s.Table
	}
	return excerpt(s.SQL(Postgres))
}

// quote writes a string literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
