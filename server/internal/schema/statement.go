package schema

// Statement is one statement of a schema.
type Statement interface {
	// SQL writes the statement on one or more lines, without a semicolon.
	SQL(d Dialect) string
}

// Dialect says for which database statements are written.
type Dialect int

// The dialects. Postgres is for tests and control runs: the same tables, without DSQL's own syntax.
const (
	DSQL Dialect = iota
	Postgres
)

// Column is one column of a CREATE TABLE or ADD COLUMN.
type Column struct {
	Name    string
	Type    string // as written: BYTEA, VARCHAR(255)
	NotNull bool
	Default string // an expression, or empty
	Key     bool   // PRIMARY KEY beside the column
	Unique  bool
	// Identity has PostgreSQL number the rows.
	Identity bool
}

// Constraint is a constraint of a whole table.
type Constraint struct {
	Name    string // or empty
	Kind    string // PRIMARY KEY, UNIQUE or CHECK
	Columns []string
	Check   string // the condition, with its brackets
}

// CreateTable makes a table.
type CreateTable struct {
	Name        string
	IfNotExists bool
	Columns     []Column
	Constraints []Constraint
}

// CreateIndex makes an index.
type CreateIndex struct {
	Name, Table string
	Unique      bool
	Columns     []string
}

// AddColumn adds one column.
type AddColumn struct {
	Table  string
	Column Column
}

// DropColumn drops one column.
type DropColumn struct{ Table, Column string }

// SetDefault sets a column's default for rows to come; an empty expression drops it.
type SetDefault struct{ Table, Column, Expression string }

// SetType changes a column's type.
type SetType struct{ Table, Column, Type string }

// DropTable drops a table.
type DropTable struct{ Name string }

// Insert puts rows into a table.
type Insert struct {
	Table string
	rest  []token // after the table's name
	// Once makes a second run harmless.
	Once bool
}
