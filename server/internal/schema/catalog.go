package schema

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Querier runs one query: a *sql.DB or *sql.Tx.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Catalog is the schema `public` of a database, as its catalogue tells.
type Catalog struct {
	Tables  map[string]map[string]CatalogColumn // by table, then column
	Indexes map[string]CatalogIndex
	Checks  map[string]string // `table.constraint` → condition
}

// CatalogColumn is one column, in PostgreSQL's own words.
type CatalogColumn struct {
	Type     string // `character varying(255)`
	NotNull  bool
	Default  string // an expression, or empty
	Identity bool
}

// CatalogIndex is one index.
type CatalogIndex struct {
	Table   string
	Columns []string // of the key; DSQL's included ones are left out
	Unique  bool
	Valid   bool
}

// ReadCatalog reads tables, columns, indexes and checks.
func ReadCatalog(ctx context.Context, db Querier) (Catalog, error) {
	c := Catalog{map[string]map[string]CatalogColumn{}, map[string]CatalogIndex{}, map[string]string{}}
	numbers := map[string]map[int]string{} // table → attribute number → column
	err := each(ctx, db, `SELECT c.relname, a.attname, a.attnum::int, format_type(a.atttypid, a.atttypmod), a.attnotnull,
			coalesce(pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity <> ''
		FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE n.nspname = 'public' AND c.relkind = 'r'`, func(scan func(...any) error) error {
		var table, name string
		var number int
		var column CatalogColumn
		if err := scan(&table, &name, &number, &column.Type, &column.NotNull, &column.Default, &column.Identity); err != nil {
			return err
		}
		if c.Tables[table] == nil {
			c.Tables[table], numbers[table] = map[string]CatalogColumn{}, map[int]string{}
		}
		c.Tables[table][name], numbers[table][number] = column, name
		return nil
	})
	if err != nil {
		return c, err
	}
	err = each(ctx, db, `SELECT x.relname, t.relname, i.indisunique, i.indisvalid, i.indkey::text, i.indnkeyatts::int
		FROM pg_index i
		JOIN pg_class x ON x.oid = i.indexrelid
		JOIN pg_class t ON t.oid = i.indrelid
		JOIN pg_namespace n ON n.oid = t.relnamespace
		WHERE n.nspname = 'public' AND t.relkind = 'r'`, func(scan func(...any) error) error {
		var name, key string
		var columns int
		var index CatalogIndex
		if err := scan(&name, &index.Table, &index.Unique, &index.Valid, &key, &columns); err != nil {
			return err
		}
		fields := strings.Fields(key)
		for _, field := range fields[:min(columns, len(fields))] {
			number, err := strconv.Atoi(field)
			if err != nil {
				return fmt.Errorf("index %s: expected attribute numbers, found %q", name, key)
			}
			index.Columns = append(index.Columns, numbers[index.Table][number])
		}
		c.Indexes[name] = index
		return nil
	})
	if err != nil {
		return c, err
	}
	err = each(ctx, db, `SELECT t.relname, k.conname, pg_get_constraintdef(k.oid)
		FROM pg_constraint k
		JOIN pg_class t ON t.oid = k.conrelid
		JOIN pg_namespace n ON n.oid = t.relnamespace
		WHERE n.nspname = 'public' AND k.contype = 'c'`, func(scan func(...any) error) error {
		var table, name, condition string
		err := scan(&table, &name, &condition)
		c.Checks[table+"."+name] = condition
		return err
	})
	return c, err
}

func each(ctx context.Context, db Querier, query string, row func(scan func(...any) error) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// KeyTypeProblems names every bytea column in a primary key, unique constraint or index: DSQL would refuse it.
func (c Catalog) KeyTypeProblems() []string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(c.Indexes)) {
		index := c.Indexes[name]
		for _, column := range index.Columns {
			if c.Tables[index.Table][column].Type == "bytea" {
				problems = append(problems, fmt.Sprintf("column %s.%s is bytea and part of the key of %s", index.Table, column, name))
			}
		}
	}
	return problems
}

