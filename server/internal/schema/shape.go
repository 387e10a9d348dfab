package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Shape is what statements make: tables and indexes, in the order of their making.
type Shape struct {
	Tables  []CreateTable
	Indexes []CreateIndex
}

func (s Shape) clone() Shape {
	tables := make([]CreateTable, len(s.Tables))
	for i, t := range s.Tables {
		t.Columns = slices.Clone(t.Columns)
		tables[i] = t
	}
	return Shape{tables, slices.Clone(s.Indexes)}
}

// withIndexes adds the indexes among statements still to come: a table's key types depend on them.
func (s Shape) withIndexes(statements []Statement) Shape {
	indexes := slices.Clone(s.Indexes)
	for _, later := range statements {
		if index, ok := later.(CreateIndex); ok {
			indexes = append(indexes, index)
		}
	}
	return Shape{s.Tables, indexes}
}

func (s Shape) table(name string) *CreateTable {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i]
		}
	}
	return nil
}

// Statements gives statements that make this shape.
func (s Shape) Statements() []Statement {
	var statements []Statement
	for _, t := range s.Tables {
		statements = append(statements, t)
	}
	for _, i := range s.Indexes {
		statements = append(statements, i)
	}
	return statements
}

// Apply changes the shape as the statement would; rows leave it as it is.
func (s *Shape) Apply(statement Statement) error {
	switch change := statement.(type) {
	case CreateTable:
		if s.table(change.Name) != nil {
			if change.IfNotExists {
				return nil
			}
			return fmt.Errorf("table %s is made twice", change.Name)
		}
		s.Tables = append(s.Tables, change)
	case CreateIndex:
		s.Indexes = append(s.Indexes, change)
	case DropTable:
		if s.table(change.Name) == nil {
			return fmt.Errorf("table %s is dropped, which is not there", change.Name)
		}
		s.Tables = slices.DeleteFunc(s.Tables, func(t CreateTable) bool { return t.Name == change.Name })
		s.Indexes = slices.DeleteFunc(s.Indexes, func(i CreateIndex) bool { return i.Table == change.Name })
	case AddColumn:
		return s.change(change.Table, func(t *CreateTable) error {
			if t.column(change.Column.Name) != nil {
				return fmt.Errorf("column %s.%s is added twice", t.Name, change.Column.Name)
			}
			t.Columns = append(slices.Clone(t.Columns), change.Column)
			return nil
		})
	case DropColumn:
		return s.change(change.Table, func(t *CreateTable) error {
			if t.column(change.Column) == nil {
				return fmt.Errorf("column %s.%s is dropped, which is not there", t.Name, change.Column)
			}
			t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return c.Name == change.Column })
			return nil
		})
	case SetDefault:
		return s.changeColumn(change.Table, change.Column, func(c *Column) { c.Default = change.Expression })
	case SetType:
		return s.changeColumn(change.Table, change.Column, func(c *Column) { c.Type = change.Type })
	case Insert:
	default:
		return fmt.Errorf("no shape for %T", statement)
	}
	return nil
}

// undo takes back what a statement made. What it dropped or replaced is not known any more.
func (s *Shape) undo(statement Statement) error {
	switch change := statement.(type) {
	case CreateTable:
		return s.Apply(DropTable{change.Name})
	case AddColumn:
		return s.Apply(DropColumn{change.Table, change.Column.Name})
	case CreateIndex:
		s.Indexes = slices.DeleteFunc(s.Indexes, func(i CreateIndex) bool { return i.Name == change.Name })
	case Insert:
	default:
		return fmt.Errorf("what %q replaced is not known", excerpt(statement.SQL(Postgres)))
	}
	return nil
}

func (s *Shape) change(table string, do func(*CreateTable) error) error {
	t := s.table(table)
	if t == nil {
		return fmt.Errorf("table %s is altered, which is not there", table)
	}
	return do(t)
}

func (s *Shape) changeColumn(table, column string, do func(*Column)) error {
	return s.change(table, func(t *CreateTable) error {
		t.Columns = slices.Clone(t.Columns)
		c := t.column(column)
		if c == nil {
			return fmt.Errorf("column %s.%s is altered, which is not there", table, column)
		}
		do(c)
		return nil
	})
}

func (s *CreateTable) column(name string) *Column {
	for i := range s.Columns {
		if s.Columns[i].Name == name {
			return &s.Columns[i]
		}
	}
	return nil
}

func (s CreateTable) primaryKey() []string {
	for _, c := range s.Constraints {
		if c.Kind == "PRIMARY KEY" {
			return c.Columns
		}
	}
	for _, c := range s.Columns {
		if c.Key {
			return []string{c.Name}
		}
	}
	return nil
}

// constraintIndexes gives the indexes that a table brings along, under the names that PostgreSQL gives them.
func (s CreateTable) constraintIndexes() []CreateIndex {
	var indexes []CreateIndex
	if key := s.primaryKey(); len(key) > 0 {
		indexes = append(indexes, CreateIndex{Name: s.Name + "_pkey", Table: s.Name, Unique: true, Columns: key})
	}
	unique := func(name string, columns []string) {
		if name == "" {
			name = s.Name + "_" + strings.Join(columns, "_") + "_key"
		}
		indexes = append(indexes, CreateIndex{Name: name, Table: s.Name, Unique: true, Columns: columns})
	}
	for _, c := range s.Columns {
		if c.Unique {
			unique("", []string{c.Name})
		}
	}
	for _, c := range s.Constraints {
		if c.Kind == "UNIQUE" {
			unique(c.Name, c.Columns)
		}
	}
	return indexes
}

// keyColumns lists the columns in the primary key and unique constraints.
func (s CreateTable) keyColumns() []string {
	var columns []string
	for _, index := range s.constraintIndexes() {
		columns = append(columns, index.Columns...)
	}
	return columns
}
