// Package session names what one physical connection to DSQL is to the layers above it.
package session

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// Conn is one physical connection.
type Conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.NamedValueChecker
}

// Opener opens one connection, waiting for every limiter first.
type Opener interface {
	Open(ctx context.Context) (Conn, error)
}

// OpenerFunc is a function that opens.
type OpenerFunc func(ctx context.Context) (Conn, error)

// Open calls the function.
func (f OpenerFunc) Open(ctx context.Context) (Conn, error) { return f(ctx) }

// Reason says why an opening failed; it is a metric's tag.
type Reason string

// The reasons of refused openings.
const (
	TooFast  Reason = "rate"        // SQLSTATE 53400
	TooMany  Reason = "connections" // SQLSTATE 53300
	Denied   Reason = "auth"        // SQLSTATE class 28, or no token
	TimedOut Reason = "timeout"
	Network  Reason = "network"
	Other    Reason = "other"
)

// RefusedError is an opening that failed.
type RefusedError struct {
	Reason Reason
	Err    error
}

// Error tells the reason and the cause.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("dsql: cannot connect (%s): %v", e.Reason, e.Err)
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// LostError is a statement whose connection ended before its answer came. It unwraps to nothing on purpose: for a bare
// network error Temporal closes its whole pool (sqlplugin.DatabaseHandle), of which one connection is lost and not 50.
type LostError struct{ Text string }

// Error tells what happened to the connection.
func (e *LostError) Error() string { return "dsql: connection lost: " + e.Text }
