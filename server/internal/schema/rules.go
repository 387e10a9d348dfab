package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// keyTypes decides what a BYTEA column becomes whose name appears in a key. DSQL refuses bytea in one ("datatype bytea is not supported in a
// key"). UUID where Temporal stores the 16 bytes of one; TEXT, as hex, where it stores any bytes: internal/store reads and writes that.
var keyTypes = map[string]string{
	"namespace_id":  "UUID",
	"run_id":        "UUID",
	"tree_id":       "UUID",
	"branch_id":     "UUID",
	"host_id":       "UUID",
	"id":            "UUID",
	"task_queue_id": "TEXT",
	"chasm_path":    "TEXT",
}

// Limits of DSQL's keys and tables (user guide, "Cluster quotas and database limits").
const (
	maxKeyColumns   = 8
	maxTableColumns = 255
	maxTableIndexes = 24
)

// rule rewrites one statement, into itself, into several, or into an error that says what to decide. before is the schema that the statement meets, as
// Temporal wrote it for PostgreSQL.
type rule struct {
	name  string
	apply func(s Statement, before Shape) ([]Statement, error)
}

// rules in the order in which they run. Each is tested alone in rules_test.go.
var rules = []rule{
	{"key types", keyColumnTypes},
	{"identity", serialToIdentity},
	{"alterations", refuseAlterations},
	{"limits", withinLimits},
	{"idempotent rows", insertOnce},
}

// Derive turns statements for PostgreSQL into statements for DSQL. before is the PostgreSQL schema that they meet; it is left as it was.
//
// Two differences need no rule: a file's statements are split and several actions of one ALTER TABLE become a statement each when they are parsed, and
// CREATE INDEX is written with ASYNC for DSQL.
func Derive(statements []Statement, before Shape) ([]Statement, error) {
	shape := before.clone()
	var derived []Statement
	for i, s := range statements {
		out := []Statement{s}
		for _, r := range rules {
			var next []Statement
			for _, s := range out {
				made, err := r.apply(s, shape.withIndexes(statements[i+1:]))
				if err != nil {
					return nil, fmt.Errorf("rule %q: %w, in: %s", r.name, err, excerpt(s.SQL(Postgres)))
				}
				next = append(next, made...)
			}
			out = next
		}
		derived = append(derived, out...)
		if err := shape.Apply(s); err != nil {
			return nil, err
		}
	}
	return derived, nil
}

// keyColumnTypes gives BYTEA columns in a primary key, a unique constraint or an index a type that DSQL takes in a key. A column of the same name
// changes with them where it is no key (current_executions.run_id), since the two are compared.
func keyColumnTypes(s Statement, before Shape) ([]Statement, error) {
	switch s := s.(type) {
	case CreateTable:
		keys := s.keyColumns()
		for _, index := range before.Indexes {
			if index.Table == s.Name {
				keys = append(keys, index.Columns...)
			}
		}
		s.Columns = slices.Clone(s.Columns)
		for i, c := range s.Columns {
			kind, err := keyType(s.Name, c, slices.Contains(keys, c.Name))
			if err != nil {
				return nil, err
			}
			s.Columns[i].Type = kind
		}
		return []Statement{s}, nil
	case AddColumn:
		keys := []string{}
		for _, index := range before.Indexes {
			if index.Table == s.Table {
				keys = append(keys, index.Columns...)
			}
		}
		kind, err := keyType(s.Table, s.Column, s.Column.Key || s.Column.Unique || slices.Contains(keys, s.Column.Name))
		s.Column.Type = kind
		return []Statement{s}, err
	case CreateIndex:
		table := before.table(s.Table)
		if table == nil {
			return nil, fmt.Errorf("an index on table %s, which is not there", s.Table)
		}
		for _, name := range s.Columns {
			column := table.column(name)
			if column == nil {
				return nil, fmt.Errorf("an index on column %s.%s, which is not there", s.Table, name)
			}
			if _, err := keyType(s.Table, *column, true); err != nil {
				return nil, err
			}
		}
	}
	return []Statement{s}, nil
}

func keyType(table string, c Column, isKey bool) (string, error) {
	if c.Type != "BYTEA" {
		return c.Type, nil
	}
	if decided, ok := keyTypes[c.Name]; ok {
		return decided, nil
	}
	if isKey {
		known := slices.Sorted(maps.Keys(keyTypes))
		return "", fmt.Errorf("column %s.%s is BYTEA and part of a key, which DSQL refuses, and nobody decided what it becomes: add it to keyTypes in rules.go, "+
			"as UUID if it always holds the 16 bytes of one, else as TEXT with the encoding in internal/store; decided so far: %s",
			table, c.Name, strings.Join(known, ", "))
	}
	return c.Type, nil
}