// InvalidIndexes names the indexes that are still being built, or whose building failed.
func (c Catalog) InvalidIndexes() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Indexes)) {
		if !c.Indexes[name].Valid {
			names = append(names, name)
		}
	}
	return names
}

// typeNames are PostgreSQL's own words for the types in Temporal's schema.
var typeNames = map[string]string{
	"BYTEA": "bytea", "UUID": "uuid", "TEXT": "text", "BOOLEAN": "boolean", "TIMESTAMP": "timestamp without time zone",
	"INT": "integer", "INTEGER": "integer", "BIGINT": "bigint", "SMALLINT": "smallint",
}

func typeName(kind string) string {
	if name, ok := typeNames[kind]; ok {
		return name
	}
	if size, ok := strings.CutPrefix(kind, "VARCHAR"); ok {
		return "character varying" + size
	}
	return strings.ToLower(kind)
}

// describe puts a column in the words of a difference.
func (c CatalogColumn) describe() string {
	text := c.Type
	if c.NotNull {
		text += " not null"
	}
	if c.Default != "" {
		text += " with a default"
	}
	if c.Identity {
		text += " numbered"
	}
	return text
}

func (i CatalogIndex) describe() string {
	text := "index"
	if i.Unique {
		text = "unique index"
	}
	return fmt.Sprintf("%s on %s (%s)", text, i.Table, strings.Join(i.Columns, ", "))
}

// expected is a column as the catalogue should tell it.
func (c Column) expected(key []string) CatalogColumn {
	return CatalogColumn{typeName(c.Type), c.NotNull || slices.Contains(key, c.Name), c.Default, c.Identity}
}

// tableDifferences compares one table's columns, keys and checks.
func (c Catalog) tableDifferences(t CreateTable) []string {
	found, ok := c.Tables[t.Name]
	if !ok {
		return []string{"table " + t.Name + " is missing"}
	}
	var differences []string
	for _, column := range t.Columns {
		want := column.expected(t.primaryKey()).describe()
		if got, ok := found[column.Name]; !ok {
			differences = append(differences, fmt.Sprintf("column %s.%s is missing", t.Name, column.Name))
		} else if got.describe() != want {
			differences = append(differences, fmt.Sprintf("column %s.%s is %s, expected %s", t.Name, column.Name, got.describe(), want))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if t.column(name) == nil {
			differences = append(differences, fmt.Sprintf("column %s.%s is there, expected none", t.Name, name))
		}
	}
	for _, index := range t.constraintIndexes() {
		differences = append(differences, c.indexDifferences(index)...)
	}
	for _, constraint := range t.Constraints {
		if constraint.Kind == "CHECK" && constraint.Name != "" && c.Checks[t.Name+"."+constraint.Name] == "" {
			differences = append(differences, fmt.Sprintf("check %s.%s is missing", t.Name, constraint.Name))
		}
	}
	return differences
}

func (c Catalog) indexDifferences(index CreateIndex) []string {
	want := CatalogIndex{Table: index.Table, Columns: index.Columns, Unique: index.Unique}.describe()
	if got, ok := c.Indexes[index.Name]; !ok {
		return []string{"index " + index.Name + " is missing"}
	} else if got.describe() != want {
		return []string{fmt.Sprintf("index %s is a %s, expected a %s", index.Name, got.describe(), want)}
	}
	return nil
}

// Differences names everything in which the database is not of this shape. Tables and indexes that the shape does not know are not its business.
func (c Catalog) Differences(shape Shape) []string {
	var differences []string
	for _, t := range shape.Tables {
		differences = append(differences, c.tableDifferences(t)...)
	}
	for _, index := range shape.Indexes {
		differences = append(differences, c.indexDifferences(index)...)
	}
	return differences
}
