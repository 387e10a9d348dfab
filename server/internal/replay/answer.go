package replay

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"auroral/server/internal/session"

	"github.com/google/uuid"
)

// call is one statement to run.
type call struct {
	query string
	args  []driver.NamedValue
	rows  bool
}

// answer is all that a client can see of a statement's success.
type answer struct {
	columns  []string
	types    []string
	rows     [][]driver.Value
	affected int64
}

func (s call) on(ctx context.Context, c session.Conn) (answer, error) {
	if s.rows {
		rows, err := c.QueryContext(ctx, s.query, s.args)
		if err != nil {
			return answer{}, err
		}
		return drain(rows)
	}
	result, err := c.ExecContext(ctx, s.query, s.args)
	if err != nil {
		return answer{}, err
	}
	n, err := result.RowsAffected()
	return answer{affected: n}, err
}

// frozen copies what the caller could still write into.
func (s call) frozen() call {
	s.args = slices.Clone(s.args)
	for i := range s.args {
		s.args[i].Value = frozen(s.args[i].Value)
	}
	return s
}

func frozen(v any) any {
	switch v := v.(type) {
	case nil, bool, int, int16, int32, int64, float64, string, time.Time, time.Duration:
		return v
	case []byte:
		return bytes.Clone(v)
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Slice:
		if r.IsNil() {
			return v
		}
		clone := reflect.MakeSlice(r.Type(), r.Len(), r.Len())
		reflect.Copy(clone, r)
		return clone.Interface()
	case reflect.Pointer:
		if r.IsNil() {
			return v
		}
		clone := reflect.New(r.Type().Elem())
		clone.Elem().Set(r.Elem())
		return clone.Interface()
	default:
		return v
	}
}

func drain(rows driver.Rows) (a answer, err error) {
	defer func() {
		if closed := rows.Close(); err == nil {
			err = closed
		}
	}()
	a.columns = rows.Columns()
	a.types = make([]string, len(a.columns))
	if typed, ok := rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		for i := range a.types {
			a.types[i] = typed.ColumnTypeDatabaseTypeName(i)
		}
	}
	for {
		row := make([]driver.Value, len(a.columns))
		switch err := rows.Next(row); err { //nolint:errorlint // io.EOF is the driver's contract
		case nil:
		case io.EOF:
			return a, nil
		default:
			return answer{}, err
		}
		for i := range row {
			if row[i], err = owned(row[i], a.types[i]); err != nil {
				return answer{}, fmt.Errorf("dsql: column %s: %w", a.columns[i], err)
			}
		}
		a.rows = append(a.rows, row)
	}
}

// owned copies bytes that the driver may reuse, and gives a UUID as its 16 bytes.
func owned(v driver.Value, columnType string) (driver.Value, error) {
	switch v := v.(type) {
	case []byte:
		return bytes.Clone(v), nil
	case string:
		if columnType == "UUID" {
			id, err := uuid.Parse(v)
			return id[:], err
		}
	}
	return v, nil
}

func (a answer) equal(b answer) bool {
	return a.affected == b.affected && slices.Equal(a.columns, b.columns) &&
		slices.EqualFunc(a.rows, b.rows, func(x, y []driver.Value) bool { return slices.EqualFunc(x, y, equal) })
}

func equal(a, b driver.Value) bool {
	switch a := a.(type) {
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b) && (a == nil) == (b == nil)
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	default:
		return reflect.DeepEqual(a, b)
	}
}

// overheadBytes stands for a step's own memory, beside what it points to. The query's text is a constant of the store.
const overheadBytes = 128

func (s step) bytes() int {
	n := overheadBytes
	for _, arg := range s.call.args {
		n += size(arg.Value)
	}
	for _, row := range s.answer.rows {
		for _, v := range row {
			n += size(v)
		}
	}
	return n
}

func size(v any) int {
	const header = 16
	switch v := v.(type) {
	case []byte:
		return header + len(v)
	case string:
		return header + len(v)
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Slice:
		n := header + r.Len()*int(r.Type().Elem().Size())
		if r.Type().Elem().Kind() == reflect.String || r.Type().Elem().Kind() == reflect.Slice {
			for i := range r.Len() {
				n += r.Index(i).Len()
			}
		}
		return n
	default:
		return header
	}
}

// cursor reads an answer. Each has its own place, so that an answer can be recorded and read.
type cursor struct {
	answer
	next int
}

func (c *cursor) Columns() []string { return c.columns }
func (c *cursor) Close() error      { return nil }

func (c *cursor) Next(dest []driver.Value) error {
	if c.next >= len(c.rows) {
		return io.EOF
	}
	copy(dest, c.rows[c.next]) // database/sql copies bytes before it hands them out
	c.next++
	return nil
}

// ColumnTypeDatabaseTypeName names a column's type as the connection did.
func (c *cursor) ColumnTypeDatabaseTypeName(i int) string { return c.types[i] }