// serialToIdentity replaces BIGSERIAL, which DSQL does not have. Its identity columns are BIGINT only, so a smaller serial is an error.
func serialToIdentity(s Statement, _ Shape) ([]Statement, error) {
	identity := func(table string, c Column) (Column, error) {
		switch c.Type {
		case "BIGSERIAL":
			c.Type, c.Identity = "BIGINT", true
		case "SERIAL", "SMALLSERIAL":
			return c, fmt.Errorf("column %s.%s is %s, and DSQL numbers BIGINT columns only: decide whether Temporal's code can read one", table, c.Name, c.Type)
		}
		return c, nil
	}
	switch s := s.(type) {
	case CreateTable:
		s.Columns = slices.Clone(s.Columns)
		for i, c := range s.Columns {
			var err error
			if s.Columns[i], err = identity(s.Name, c); err != nil {
				return nil, err
			}
		}
		return []Statement{s}, nil
	case AddColumn:
		if strings.HasSuffix(s.Column.Type, "SERIAL") {
			return nil, fmt.Errorf("DSQL adds no numbered column to an existing table")
		}
	}
	return []Statement{s}, nil
}

// refuseAlterations lets pass what DSQL's ALTER TABLE takes (user guide, "ALTER TABLE"): a bare ADD COLUMN, DROP COLUMN (since 3 August 2026), SET and DROP
// DEFAULT. What it refuses has no equal that keeps the rows as PostgreSQL would, so that a person has to decide.
func refuseAlterations(s Statement, before Shape) ([]Statement, error) {
	switch s := s.(type) {
	case AddColumn:
		c := s.Column
		if c.NotNull || c.Key || c.Unique || c.Default != "" {
			return nil, fmt.Errorf("DSQL adds a column without NOT NULL, DEFAULT, PRIMARY KEY or UNIQUE only, and %s.%s has one: "+
				"decide how the rows already there get their value, and write a rule with that backfill", s.Table, c.Name)
		}
	case SetType:
		return nil, fmt.Errorf("DSQL changes no column's type, and %s.%s becomes %s: decide whether the table is built anew or the column can stay", s.Table, s.Column, s.Type)
	}
	return []Statement{s}, nil
}

// withinLimits checks the documented sizes of keys and tables.
func withinLimits(s Statement, before Shape) ([]Statement, error) {
	key := func(what string, columns []string) error {
		if len(columns) > maxKeyColumns {
			return fmt.Errorf("%s has %d columns, DSQL takes %d: decide which key can be shorter", what, len(columns), maxKeyColumns)
		}
		return nil
	}
	switch s := s.(type) {
	case CreateTable:
		if len(s.Columns) > maxTableColumns {
			return nil, fmt.Errorf("table %s has %d columns, DSQL takes %d", s.Name, len(s.Columns), maxTableColumns)
		}
		if len(s.primaryKey()) == 0 {
			return nil, fmt.Errorf("table %s has no primary key: DSQL would choose a hidden one, which row locks cannot name", s.Name)
		}
		for _, index := range s.constraintIndexes() {
			if err := key("a key of table "+s.Name, index.Columns); err != nil {
				return nil, err
			}
		}
	case CreateIndex:
		if err := key("index "+s.Name, s.Columns); err != nil {
			return nil, err
		}
		indexes := 1
		if table := before.table(s.Table); table != nil {
			indexes += len(table.constraintIndexes())
		}
		for _, other := range before.Indexes {
			if other.Table == s.Table && other.Name != s.Name {
				indexes++
			}
		}
		if indexes > maxTableIndexes {
			return nil, fmt.Errorf("table %s has %d indexes, DSQL takes %d", s.Table, indexes, maxTableIndexes)
		}
	}
	return []Statement{s}, nil
}

// insertOnce makes the rows of a schema file safe to put twice, for a run that resumes.
func insertOnce(s Statement, _ Shape) ([]Statement, error) {
	insert, ok := s.(Insert)
	if !ok {
		return []Statement{s}, nil
	}
	for _, t := range insert.rest {
		if t.is("CONFLICT") || t.is("RETURNING") || t.is("SELECT") {
			return nil, fmt.Errorf("expected INSERT … VALUES, found %s: decide how a second run of it is harmless", t)
		}
	}
	insert.Once = true
	return []Statement{insert}, nil
}
