package pool

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"

	"auroral/server/internal/session"
)

// rows are the rows of a ticket's connection, which may be lost among them.
type rows struct {
	driver.Rows
	ctx    context.Context //nolint:containedctx // Next has none; it is the query's own
	ticket *ticket
}

func (r *rows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	if err == nil || err == io.EOF { //nolint:errorlint // a bare EOF is the end; a wrapped one is a lost connection
		return err
	}
	return r.failed(err)
}

// Close ends the rows.
func (r *rows) Close() error {
	if err := r.Rows.Close(); err != nil {
		return r.failed(err)
	}
	return nil
}

func (r *rows) failed(err error) error {
	held := r.ticket.held
	if held == nil { // database/sql closes rows before it ends a use; so this is another's use
		return tell(r.ctx, err, true)
	}
	return r.ticket.failed(r.ctx, err, judge(r.ctx, err, session.StateOf(held.conn)))
}

// ColumnTypeDatabaseTypeName names the type of a column, where the connection does.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	if named, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return named.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// ColumnTypeScanType gives the Go type of a column, where the connection does.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if typed, ok := r.Rows.(driver.RowsColumnTypeScanType); ok {
		return typed.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}
